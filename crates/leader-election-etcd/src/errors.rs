//! What etcd's answers mean.

use std::time::Duration;

use leader_election::kit::redact::printable;
use leader_election::{Error, ErrorKind};
use leader_election_http::{Answer, status};
use serde::Deserialize;

/// Why a member did not do what it was asked.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    pub(crate) error: Error,
    /// Whether it says something of this member alone, so that another one may answer.
    pub(crate) elsewhere: bool,
}

impl Failure {
    /// No answer, or none that can be read.
    pub(crate) fn of_member(error: Error) -> Self {
        Self { error, elsewhere: true }
    }

    pub(crate) fn of_cluster(error: Error) -> Self {
        Self { error, elsewhere: false }
    }
}

/// An answer that tells of no success: the status of gRPC, as the gateway writes it.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Refusal {
    #[serde(default)]
    code: u64,
    /// Of 3.4 to 3.6.
    #[serde(default)]
    message: String,
    /// Of gateways that leave `message` out.
    #[serde(default)]
    error: String,
}

// https://pkg.go.dev/google.golang.org/grpc/codes
const UNKNOWN: u64 = 2;
const INVALID_ARGUMENT: u64 = 3;
const DEADLINE_EXCEEDED: u64 = 4;
const NOT_FOUND: u64 = 5;
const PERMISSION_DENIED: u64 = 7;
const RESOURCE_EXHAUSTED: u64 = 8;
const OUT_OF_RANGE: u64 = 11;
const UNIMPLEMENTED: u64 = 12;
const INTERNAL: u64 = 13;
const UNAVAILABLE: u64 = 14;
const DATA_LOSS: u64 = 15;
const UNAUTHENTICATED: u64 = 16;

impl Refusal {
    pub(crate) fn new(code: u64, message: String) -> Self {
        Self { code, message, error: String::new() }
    }

    pub(crate) fn read(answer: &Answer) -> Self {
        // What is no JSON has no code, and tells by its text alone.
        let text = || Self::new(0, String::from_utf8_lossy(&answer.body).into_owned());
        serde_json::from_slice(&answer.body).unwrap_or_else(|_| text())
    }

    fn text(&self) -> &str {
        let text = if self.message.is_empty() { &self.error } else { &self.message };
        text.strip_prefix("etcdserver: ").unwrap_or(text)
    }

    /// Whether a new token may help: the member has forgotten this one, it is older than a change of rights, or authentication was
    /// switched on meanwhile.
    pub(crate) fn wants_new_token(&self) -> bool {
        let text = self.text();
        self.code == UNAUTHENTICATED
            || text.contains("revision of auth store is old")
            || text.contains("user name is empty")
    }

    /// Of the request that signs in: nobody has to.
    pub(crate) fn is_authentication_off(&self) -> bool {
        self.text().contains("authentication is not enabled")
    }
}

/// The error of a refusal. `member` names who answered, and `doing` what was asked: "reading the key elections/nightly".
pub(crate) fn explain(refusal: &Refusal, http_status: u16, member: &str, doing: &str) -> Failure {
    let text = refusal.text();
    let failure = |elsewhere, kind, what: String| Failure { error: Error::new(kind, what), elsewhere };
    let said = || format!("{doing}: {member} says \"{}\"", printable(text));
    match refusal.code {
        INVALID_ARGUMENT if text.contains("user name is empty") => failure(
            false,
            ErrorKind::Denied,
            format!(
                "{doing}: authentication is on at {member}, and no user was given: set `EtcdOptions::user` and `EtcdOptions::password` (to the \
                 command `leader`: ETCD_USER and ETCD_PASSWORD). A client certificate is no user here"
            ),
        ),
        INVALID_ARGUMENT if text.contains("authentication failed") => failure(
            false,
            ErrorKind::Denied,
            format!(
                "{doing}: {member} knows no such user with that password: look at ETCD_USER and ETCD_PASSWORD, or `EtcdOptions`"
            ),
        ),
        // The rights changed in this very moment: the next attempt has a token that is new enough.
        INVALID_ARGUMENT if text.contains("revision of auth store is old") => {
            failure(false, ErrorKind::Unavailable, said())
        }
        INVALID_ARGUMENT => failure(false, ErrorKind::InvalidSetting, said()),
        PERMISSION_DENIED => failure(
            false,
            ErrorKind::Denied,
            format!("{doing}: {member} denies it to this user: grant its role `readwrite` on the prefix of these keys"),
        ),
        RESOURCE_EXHAUSTED if text.contains("database space exceeded") => failure(
            // The alarm is the whole cluster's.
            false,
            ErrorKind::Unavailable,
            format!(
                "{doing}: etcd has no space left (alarm NOSPACE) and refuses all writes, so no lease can be taken or renewed: compact and \
                 defragment it, then run `etcdctl alarm disarm`; keep its auto-compaction on"
            ),
        ),
        RESOURCE_EXHAUSTED => failure(true, ErrorKind::Throttled, said()),
        OUT_OF_RANGE => failure(
            false,
            ErrorKind::Unavailable,
            format!("{doing}: {member} compacted its history meanwhile; the next attempt looks anew"),
        ),
        UNAUTHENTICATED => failure(
            false,
            ErrorKind::Denied,
            format!(
                "{doing}: {member} refuses the token that it has just given: is there a proxy between, or are two clusters behind one name?"
            ),
        ),
        UNAVAILABLE if text.contains("no leader") => failure(
            true,
            ErrorKind::Unavailable,
            format!(
                "{doing}: {member} has no leader: most members of the cluster must run and reach each other (`etcdctl endpoint status \
                 --cluster`)"
            ),
        ),
        DEADLINE_EXCEEDED => failure(true, ErrorKind::Timeout, said()),
        UNKNOWN | INTERNAL | UNAVAILABLE | DATA_LOSS => failure(true, ErrorKind::Unavailable, said()),
        // The path is none of the gateway's, or there is none.
        NOT_FOUND | UNIMPLEMENTED => not_by_etcd(404, member, doing),
        0 if text.contains("CommonName of client") => failure(
            false,
            ErrorKind::Denied,
            format!(
                "{doing}: with authentication on, the gateway of {member} takes no client certificate that has a common name: show one without, \
                 and sign in as a user"
            ),
        ),
        0 => not_by_etcd(http_status, member, doing),
        _ => failure(false, ErrorKind::Refused, said()),
    }
}

/// An answer that etcd's gateway does not give: there is none, or somebody else answered.
fn not_by_etcd(http_status: u16, member: &str, doing: &str) -> Failure {
    let (kind, why) = match http_status {
        // What Go's server says in plain text to plain text.
        400 => (
            ErrorKind::InvalidSetting,
            "it may speak TLS alone: give its authority as `EtcdOptions::authority` (to the command `leader`: ETCD_CA)",
        ),
        404 => (
            ErrorKind::NotFound,
            "it has no JSON gateway at /v3: that takes etcd 3.4 or later, started without --enable-grpc-gateway=false, and its port for \
             clients",
        ),
        status => (status::kind(status), "that is no answer of etcd's: is there a proxy between?"),
    };
    Failure::of_member(Error::new(kind, format!("{doing}: {member} answered with status {http_status}; {why}")))
}

/// An answer of success that cannot be read.
pub(crate) fn unreadable(member: &str, doing: &str) -> Error {
    // The write it should tell of may have been carried out.
    Error::new(
        ErrorKind::Unavailable,
        format!("{doing}: the answer of {member} cannot be read: is there a proxy between?"),
    )
}

/// Of a connection that ended before its answer, with what may be the reason: for want of a certificate, etcd sends an alert that the HTTP
/// client may lose, and of plain text to TLS nothing is said at all.
pub(crate) fn hung_up(error: Error, plain: bool) -> Error {
    let perhaps = if plain {
        "if it speaks TLS there, give its authority: `EtcdOptions::authority` (to the command `leader`: ETCD_CA)"
    } else {
        "if it runs with --client-cert-auth, show it a certificate: `EtcdOptions::certificate` and `key` (to the command `leader`: ETCD_CERT and \
         ETCD_KEY)"
    };
    Error::new(error.kind(), format!("{error}; {perhaps}")).with_source(error)
}

/// What a member has not said in that time.
pub(crate) fn silent(member: &str, doing: &str, limit: Duration) -> Error {
    Error::new(ErrorKind::Timeout, format!("{doing}: {member} gave no answer within {limit:?}"))
}

/// What no member has done: one error of all of theirs.
pub(crate) fn of_all(failures: Vec<Error>) -> Error {
    // Whether the request was carried out is unknown, if one of them leaves that open.
    let kind = failures.iter().find(|error| error.is_transient()).or(failures.first()).map(Error::kind);
    let texts: Vec<_> = failures.iter().map(ToString::to_string).collect();
    let first = failures.into_iter().next();
    let (Some(kind), Some(first)) = (kind, first) else {
        return Error::setting("no member of the etcd cluster was named");
    };
    if texts.len() == 1 {
        return first;
    }
    Error::new(kind, format!("none of {} members of the etcd cluster did it; {}", texts.len(), texts.join("; ")))
        .with_source(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn explained(code: u64, text: &str) -> Failure {
        explain(
            &Refusal::new(code, format!("etcdserver: {text}")),
            500,
            "etcd at etcd-0:2379",
            "writing the key elections/nightly",
        )
    }

    #[test]
    fn each_refusal_is_of_its_kind_and_tells_whether_another_member_may_do_it() {
        for (code, text, kind, elsewhere, tells) in [
            (3, "user name is empty", ErrorKind::Denied, false, "ETCD_USER"),
            (3, "authentication failed, invalid user ID or password", ErrorKind::Denied, false, "password"),
            (3, "revision of auth store is old", ErrorKind::Unavailable, false, "auth store"),
            (3, "request is too large", ErrorKind::InvalidSetting, false, "too large"),
            (4, "context deadline exceeded", ErrorKind::Timeout, true, "deadline"),
            (7, "permission denied", ErrorKind::Denied, false, "readwrite"),
            (8, "mvcc: database space exceeded", ErrorKind::Unavailable, false, "alarm disarm"),
            (8, "too many requests", ErrorKind::Throttled, true, "too many requests"),
            (11, "mvcc: required revision has been compacted", ErrorKind::Unavailable, false, "compacted"),
            (14, "no leader", ErrorKind::Unavailable, true, "endpoint status"),
            (14, "request timed out", ErrorKind::Unavailable, true, "timed out"),
            (14, "leader changed", ErrorKind::Unavailable, true, "leader changed"),
            (15, "corrupt cluster", ErrorKind::Unavailable, true, "corrupt"),
            (16, "invalid auth token", ErrorKind::Denied, false, "token"),
        ] {
            let failure = explained(code, text);
            let told = failure.error.to_string();
            assert_eq!((failure.error.kind(), failure.elsewhere), (kind, elsewhere), "{told}");
            assert!(told.contains(tells) && told.contains("elections/nightly"), "{told}");
        }
    }

    #[test]
    fn what_the_gateway_says_in_plain_text_is_understood() {
        let text = "CommonName of client sending a request against gateway will be ignored and not used as expected";
        let failure = explain(&Refusal::new(0, text.to_owned()), 400, "etcd at etcd-0:2379", "reading");
        assert_eq!(failure.error.kind(), ErrorKind::Denied);
        assert!(failure.error.to_string().contains("common name"));
    }

    #[test]
    fn the_status_counts_where_somebody_else_has_answered() {
        for (status, kind) in [
            (404, ErrorKind::NotFound),
            (502, ErrorKind::Unavailable),
            (407, ErrorKind::Refused),
            (400, ErrorKind::InvalidSetting),
        ] {
            let failure =
                explain(&Refusal::default(), status, "etcd at etcd-0:2379", "reading the key elections/nightly");
            assert_eq!((failure.error.kind(), failure.elsewhere), (kind, true), "{status}");
        }
    }

    #[test]
    fn of_several_failures_the_one_that_leaves_the_outcome_open_counts() {
        let (refused, open) = (Error::setting("a certificate"), Error::new(ErrorKind::Timeout, "no answer"));
        let all = of_all(vec![refused.clone(), open]);
        assert_eq!(all.kind(), ErrorKind::Timeout);
        assert!(all.to_string().contains("a certificate") && all.to_string().contains("no answer"), "{all}");
        assert_eq!(of_all(vec![refused]).to_string(), "a certificate");
    }
}
