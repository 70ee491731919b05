//! What stands in the leader record: JSON, indented for those who look at it.

#[cfg(test)]
mod generated;
#[cfg(any(test, fuzzing))]
pub(crate) mod laws;
pub(super) mod side;

pub(super) use crate::document::json::{Rest, parse as read, to_text as write};

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use serde_json::{Value, json};

    use super::*;
    use crate::document::{Record, json as common};
    use crate::port::LeaderData;

    fn record() -> Record {
        common::sample(SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_123))
    }

    fn edited(edit: impl FnOnce(&mut Value)) -> Vec<u8> {
        let mut document: Value = serde_json::from_str(&write(&record(), &Rest::new())).expect("our own JSON");
        edit(&mut document);
        document.to_string().into_bytes()
    }

    #[test]
    fn what_was_written_is_read_and_unknown_fields_are_kept() {
        let (read, rest) = super::read(&edited(|document| document["team"] = json!("billing"))).expect("readable");
        assert_eq!(read, record());
        let (_, rest) = super::read(write(&read, &rest).as_bytes()).expect("readable");
        assert_eq!(rest["team"], "billing");
    }

    #[test]
    fn invariant_14_whatever_cannot_be_understood_is_an_error_that_names_it() {
        for (name, value) in [
            ("leaseMs", json!(3_600_001)),
            ("leaseMs", json!(u64::MAX)),
            ("leaseMs", json!(1.5)),
            ("renewEveryMs", json!(-1)),
            ("fencingToken", json!(0)),
            ("fencingToken", json!(1_u64 << 53)),
            ("fencingToken", json!("7")),
            ("holder", json!("two\nlines")),
            ("previousHolder", json!(7)),
            ("claim", json!("x".repeat(257))),
            ("write", Value::Null),
            ("renewals", json!(-1)),
            ("electedAtMs", json!("yesterday")),
            ("renewedAtMs", json!(u64::MAX)),
            ("schemaVersion", json!(0)),
            ("schemaVersion", json!(2)),
        ] {
            let wrong = read(&edited(|document| document[name] = value.clone())).expect_err("must be refused");
            assert!(wrong.contains(name), "{name}: {value} -> {wrong}");
        }
        let Ok(Value::Object(whole)) = serde_json::from_slice(&edited(|_| ())) else { panic!("an object") };
        for name in whole.keys() {
            let half = edited(|document| drop(document.as_object_mut().expect("an object").remove(name)));
            assert!(read(&half).expect_err("half a record").contains(name.as_str()));
        }
        for text in ["", "{", "[]", "\"text\"", "7", "null", "{}{}", "\u{feff}{}"] {
            assert!(read(text.as_bytes()).is_err(), "{text:?}");
        }
        assert!(read(&[0xff, 0xfe, 0]).is_err());
        let deep = "[".repeat(50_000);
        assert!(read(deep.as_bytes()).is_err(), "no overflow of the stack");
    }

    #[test]
    fn what_is_read_can_be_written_and_read_again_however_long_it_is() {
        // Indented, each number would have a line of its own.
        let with_others = |numbers: usize| edited(|document| document["theirs"] = json!(vec![7; numbers]));
        let (mut longest, rest) = read(&with_others(16_000)).expect("32,000 bytes are not too many");
        longest.data = Some(LeaderData::new("\0".repeat(LeaderData::MAX)).expect("as long as it may be"));
        let text = write(&longest, &rest);
        assert!(text.len() <= common::MAX_BYTES, "{} bytes", text.len());
        assert_eq!(read(text.as_bytes()).expect("readable"), (longest, rest));

        assert!(read(&with_others(17_000)).expect_err("34,000 bytes").contains("fields of others"));
        assert!(read(&with_others(40_000)).expect_err("80,000 bytes").contains("65,536"));
    }

    #[test]
    fn no_beginning_of_a_record_passes_for_a_whole_one() {
        let text = write(&record(), &Rest::new());
        for end in 0..text.trim_end().len() {
            assert!(read(&text.as_bytes()[..end]).is_err(), "{}", &text[..end]);
        }
    }
}
