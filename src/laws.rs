//! What holds whatever a store, an account or a caller comes up with (invariant 14), as functions of any input.
//!
//! Each one panics where it does not hold. Two ways of making up input share them: the properties beside the parsers, which
//! run with the unit tests, and the targets in `fuzz`, for a coverage-guided fuzzer. Neither is part of the crate that
//! users build.

#[cfg(test)]
mod generated;
pub(crate) mod texts;

use std::error::Error as _;

use leader_election::Error;

/// What a signature, a key or a token is in made-up input.
pub(crate) const CANARY: &str = "CANARY2f9c";

/// An error may be shown to people and written to a log, whatever led to it: one line, of bounded length, without a secret.
pub(crate) fn presentable(error: &Error) {
    let message = error.to_string();
    assert!(!message.is_empty() && message.len() < 8_000, "{} bytes: {message:.200}", message.len());
    assert!(!message.chars().any(char::is_control), "control characters in {message:?}");
    secretless(error);
}

/// Neither the texts of an error and all its causes nor their `Debug` show the canary.
pub(crate) fn secretless(error: &Error) {
    let mut texts = format!("{error} {error:?}");
    let mut below = error.source();
    while let Some(cause) = below {
        texts.push_str(&format!(" {cause} {cause:?}"));
        below = cause.source();
    }
    assert!(!texts.contains(CANARY), "a secret in {texts}");
}

/// Strategies that several properties share.
#[cfg(test)]
pub(crate) mod strategies {
    use proptest::prelude::*;

    use super::CANARY;

    /// Short texts of letters and digits, of everything that separates, controls or is wide, and of secrets in URLs.
    pub(crate) fn text() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            4 => "[a-zA-Z0-9-]{0,8}",
            2 => "[ /?#%&=:.@\\\\\"'-]{1,3}",
            1 => any::<char>().prop_map(String::from),
            1 => prop::sample::select(vec!["\n", "\r", "\t", "\u{7f}", "\u{0}", "ü", "\u{202e}", "%2e", "..", "null"])
                .prop_map(str::to_owned),
        ];
        prop::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
    }

    /// Numbers in decimal digits near all limits, and what is nearly a number.
    pub(crate) fn number() -> impl Strategy<Value = String> {
        prop_oneof![
            3 => any::<u64>().prop_map(|number| number.to_string()),
            3 => (0..54_u32, 0..3_u64).prop_map(|(bits, off)| ((1_u64 << bits) + off - 1).to_string()),
            2 => any::<u16>().prop_map(|number| number.to_string()),
            1 => "[-+0 ]{0,2}[0-9]{1,24}[.e]?[0-9]{0,2}",
            1 => text(),
        ]
    }

    /// Times of RFC 3339 from the first to the last that can be written, and what is nearly one.
    pub(crate) fn time() -> impl Strategy<Value = String> {
        let year = prop_oneof![Just(0_u32), Just(1), Just(9_999), 0..10_000_u32];
        let offset = prop_oneof![Just("Z".to_owned()), "[+-](0[0-9]|1[0-9]|2[0-3]):(00|59)"];
        let time = (year, 1..13_u32, 1..29_u32, 0..24_u32, 0..60_u32, "(\\.[0-9]{1,12})?", offset);
        prop_oneof![
            9 => time.prop_map(|(year, month, day, hour, minute, fraction, offset)| {
                format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:59{fraction}{offset}")
            }),
            1 => text(),
        ]
    }

    /// A URL as errors show it, with a secret in its query: parsed, and so without a space or a control character.
    pub(crate) fn parsed_url() -> impl Strategy<Value = String> {
        (url(), text()).prop_map(|(url, query)| {
            let mut parsed = azure_core::http::Url::parse(&url)
                .or_else(|_| azure_core::http::Url::parse("https://acct.example/leases"))
                .expect("a URL");
            // The parser of a setting refuses both, so no request has them.
            let _ = (parsed.set_username(""), parsed.set_password(None));
            parsed.set_fragment(None);
            if parsed.path().contains(CANARY) {
                parsed.set_path("/leases");
            }
            parsed.set_query(Some(&format!("{query}&sig={CANARY}")));
            parsed.to_string()
        })
    }

    /// What somebody may take for the URL of a container or an account, with a secret wherever there is room for one.
    pub(crate) fn url() -> impl Strategy<Value = String> {
        let scheme = prop::sample::select(vec!["https://", "http://", "HTTPS://", "ftp://", "https:/", ""]);
        let user =
            prop_oneof![6 => Just(String::new()), 1 => Just("user@".to_owned()), 1 => Just(format!("u:{CANARY}@"))];
        let host = prop_oneof![
            4 => prop::sample::select(vec![
                "acct.blob.core.windows.net", "acct.documents.azure.com", "127.0.0.1", "[::1]", "localhost", "10.0.0.1",
                "127.0.0.1.evil.example", "localhost.evil.example", "LOCALHOST", "0x7f.1", "[::ffff:127.0.0.1]", "2130706433",
                "",
            ]).prop_map(str::to_owned),
            1 => text(),
        ];
        let port = prop_oneof![4 => Just(String::new()), 2 => (0..70_000_u32).prop_map(|port| format!(":{port}"))];
        let path = prop_oneof![
            2 => Just("/leases".to_owned()),
            2 => Just("/devstoreaccount1/leases".to_owned()),
            2 => Just("/".to_owned()),
            1 => Just(String::new()),
            2 => "/[a-z0-9-]{1,6}(/[a-z0-9-]{0,6})?",
            1 => text().prop_map(|text| format!("/{text}")),
        ];
        let query = prop_oneof![
            3 => Just(String::new()),
            3 => Just(format!("?sv=2025-01-01&sig={CANARY}")),
            1 => Just(format!("?{CANARY}")),
            1 => Just(format!("#{CANARY}")),
            1 => text().prop_map(|text| format!("?{text}sig={CANARY}")),
        ];
        (scheme, user, host, port, path, query)
            .prop_map(|(scheme, user, host, port, path, query)| format!("{scheme}{user}{host}{port}{path}{query}"))
    }
}
