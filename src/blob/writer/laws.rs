//! What holds whatever a blob's tag says, and whatever the service answers to a fenced write.

#![allow(clippy::expect_used)]

use azure_core::http::Url;

use super::errors;
use super::mark::{Mark, at_most};
use crate::blob::address::Address;
use crate::blob::laws::sdk_error;
use crate::laws::presentable;
use leader_election::{ErrorKind, FencingToken};

/// A tag is the mark that it was written as, or the bare token of another program; all else is an error, never a low mark.
pub(crate) fn tag(text: &str) {
    match text.parse::<Mark>() {
        Ok(mark) => {
            let whole = mark.to_string();
            assert!(
                text == whole || (mark.write == 0 && text == format!("{:020}", mark.token)),
                "{text:?} is {mark:?}"
            );
            assert!((1..=FencingToken::MAX).contains(&mark.token.get()));
        }
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::CorruptRecord);
            presentable(&error);
        }
    }
}

/// The service compares marks as texts: their order is that of the numbers.
pub(crate) fn order(one: (u64, u64), other: (u64, u64)) {
    let mark = |(token, write): (u64, u64)| Mark { token: FencingToken::new(token).expect("in range"), write };
    let (one, other) = (mark(one), mark(other));
    assert_eq!(one.cmp(&other), one.to_string().cmp(&other.to_string()));
    assert_eq!(one.to_string().parse::<Mark>().expect("its own text"), one);
    tag(&one.to_string());
    // And so with the bare token of another program: it comes before all that bear a number.
    let bare = format!("{:020}", other.token);
    assert_eq!(one.token < other.token, one.to_string() < bare);
    // An append is let through for every mark up to its token.
    let bound = at_most(other.token);
    let bound = bound.split('\'').nth(1).expect("quoted");
    assert_eq!(one.token <= other.token, *one.to_string() < *bound);
    // Values of tags have a closed set of characters.
    assert!(one.to_string().bytes().all(|byte| byte.is_ascii_digit() || byte == b'-'));
}

/// Whatever the service answers to a fenced write can be shown, and none but its own refusals settle it.
pub(crate) fn answer(status: u16, code: Option<&str>, headers: &[(&'static str, String)]) {
    let container = Url::parse("https://acct.blob.core.windows.net/state").expect("a URL");
    let address = Address::of_client(&container, "b").expect("valid");
    let error = sdk_error(status, code, headers);
    let explained = errors::explain("writing", &address, &error);
    presentable(&explained);
    match status {
        429 => assert_eq!(explained.kind(), ErrorKind::Throttled),
        500..=599 => assert!(explained.is_transient(), "{explained}"),
        _ => {}
    }
    if errors::refusal(&error).is_some() {
        assert!(matches!(status, 400 | 404 | 409 | 412), "a refusal is the service's definite word");
    }
}
