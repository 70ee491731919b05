//! What holds whatever an error's text says.

use crate::laws::CANARY;
use leader_election::kit::redact::scrubbed;

/// No word of a scrubbed error goes on after a question mark, in any of its causes; what stands before it stays.
pub(crate) fn scrub(text: &str) {
    let inner = std::io::Error::other(text.to_owned());
    let outer = azure_core::Error::with_error(azure_core::error::ErrorKind::Io, inner, format!("outer: {text}"));
    let cause = scrubbed(&outer);
    let whole = cause.whole();
    for word in whole.split(' ') {
        if let Some((_, rest)) = word.split_once('?') {
            // Those of a sentence, of a query that was cut, and the colon between two causes.
            assert!(matches!(rest, "" | "..." | ":" | "...:"), "{word:?} of {text:?}");
        }
    }
    if !text.contains('?') {
        assert!(whole.contains(text), "nothing else is lost: {whole:?}");
    }
    let shown = format!("{cause} {cause:?}");
    let in_a_query = text.split(' ').all(|word| !word.split('?').next().unwrap_or_default().contains(CANARY));
    assert!(!in_a_query || !shown.contains(CANARY), "{shown}");
}
