//! The causes of a failure, without what must not be shown. [Rule 11](crate::DistributedMutex#contract) forbids any secret in errors and logs.
//!
//! A client's own error may hold a URL with a signature in its query, in its text and in its `Debug`. So a store wraps what is left by
//! [`scrubbed`], and quotes a service's own words by [`printable`].
//!
//! In this order: [`scrubbed`] the client's error, which cuts the queries of URLs from all its causes; [`root`](Cause::root) for your
//! message, which is printable already; the [`Cause`] itself as the source. [`printable`] is for texts that are no error, such as an
//! answer's body; it [scrubs](scrub) first and cuts then, so that no half of a signature is left.
//!
//! ```
//! use leader_election::kit::redact::{printable, scrubbed};
//! use leader_election::{Error, ErrorKind};
//!
//! let theirs = std::io::Error::other("GET https://store.example/nightly?sig=SECRET: connection refused");
//! let cause = scrubbed(&theirs);
//! let message = format!("the store could not be reached: {}", cause.root());
//! let error = Error::new(ErrorKind::Unreachable, message).with_source(cause);
//! assert!(!format!("{error:?}").contains("SECRET"));
//!
//! assert_eq!(printable("busy\r\n\u{1b}[31m"), "busy[31m");
//! ```

use std::fmt;

/// What the service wrote, fit for a log line: printable ASCII without the queries of URLs, 100 characters at the most.
#[must_use]
pub fn printable(text: &str) -> String {
    scrub(text).chars().filter(|c| c.is_ascii_graphic() || *c == ' ').take(100).collect()
}

/// An error's texts and its causes', without what may be secret in them: the queries of URLs, where signatures stand.
///
/// The errors themselves are not kept, as their `Debug` shows whole URLs.
#[must_use]
pub fn scrubbed(error: &(dyn std::error::Error + 'static)) -> Cause {
    Cause { text: scrub(&error.to_string()), below: error.source().map(|below| Box::new(scrubbed(below))) }
}

/// An error's text and those of its causes, as [`scrubbed`] leaves them. Itself an error, for
/// [`Error::with_source`](crate::Error::with_source).
///
/// ```
/// use leader_election::kit::redact::scrubbed;
/// use leader_election::{Error, ErrorKind};
///
/// let below = std::io::Error::other("connection refused");
/// let cause = scrubbed(&Error::new(ErrorKind::Unreachable, "sending the request").with_source(below));
/// assert_eq!(cause.whole(), "sending the request: connection refused");
/// assert_eq!(cause.root(), "connection refused");
/// ```
#[derive(Debug)]
pub struct Cause {
    text: String,
    below: Option<Box<Cause>>,
}

impl Cause {
    /// The text of the very first cause: `Connection refused (os error 111)`.
    #[must_use]
    pub fn root(&self) -> String {
        let root = std::iter::successors(Some(self), |cause| cause.below.as_deref()).last();
        printable(root.map_or("", |cause| cause.text.trim()))
    }

    /// The text with all those below it.
    #[must_use]
    pub fn whole(&self) -> String {
        let all = std::iter::successors(Some(self), |cause| cause.below.as_deref());
        all.map(|cause| cause.text.as_str()).collect::<Vec<_>>().join(": ")
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Cause {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.below.as_deref().map(|below| below as _)
    }
}

/// The text without the queries of URLs: every word is cut from its question mark on. Its length and its other characters stay; of
/// what a service wrote, take [`printable`].
#[must_use]
pub fn scrub(text: &str) -> String {
    let word = |word: &str| match word.split_once('?') {
        Some((before, query)) if !query.is_empty() => format!("{before}?..."),
        _ => word.to_owned(),
    };
    text.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

/// Whether this is the resolver's definite "no such name", as the platforms word it. Then the error is
/// [`NotFound`](crate::ErrorKind::NotFound), for a human. A resolver that is out of order says otherwise, and that is
/// [`Unreachable`](crate::ErrorKind::Unreachable).
#[must_use]
pub fn is_unknown_host(text: &str) -> bool {
    ["Name or service not known", "nodename nor servname", "No such host is known", "Name does not resolve"]
        .iter()
        .any(|wording| text.contains(wording))
}

/// What to do about a cause that is between this machine and the service, where the [whole text](Cause::whole) tells of one that a
/// human must remove: a certificate that is not trusted, or a proxy that asks for a sign-in. For stores that speak TLS.
#[must_use]
pub fn advice(texts: &str) -> Option<&'static str> {
    let texts = texts.to_ascii_lowercase();
    if texts.contains("invalid peer certificate") {
        return Some(
            "the TLS certificate is not trusted here: add the authority that issued it to this machine's certificates, or \
             name a file with it in SSL_CERT_FILE",
        );
    }
    ["proxy auth", "http 407"].iter().any(|wording| texts.contains(wording)).then_some(
        "a proxy on the way asks for a sign-in (407): put user and password into HTTPS_PROXY, or the host into NO_PROXY",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_in_urls_do_not_get_through() {
        let inner = std::io::Error::other("GET https://a.blob.core.windows.net/c/b?sv=1&sig=SECRET: refused");
        let outer =
            crate::Error::new(crate::ErrorKind::Unavailable, "sending (https://a/c?sig=SECRET)").with_source(inner);
        let cause = scrubbed(&outer);
        let all = format!("{cause} {cause:?} {}", cause.whole());
        assert!(!all.contains("SECRET"), "{all}");
        assert!(all.contains("refused") || all.contains("https://a.blob.core.windows.net/c/b?..."), "{all}");
    }
}
