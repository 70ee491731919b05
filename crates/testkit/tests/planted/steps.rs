//! Steps of which traces are made. With a lease of 15 s: a renewal each 5 s, attempts of 3 s, polls and retries each 1 s, a grace of
//! 3 s, a skew of 1 s; so a leader is cancelled 11 s after its last request, and aborted after 14 s.

use std::time::Duration;

use leader_election::Timing;
use testkit::{Answer, ClaimNo, Event, Limits, Request, Token, What, Who};

pub const A: Who = 1;
pub const B: Who = 2;

pub const ACQUIRE: Request = Request::Acquire;
pub const RENEW: Request = Request::Renew;
pub const RELEASE: Request = Request::Release;

pub fn secs(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

pub fn at(seconds: f64, who: Who, what: What) -> Event {
    Event { at: secs(seconds), who, what }
}

pub fn look(seconds: f64) -> Event {
    at(seconds, Who::MAX, What::Look)
}

pub fn limits() -> Limits {
    Limits::of(&Timing::for_lease(secs(15.0)).expect("valid"))
}

pub fn starts(seconds: f64, who: Who) -> Event {
    at(seconds, who, What::Starts { limits: Some(Box::new(limits())) })
}

/// The number of the attempt is that of the second.
pub fn sent(seconds: f64, who: Who, request: Request, claim: ClaimNo) -> Event {
    at(seconds, who, What::Sent { request, claim, attempt: seconds as u64, unsettled: false, lapsed: false })
}

pub fn unsettled(seconds: f64, who: Who, claim: ClaimNo) -> Event {
    let attempt = seconds as u64;
    at(seconds, who, What::Sent { request: ACQUIRE, claim, attempt, unsettled: true, lapsed: false })
}

pub fn answered(seconds: f64, who: Who, attempt: u64, answer: Answer) -> Event {
    at(seconds, who, What::Answered { attempt, answer })
}

pub fn grant(token: Token) -> Answer {
    Answer::Granted { token, lease: secs(15.0) }
}

pub fn task_starts(seconds: f64, who: Who, token: Token) -> Event {
    at(seconds, who, What::TaskStarts { token })
}

pub fn valid(seconds: f64, who: Who, until: f64) -> Event {
    at(seconds, who, What::Valid { until: secs(until) })
}

pub fn cancelled(seconds: f64, who: Who, reason: &str) -> Event {
    at(seconds, who, What::Cancelled { reason: Some(reason.to_owned()) })
}

/// A candidate that has asked and is granted the lease in the same second; its task has not started yet.
pub fn wins(seconds: f64, who: Who, claim: ClaimNo, token: Token) -> Vec<Event> {
    let attempt = seconds as u64;
    vec![
        starts(seconds, who),
        sent(seconds, who, ACQUIRE, claim),
        at(seconds, who, What::Granted { claim, until: Some(secs(seconds + 15.0)) }),
        answered(seconds + 0.1, who, attempt, grant(token)),
    ]
}

/// A leader, elected at that second.
pub fn leads(seconds: f64, who: Who, claim: ClaimNo, token: Token) -> Vec<Event> {
    let mut trace = wins(seconds, who, claim, token);
    trace.extend([
        at(seconds + 0.1, who, What::Elected { token }),
        task_starts(seconds + 0.1, who, token),
        valid(seconds + 0.1, who, seconds + 14.0),
        look(seconds + 0.1),
    ]);
    trace
}

/// It prolongs its lease.
pub fn renews(seconds: f64, who: Who, claim: ClaimNo) -> Vec<Event> {
    vec![
        sent(seconds, who, RENEW, claim),
        at(seconds, who, What::Granted { claim, until: Some(secs(seconds + 15.0)) }),
        answered(seconds + 0.1, who, seconds as u64, Answer::Renewed),
        valid(seconds + 0.1, who, seconds + 14.0),
        look(seconds + 0.1),
    ]
}

/// It is shut down, and its task is gone a second later.
pub fn leaves(seconds: f64, who: Who) -> Vec<Event> {
    vec![
        at(seconds, who, What::ToldToStop { dropped: false }),
        cancelled(seconds, who, "shutdown"),
        at(seconds + 1.0, who, What::Invalid),
        at(seconds + 1.0, who, What::TaskGone),
    ]
}
