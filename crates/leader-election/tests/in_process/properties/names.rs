//! Any names, tokens and versions.

use leader_election::{ClaimId, Error, ErrorKind, FencingToken, Version};
use proptest::prelude::*;

use super::texts::{holder, token};
use crate::properties::config;

/// The token that follows is above the last one and not below the service's time, or an error.
fn next(stored: Option<FencingToken>, server_ms: u64) {
    match FencingToken::next(stored, server_ms) {
        Ok(next) => assert!(Some(next) > stored && next.get() >= server_ms),
        Err(error) => {
            assert_eq!(Error::from(error).kind(), ErrorKind::CorruptRecord);
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
