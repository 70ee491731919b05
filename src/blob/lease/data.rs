//! A leader's data as a value of metadata, which carries printable ASCII alone.

use azure_core::base64;

use leader_election::LeaderData;

/// Begins what is encoded. Data that begins so itself is encoded too, so that each text is one leader's data and no other's.
const ENCODED: &str = "base64:";

/// The longest that data can be: its mark, and four characters for each three bytes.
const LONGEST: usize = ENCODED.len() + LeaderData::MAX.div_ceil(3) * 4;

/// Stays readable where it can.
pub(super) fn encode(data: &LeaderData) -> String {
    let text = data.as_str();
    if survives(text) && !text.starts_with(ENCODED) {
        return text.to_owned();
    }
    format!("{ENCODED}{}", base64::encode(text))
}

/// `None` for what no leader has written.
pub(super) fn decode(text: &str) -> Option<LeaderData> {
    if text.len() > LONGEST {
        return None;
    }
    let Some(encoded) = text.strip_prefix(ENCODED) else {
        return text.bytes().all(is_printable).then(|| LeaderData::new(text).ok()).flatten();
    };
    let bytes = base64::decode(encoded).ok()?;
    LeaderData::new(std::str::from_utf8(&bytes).ok()?).ok()
}

/// Whether a header brings it back as it is: spaces at the ends are cut off on the way, and several in a row may become one.
fn survives(text: &str) -> bool {
    text.bytes().all(is_printable) && text.trim() == text && !text.contains("  ")
}

fn is_printable(byte: u8) -> bool {
    matches!(byte, b' '..=b'~')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(text: impl AsRef<str>) -> LeaderData {
        LeaderData::new(text).expect("valid")
    }

    #[test]
    fn plain_data_stays_readable_and_all_else_comes_back_from_ascii() {
        for text in ["http://10.0.0.7:8080", r#"{"phase": "warm"}"#, "a, b; c=%41", "base64", "BASE64:YQ==", "~"] {
            assert_eq!(encode(&data(text)), text);
        }
        for text in
            ["Größe", "line\nfeed", " ahead", "behind ", "two  spaces", "base64:YQ==", "base64:", "\u{7f}", "\0"]
        {
            let written = encode(&data(text));
            assert!(written.starts_with(ENCODED) && written.bytes().all(|byte| byte.is_ascii_graphic()), "{written}");
            assert_eq!(decode(&written), Some(data(text)));
        }
    }

    #[test]
    fn the_longest_data_comes_back_whichever_its_characters_are() {
        for text in ["x".repeat(LeaderData::MAX), "ü".repeat(LeaderData::MAX / 2), "\n".repeat(LeaderData::MAX)] {
            let written = encode(&data(&text));
            assert!(written.len() <= LONGEST);
            assert_eq!(decode(&written), Some(data(&text)));
        }
    }

    #[test]
    fn what_no_leader_has_written_is_no_data() {
        let long = format!("{ENCODED}{}", base64::encode("x".repeat(LeaderData::MAX + 1)));
        let no_text = format!("{ENCODED}{}", base64::encode([0xff]));
        let too_plain = "x".repeat(LeaderData::MAX + 1);
        for text in ["", "Größe", "a\tb", "base64:", "base64:?", "base64:YQ==?", &long, &no_text, &too_plain] {
            assert_eq!(decode(text), None, "{text}");
        }
    }
}
