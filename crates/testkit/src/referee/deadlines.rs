//! What has to have happened by when, by the process's own clock.

use std::time::Duration;

use super::state::{Host, Order, State, Term};
use crate::trace::{Event, What, Who};

/// Who has a task that runs, and is later than this with it.
fn late(state: &State, event: &Event, due: impl Fn(&Host, &Term) -> Option<Duration>) -> Option<Who> {
    let of_a_task =
        |host: &Host| host.term.as_ref().filter(|term| term.gone.is_none()).and_then(|term| due(host, term));
    if event.what == What::Look { state.overdue(event.at, of_a_task) } else { None }
}

/// Likewise, with a task that was not even cancelled.
fn not_cancelled(state: &State, event: &Event, due: impl Fn(&Host, &Term) -> Option<Duration>) -> Option<Who> {
    late(state, event, |host, term| due(host, term).filter(|_| term.order == Order::Run))
}

pub(super) fn cancelled_in_time(state: &State, event: &Event) -> Option<Who> {
    not_cancelled(state, event, |_, term| term.cancel_at(term.until_at_most))
}

pub(super) fn aborted_in_time(state: &State, event: &Event) -> Option<Who> {
    late(state, event, |_, term| term.until_at_most.filter(|_| term.order != Order::Aborted))
}

pub(super) fn drain_bounded(state: &State, event: &Event) -> Option<Who> {
    late(state, event, |host, term| {
        let dropped = host.abort_by;
        let (limits, cancelled) = (host.limits.as_ref()?, term.cancelled);
        let drain = match term.reason.as_deref() {
            // It may be a grace that ran already, of which the task does not know.
            Some("shutdown") => Some(limits.drain.max(limits.grace)),
            Some("stepped_down") => Some(limits.drain),
            Some("renewal_timed_out") => None,
            _ => Some(limits.grace),
        };
        let drained = cancelled.zip(drain).map(|(cancelled, drain)| cancelled + drain);
        let due = [dropped, drained].into_iter().flatten().min();
        due.filter(|_| term.order != Order::Aborted)
    })
}

pub(super) fn renewed_while_it_runs(state: &State, event: &Event) -> Option<Who> {
    late(state, event, |host, term| {
        let reason = term.reason.as_deref();
        let keeps = matches!(reason, None | Some("shutdown" | "stepped_down" | "renewal_timed_out" | "stalled"));
        let idle = host.flight.is_none() && !term.lost_perhaps && host.jumps == term.jumps;
        host.renews_by.filter(|_| keeps && idle && term.order != Order::Aborted)
    })
}

pub(super) fn used_in_time(state: &State, event: &Event) -> Option<Who> {
    let What::TaskStarts { token } = event.what else { return None };
    let host = state.hosts.get(&event.who)?;
    let (limits, granted) = (host.limits.as_ref()?, host.granted.filter(|granted| granted.token == token)?);
    let latest = granted.until(limits).saturating_sub(limits.grace) + limits.tolerance;
    (host.paused.is_none() && host.local(event.at) > latest).then_some(event.who)
}

pub(super) fn loss_cancels(state: &State, event: &Event) -> Option<Who> {
    not_cancelled(state, event, |_, term| term.lost_at)
}

pub(super) fn heartbeat_counts(state: &State, event: &Event) -> Option<Who> {
    let not_noticed = || {
        let What::Cancelled { reason: Some(reason) } = &event.what else { return None };
        let host = state.hosts.get(&event.who)?;
        let (term, by) = (host.term.as_ref()?, host.local(event.at) + host.tolerance());
        let due = |at: Option<Duration>| at.is_some_and(|at| at <= by);
        let another = due(term.cancel_at(term.until)) || host.jumps > term.jumps;
        (reason == "renewal_timed_out" && due(term.silent_at()) && !another).then_some(event.who)
    };
    not_cancelled(state, event, |_, term| term.silent_at()).or_else(not_noticed)
}

pub(super) fn jump_ends(state: &State, event: &Event) -> Option<Who> {
    not_cancelled(state, event, |host, term| {
        let jump = host.jump.filter(|_| host.jumps > term.jumps_before)?;
        Some(jump.at + host.limits.as_ref().map_or(Duration::ZERO, |limits| limits.look_every))
    })
}
