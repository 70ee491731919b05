//! What must hold of an election's timers after each call.

use leader_election::election::{Election, Entropy, Moment};

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
