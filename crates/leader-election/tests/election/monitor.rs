//! What must hold of whatever one election asks for, in every test: the order of its actions.

use leader_election::election::{Action, AttemptId, Election, Entropy, Event, Moment, Report};
use leader_election::{ClaimId, FencingToken};

use crate::answered::answered;

/// Looks at each event and the actions that followed, and panics when their order breaks an invariant.
#[derive(Debug, Default, Clone)]
pub struct Monitor {
    /// Whether a task was started of which no exit was told.
    task_runs: bool,
    ordered: Ordered,
    flight: Option<AttemptId>,
    /// The claim of the latest acquire.
    claim: Option<ClaimId>,
    /// Claims of terms that are over and of releases: never to be asked for again.
    spent: Vec<ClaimId>,
    elected: Option<FencingToken>,
    highest: Option<FencingToken>,
}

/// Panics if a timer that is due was not served, or if the next call comes after a step that a watchdog waits for.
pub fn judge_timers<E: Entropy>(election: &Election<E>, now: Moment) {
    let next = election.poll_timeout();
    assert!(next.is_none_or(|next| next > now), "a timer that is due was not served");
    let Some(due) = election.deadlines() else { return };
    let steps = [due.cancel_at, Some(due.abort_at), Some(due.overrun_at)];
    assert!(steps.is_sorted(), "invariant 4: {due:?} is no order in which to end a term");
    let ahead = steps.into_iter().flatten().find(|step| *step > now);
    let slept_past = ahead.is_none_or(|ahead| next.is_none_or(|next| next > ahead));
    assert!(!slept_past, "invariant 4: at {now:?}, with {due:?}, the election asks to be woken at {next:?}");
}

/// The last that was ordered of the leader's task.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Ordered {
    #[default]
    Nothing,
    Start,
    Cancel,
    Abort,
}

impl Monitor {
    /// Whether a task was started of which no exit was told.
    pub fn task_runs(&self) -> bool {
        self.task_runs
    }

    /// Whether a term was reported as begun and not as ended.
    pub fn is_elected(&self) -> bool {
        self.elected.is_some()
    }

    /// `event` is what the election was told, `None` for the mere passage of time.
    pub fn observe(&mut self, event: Option<&Event>, actions: &[Action]) {
        let answered = event.and_then(answered).filter(|attempt| self.flight == Some(*attempt));
        let granted = match event {
            Some(Event::Acquired { grant, .. }) if answered.is_some() => Some(grant.fencing_token),
            _ => None,
        };
        // The exit counts before whatever the election does upon it. What became due before it is ordered all the same,
        // of a task that is gone: a late driver's election cannot know better.
        let exited = matches!(event, Some(Event::TaskExited { .. }));
        if exited {
            self.task_runs = false;
            self.spent.extend(self.claim);
        }
        for action in actions {
            self.on_action(action, answered, granted);
        }
        self.flight.take_if(|attempt| answered == Some(*attempt));
        if exited {
            self.ordered = Ordered::Nothing;
        }
    }

    fn on_action(&mut self, action: &Action, answered: Option<AttemptId>, granted: Option<FencingToken>) {
        match action {
            Action::Acquire { attempt, claim, .. } => {
                self.send(*attempt, answered);
                assert!(!self.task_runs, "invariant 6: an acquire while a task runs");
                assert!(!self.spent.contains(&claim.id), "invariant 7: an acquire with a spent claim id");
                self.claim = Some(claim.id);
            }
            Action::Renew { attempt, claim } => {
                self.send(*attempt, answered);
                let for_whom = matches!(self.ordered, Ordered::Start | Ordered::Cancel);
                assert!(for_whom, "invariant 15: a renewal without a task to renew for");
                assert_eq!(self.claim, Some(claim.id), "invariant 7: a renewal of another claim");
            }
            Action::Release { attempt, claim } => {
                self.send(*attempt, answered);
                assert!(!self.task_runs, "invariant 5: a release while the task runs");
                assert_eq!(self.claim, Some(claim.id), "invariant 8: a release of another claim");
                self.spent.push(claim.id);
            }
            Action::Abandon { attempt, .. } => {
                assert_eq!(self.flight, Some(*attempt), "only what is in flight is abandoned");
                self.flight = None;
            }
            Action::StartTask { token } => {
                assert!(!self.task_runs, "invariant 6: a second task");
                assert_eq!(granted, Some(*token), "invariant 10: a task without a grant in time");
                assert_eq!(self.elected, Some(*token), "invariant 16: a task without an election");
                self.task_runs = true;
                self.ordered = Ordered::Start;
            }
            Action::CancelTask { .. } => {
                assert_eq!(self.ordered, Ordered::Start, "a task is cancelled once");
                self.ordered = Ordered::Cancel;
            }
            Action::AbortTask => {
                assert_eq!(self.ordered, Ordered::Cancel, "invariant 4: cancelled before it is aborted, and once");
                self.ordered = Ordered::Abort;
            }
            Action::Report(report) => self.on_report(report),
        }
    }

    fn send(&mut self, attempt: AttemptId, answered: Option<AttemptId>) {
        self.flight.take_if(|flight| answered == Some(*flight));
        assert_eq!(self.flight, None, "invariant 6: a second attempt in flight");
        self.flight = Some(attempt);
    }

    fn on_report(&mut self, report: &Report) {
        match report {
            Report::Elected { token } => {
                assert_eq!(self.elected, None, "invariant 16: elected twice");
                assert!(self.highest.is_none_or(|highest| *token > highest), "invariant 2: a token that does not rise");
                self.highest = Some(*token);
                self.elected = Some(*token);
            }
            Report::Stopping { token, .. } => assert_eq!(self.elected, Some(*token), "stopping what was not elected"),
            Report::Ended { token, .. } => {
                assert_eq!(self.elected, Some(*token), "invariant 16: ended what was not elected");
                self.elected = None;
            }
            Report::Overrun { token } => {
                assert_eq!(self.ordered, Ordered::Abort, "an overrun of a task that was not aborted");
                assert_eq!(self.highest, Some(*token), "an overrun of another term");
            }
            Report::GrantedTooLate { .. }
            | Report::TokenNotRising { .. }
            | Report::ForeignLease { .. }
            | Report::ReleaseFailed
            | Report::RefusedWithoutLeader => {}
        }
    }
}
