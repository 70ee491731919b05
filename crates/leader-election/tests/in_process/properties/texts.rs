//! What holds for any text that is a name or a token, or not.

use leader_election::{Error, ErrorKind, FencingToken, HolderId};

/// A holder id is kept as it was given, or refused by name in one short line.
#[allow(dead_code)]
pub fn holder(text: &str) {
    match HolderId::new(text) {
        Ok(holder) => {
            assert_eq!((holder.as_str(), holder.to_string().as_str()), (text, text));
            assert!((1..=128).contains(&text.len()) && text.bytes().all(|byte| (0x20..=0x7e).contains(&byte)));
            assert!(!text.starts_with(' ') && !text.ends_with(' '));
        }
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::InvalidSetting);
            let message = error.to_string();
            assert!(message.contains("holder id") && message.len() < 2_000 && !message.chars().any(char::is_control));
        }
    }
}

/// A token is what its digits say, and whatever is out of range is refused and never clamped: as text and as JSON.
#[allow(dead_code)]
pub fn token(text: &str) {
    let digits = (1..=16).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = if digits { text.parse().ok() } else { None };
    let expected = number.filter(|number| (1..=FencingToken::MAX).contains(number));
    let read = text.parse::<FencingToken>();
    assert_eq!(read.as_ref().ok().map(|token| token.get()), expected, "{text:?}");
    match read {
        Ok(token) => {
            assert_eq!(token.to_string().parse::<FencingToken>().expect("its own text"), token);
            assert_eq!(format!("{token:020}").len(), 20);
        }
        Err(error) => assert_eq!(Error::from(error).kind(), ErrorKind::CorruptRecord),
    }
    if let Ok(token) = serde_json::from_str::<FencingToken>(text) {
        let said: serde_json::Value = serde_json::from_str(text).expect("JSON");
        assert_eq!(said.as_u64(), Some(token.get()), "{text}");
        assert!((1..=FencingToken::MAX).contains(&token.get()));
        assert_eq!(serde_json::to_string(&token).expect("a number"), token.to_string());
    }
}
