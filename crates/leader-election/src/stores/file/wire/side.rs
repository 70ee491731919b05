//! What stands in a record beside the leader record.

use serde_json::{Value, json};

use crate::port::SideContent;

/// The text to write. The number makes each write another version, whatever it says.
pub(in crate::stores::file) fn write(number: &str, text: &str) -> String {
    format!("{:#}\n", json!({"schemaVersion": 1, "write": number, "text": text}))
}

/// Reads a record that anybody may have written.
///
/// # Errors
/// What is wrong with it, for a sentence that begins with the file's name.
pub(in crate::stores::file) fn read(content: &[u8]) -> Result<String, String> {
    let record: Value = serde_json::from_slice(content).map_err(|_| "is no JSON".to_owned())?;
    match record.get("schemaVersion").and_then(Value::as_u64) {
        Some(1) => {}
        Some(newer) if newer > 1 => return Err("has a schemaVersion that is newer than this program knows".to_owned()),
        _ => return Err("has a schemaVersion that there never was".to_owned()),
    }
    match record.get("text").and_then(Value::as_str) {
        None => Err("is corrupt: text is no string".to_owned()),
        Some(text) if text.len() > SideContent::MAX => Err("is corrupt: text is longer than 8,192 bytes".to_owned()),
        Some(text) => Ok(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_side_record_is_read_as_it_was_written_and_all_else_is_refused() {
        let longest = "\u{0}".repeat(SideContent::MAX);
        for text in ["", "2026-11-27T02:00:00Z", "größer \u{1F600}\n", &longest] {
            let content = write("7", text);
            assert!(content.len() < 64 * 1024, "it can be read again");
            assert_eq!(read(content.as_bytes()).expect("readable"), text);
        }
        let too_long = write("7", &"x".repeat(SideContent::MAX + 1));
        for (content, named) in [
            ("{", "no JSON"),
            ("[]", "schemaVersion"),
            (r#"{"schemaVersion": 2, "text": ""}"#, "newer"),
            (r#"{"schemaVersion": 1, "text": 7}"#, "text"),
            (&too_long, "text"),
        ] {
            assert!(read(content.as_bytes()).expect_err("must be refused").contains(named), "{content:.40}");
        }
    }
}
