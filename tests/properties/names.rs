//! Any names, tokens and versions.

use azure_leader_election::{ClaimId, ErrorKind, FencingToken, HolderId, Version};
use proptest::prelude::*;

use crate::config;

/// A holder id is kept as it was given, or refused by name in one short line.
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
        Err(error) => assert_eq!(error.kind(), ErrorKind::CorruptRecord),
    }
    #[cfg(feature = "serde")]
    if let Ok(token) = serde_json::from_str::<FencingToken>(text) {
        let said: serde_json::Value = serde_json::from_str(text).expect("JSON");
        assert_eq!(said.as_u64(), Some(token.get()), "{text}");
        assert!((1..=FencingToken::MAX).contains(&token.get()));
        assert_eq!(serde_json::to_string(&token).expect("a number"), token.to_string());
    }
}

/// The token that follows is above the last one and not below the service's time, or an error.
fn next(stored: Option<FencingToken>, server_ms: u64) {
    match FencingToken::next(stored, server_ms) {
        Ok(next) => assert!(Some(next) > stored && next.get() >= server_ms),
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::CorruptRecord);
            let none_left =
                stored.is_some_and(|token| token.get() == FencingToken::MAX) || server_ms > FencingToken::MAX;
            assert!(none_left, "{stored:?} at {server_ms}");
        }
    }
}

fn number() -> impl Strategy<Value = u64> {
    let near = (0..64_u32, 0..3_u64).prop_map(|(bits, off)| (1_u64 << bits).wrapping_add(off).wrapping_sub(1));
    prop_oneof![any::<u64>(), near]
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_holder_id_is_kept_as_it_was_given_or_refused_by_name(
        name in prop_oneof!["[ -~]{0,140}", ".{0,12}", "[!-~]{1,128}\n?", "\u{a0}?[a-z]{0,3}[\u{a0}\t ]?"],
    ) {
        holder(&name);
    }

    #[test]
    fn a_token_is_what_its_digits_say_or_refused(
        text in prop_oneof![number().prop_map(|number| number.to_string()), "[-+ 0-9.eE\"]{0,20}", "0{0,16}[0-9]{0,16}"],
    ) {
        token(&text);
    }

    #[test]
    fn the_next_token_is_above_the_last_and_not_below_the_time_or_an_error(
        stored in prop::option::of(number()),
        server_ms in number(),
    ) {
        next(stored.and_then(|number| FencingToken::new(number).ok()), server_ms);
    }

    #[test]
    fn a_version_is_kept_as_it_was_given_or_refused(version in prop_oneof![".{0,8}", "[a-zü]{1000,1030}"]) {
        match Version::new(&version) {
            Ok(kept) => prop_assert_eq!(kept.as_str(), version),
            Err(error) => {
                prop_assert_eq!(error.kind(), ErrorKind::CorruptRecord);
                prop_assert!(version.is_empty() || version.len() > 1024);
            }
        }
    }

    #[test]
    fn no_claim_id_shows_itself(id in any::<u128>()) {
        let id = ClaimId::from_u128(id);
        let secret = id.expose();
        for shown in [format!("{id:?}"), id.fingerprint()] {
            prop_assert!(!shown.contains(&secret) && !shown.contains(&secret.replace('-', "")));
        }
        let other = ClaimId::random();
        prop_assert!(other.fingerprint() != id.fingerprint());
    }
}
