//! The events and actions of the decision core as a trace.

use std::hash::{Hash, Hasher};
use std::time::Duration;

use leader_election::ClaimId;
use leader_election::election::{Action, AttemptId, Event, Report};

use crate::trace::{Answer, ClaimNo, Request, What};

/// Which attempt an event answers.
#[must_use]
pub fn answered(event: &Event) -> Option<AttemptId> {
    match event {
        Event::Acquired { attempt, .. }
        | Event::Held { attempt, .. }
        | Event::Renewed { attempt }
        | Event::Lost { attempt }
        | Event::Released { attempt }
        | Event::Failed { attempt, .. } => Some(*attempt),
        _ => None,
    }
}

/// What an election was told, if it was told anything, and what it asked for thereupon.
pub fn told(event: Option<&Event>, actions: &[Action], mut claim: impl FnMut(ClaimId) -> ClaimNo) -> Vec<What> {
    // An answer to what is given up in the same breath came too late.
    let given_up = |attempt: AttemptId| {
        actions.iter().any(|action| matches!(action, Action::Abandon { attempt: given_up, .. } if *given_up == attempt))
    };
    let heard = event.and_then(happened).filter(|_| !event.and_then(answered).is_some_and(given_up));
    heard.into_iter().chain(actions.iter().filter_map(|action| asked(action, &mut claim))).collect()
}

fn happened(event: &Event) -> Option<What> {
    let answer = match event {
        Event::Acquired { grant, .. } => Answer::Granted { token: grant.fencing_token.get(), lease: grant.lease },
        Event::Held { .. } => Answer::Held,
        Event::Renewed { .. } => Answer::Renewed,
        Event::Lost { .. } => Answer::Lost,
        Event::Released { .. } => Answer::Released,
        Event::Failed { .. } => Answer::Failed,
        Event::TaskExited { .. } => return Some(What::TaskGone),
        Event::TaskReturned => return Some(What::TaskReturned),
        // How far is not told; far enough to be noticed.
        Event::ClockJumped => return Some(What::ClockJumps { by: Duration::from_secs(3_600), plain: true }),
        Event::StepDown { .. } => return Some(What::AskedToLeave),
        Event::Shutdown => return Some(What::ToldToStop { dropped: false }),
        Event::Abandoned => return Some(What::ToldToStop { dropped: true }),
        _ => return None,
    };
    answered(event).map(|attempt| What::Answered { attempt: number(attempt), answer })
}

fn asked(action: &Action, claim_no: &mut impl FnMut(ClaimId) -> ClaimNo) -> Option<What> {
    let mut sent = |request, attempt: &AttemptId, claim: &leader_election::Claim, lapsed, unsettled| What::Sent {
        request,
        claim: claim_no(claim.id),
        attempt: number(*attempt),
        unsettled,
        lapsed,
    };
    Some(match action {
        Action::Acquire { attempt, claim, lapsed, unsettled } => {
            sent(Request::Acquire, attempt, claim, lapsed.is_some(), *unsettled)
        }
        Action::Renew { attempt, claim } => sent(Request::Renew, attempt, claim, false, false),
        Action::Release { attempt, claim } => sent(Request::Release, attempt, claim, false, false),
        Action::Abandon { attempt, .. } => What::GaveUp { attempt: number(*attempt) },
        Action::StartTask { token } => What::TaskStarts { token: token.get() },
        Action::CancelTask { reason } => What::Cancelled { reason: Some(reason.as_str().to_owned()) },
        Action::AbortTask => What::Aborted,
        Action::Report(Report::Elected { token }) => What::Elected { token: token.get() },
        Action::Report(Report::Ended { token, .. }) => What::TermEnded { token: token.get() },
        Action::Report(Report::Overrun { token }) => What::Overrun { token: token.get() },
        Action::Report(_) => return None,
    })
}

/// The only way to the number inside an attempt is the one that its hash takes.
fn number(attempt: AttemptId) -> u64 {
    let mut number = Number(0);
    attempt.hash(&mut number);
    number.0
}

struct Number(u64);

impl Hasher for Number {
    fn write(&mut self, _: &[u8]) {}

    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
