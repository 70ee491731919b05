//! What the server's and the client's errors mean.

use std::fmt::Display;

use leader_election::kit::redact::{is_unknown_host, printable, scrubbed};
use leader_election::{Error, ErrorKind};
use redis::{RedisError, ServerError};

use crate::tls;

/// An error that the server has answered with.
pub(crate) fn answered(doing: &str, server: &dyn Display, error: &ServerError) -> Error {
    told(doing, server, error.code(), error.details().unwrap_or_default())
}

/// The same of the answer to a sign-in, whose text may repeat the password.
pub(crate) fn not_signed_in(server: &dyn Display, error: &ServerError) -> Error {
    let details = error.details().unwrap_or_default();
    let no_password = ["no password is set", "without any password configured"];
    if no_password.iter().any(|words| details.contains(words)) {
        let message = format!("signing in to {server} failed: its default user has no password, so give none");
        return Error::setting(message);
    }
    let kept = if matches!(error.code(), "WRONGPASS" | "LOADING") || is_full(details) { details } else { "" };
    let kind = match meaning(error.code(), kept) {
        (ErrorKind::Refused, _) => ErrorKind::Denied,
        (kind, _) => kind,
    };
    let said = said(error.code(), kept);
    Error::new(kind, format!("signing in to {server} failed: {said}{}", meaning(error.code(), kept).1))
}

/// No answer, or none that can be read.
pub(crate) fn unanswered(doing: &str, server: &dyn Display, error: &RedisError) -> Error {
    use std::error::Error as _;
    if let redis::ErrorKind::Parse = error.kind() {
        let message = format!("{doing} {server} failed: what answers there does not speak Redis, or too much at once");
        return Error::new(ErrorKind::Refused, message);
    }
    let io = error.source().and_then(|source| source.downcast_ref::<std::io::Error>());
    // The client keeps causes behind a pointer of its own.
    let shared = error.source().and_then(|source| {
        source.downcast_ref::<std::sync::Arc<dyn std::error::Error + Send + Sync>>()?.downcast_ref::<std::io::Error>()
    });
    match io.or(shared) {
        Some(io) => broken(doing, server, io),
        None => {
            let cause = scrubbed(error);
            let kind = if error.is_timeout() { ErrorKind::Timeout } else { ErrorKind::Unreachable };
            Error::new(kind, format!("{doing} {server} failed: {}", cause.root())).with_source(cause)
        }
    }
}

/// The connection is not there, or has ended.
pub(crate) fn broken(doing: &str, server: &dyn Display, error: &std::io::Error) -> Error {
    if let Some(refusal) = tls::refusal(server, error) {
        return refusal;
    }
    let cause = scrubbed(error);
    let root = cause.root();
    let (kind, why) = match error.kind() {
        std::io::ErrorKind::TimedOut | std::io::ErrorKind::WouldBlock => (ErrorKind::Timeout, root),
        std::io::ErrorKind::InvalidData if error.get_ref().is_some_and(|inner| inner.is::<Unfit>()) => {
            (ErrorKind::Refused, root)
        }
        _ if is_unknown_host(&cause.whole()) => (ErrorKind::NotFound, format!("there is no such host ({root})")),
        _ => (ErrorKind::Unreachable, root),
    };
    Error::new(kind, format!("{doing} {server} failed: {why}")).with_source(cause)
}

/// The answer had not come when its time was over.
pub(crate) fn late(doing: &str, server: &dyn Display, limit: std::time::Duration) -> Error {
    Error::new(ErrorKind::Timeout, format!("{doing} {server}: no answer within {limit:?}"))
}

/// An answer that is none to the question.
pub(crate) fn unexpected(doing: &str, server: &dyn Display) -> Error {
    Error::new(ErrorKind::Refused, format!("{doing} {server} failed: the answer is not of the form that was asked for"))
}

/// An answer that is read no further.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Unfit {
    /// It is longer than any to this question has to be.
    TooMuch,
    /// It is of another protocol.
    SpeaksNoRedis,
}

impl Display for Unfit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::TooMuch => "the answer is longer than any to this question can be",
            Self::SpeaksNoRedis => "what answers there does not speak Redis",
        })
    }
}

impl std::error::Error for Unfit {}

impl From<Unfit> for std::io::Error {
    fn from(unfit: Unfit) -> Self {
        Self::new(std::io::ErrorKind::InvalidData, unfit)
    }
}

pub(crate) fn told(doing: &str, server: &dyn Display, code: &str, details: &str) -> Error {
    let (kind, advice) = meaning(code, details);
    Error::new(kind, format!("{doing} {server} failed: {}{advice}", said(code, details)))
}

fn said(code: &str, details: &str) -> String {
    printable(format!("{code} {details}").trim())
}

fn meaning(code: &str, details: &str) -> (ErrorKind, &'static str) {
    match code {
        "OOM" => (ErrorKind::Unavailable, "; the server's memory is full: make room, or give it more"),
        "READONLY" => {
            (ErrorKind::Unavailable, "; this is a replica: it passes when the name leads to the primary again")
        }
        "LOADING" | "MASTERDOWN" | "CLUSTERDOWN" | "TRYAGAIN" | "BUSY" | "NOREPLICAS" | "MISCONF" => {
            (ErrorKind::Unavailable, "")
        }
        "MOVED" | "ASK" | "CROSSSLOT" => (
            ErrorKind::InvalidSetting,
            "; this database is clustered by the OSS policy, in which a client must know all nodes: choose the clustering policy \
             Enterprise or Non-clustered (in Azure Managed Redis it is set when the database is created)",
        ),
        "NOAUTH" => (ErrorKind::Denied, "; give a password or a credential"),
        "WRONGPASS" => (
            ErrorKind::Denied,
            "; is it this server's password, or an access key that was renewed? With Entra ID: does the identity have an access policy \
             on this database?",
        ),
        "NOPERM" => {
            (ErrorKind::Denied, "; the user needs the rights that RedisDistributedMutex lists in its documentation")
        }
        "DENIED" => (ErrorKind::Denied, ""),
        "WRONGTYPE" => (
            ErrorKind::CorruptRecord,
            "; something else has put another kind of value there. Nothing was changed: restore it, or delete it",
        ),
        _ if is_full(details) => (ErrorKind::Unavailable, ""),
        "ERR" if details.contains("DB index is out of range") => (ErrorKind::InvalidSetting, ""),
        "ERR" if details.contains("unknown command") => {
            (ErrorKind::Refused, "; this store takes Redis 7.0 or later, with EVAL not renamed or switched off")
        }
        _ => (ErrorKind::Refused, ""),
    }
}

fn is_full(details: &str) -> bool {
    details.contains("max number of clients")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(code: &str, details: &str) -> ErrorKind {
        told("reading", &"redis://h:1", code, details).kind()
    }

    #[test]
    fn each_refusal_is_of_the_kind_that_a_host_has_to_know() {
        for code in
            ["READONLY", "LOADING", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "BUSY", "NOREPLICAS", "MISCONF", "OOM"]
        {
            assert_eq!(kind(code, ""), ErrorKind::Unavailable, "{code}");
        }
        for code in ["MOVED", "ASK", "CROSSSLOT"] {
            let error = told("reading", &"redis://h:1", code, "3999 127.0.0.1:1");
            assert_eq!(error.kind(), ErrorKind::InvalidSetting);
            assert!(error.to_string().contains("Enterprise or Non-clustered"), "{error}");
        }
        for code in ["NOAUTH", "WRONGPASS", "NOPERM", "DENIED"] {
            assert_eq!(kind(code, ""), ErrorKind::Denied, "{code}");
        }
        assert_eq!(kind("WRONGTYPE", ""), ErrorKind::CorruptRecord);
        assert_eq!(kind("ERR", "max number of clients reached"), ErrorKind::Unavailable);
        assert_eq!(kind("ERR", "unknown command 'EVAL'"), ErrorKind::Refused);
        assert_eq!(kind("NEWCODE", ""), ErrorKind::Refused);
    }
}
