//! The order of a process's own steps, whatever the time.

use super::state::{Host, Order, State};
use crate::trace::{Event, Request, What, Who};

fn host<'a>(state: &'a State, event: &Event) -> Option<&'a Host> {
    state.hosts.get(&event.who)
}

pub(super) fn cancelled_then_aborted(state: &State, event: &Event) -> Option<Who> {
    let term = host(state, event).and_then(|host| host.term.as_ref());
    let order = term.map(|term| term.order);
    let in_order = match event.what {
        What::Cancelled { .. } => order == Some(Order::Run),
        What::Aborted => order == Some(Order::Cancelled),
        // Of a task whose end it has not heard of yet, perhaps.
        What::Overrun { token } => term.is_some_and(|term| {
            let runs = term.gone.is_none_or(|gone| gone == event.at);
            term.token == token && term.order == Order::Aborted && runs
        }),
        _ => true,
    };
    (!in_order).then_some(event.who)
}

pub(super) fn released_last(state: &State, event: &Event) -> Option<Who> {
    let released = matches!(event.what, What::Freed { .. } | What::Sent { request: Request::Release, .. });
    (released && host(state, event)?.runs()).then_some(event.who)
}

pub(super) fn one_task(state: &State, event: &Event) -> Option<Who> {
    let another = matches!(event.what, What::TaskStarts { .. } | What::Sent { request: Request::Acquire, .. });
    (another && host(state, event)?.runs()).then_some(event.who)
}

pub(super) fn one_attempt(state: &State, event: &Event) -> Option<Who> {
    let flight = host(state, event).and_then(|host| host.flight);
    let wrong = match event.what {
        What::Sent { .. } => flight.is_some(),
        What::GaveUp { attempt } => flight.is_none_or(|flight| flight.attempt != attempt),
        _ => false,
    };
    wrong.then_some(event.who)
}

pub(super) fn renews_for_a_task(state: &State, event: &Event) -> Option<Who> {
    let What::Sent { request: Request::Renew, .. } = event.what else { return None };
    // In the very instant in which a task ends, its host may not have heard of it yet.
    let for_whom = host(state, event).and_then(|host| host.term.as_ref()).is_some_and(|term| match term.gone {
        None => term.order != Order::Aborted,
        Some(gone) => gone == event.at,
    });
    (!for_whom).then_some(event.who)
}

pub(super) fn true_reason(state: &State, event: &Event) -> Option<Who> {
    let What::Cancelled { reason: Some(reason) } = &event.what else { return None };
    let host = host(state, event)?;
    let term = host.term.as_ref()?;
    // Whether its clock makes it see an end that is none.
    let (at, jumped) = (host.local(event.at), host.jumps > term.jumps);
    let paused = host.pauses > term.pauses || host.paused.is_some();
    let due = |by: Option<std::time::Duration>| by.is_none_or(|by| at + host.tolerance() >= by);
    let so = match reason.as_str() {
        "shutdown" => host.told_to_stop,
        "stepped_down" => term.leaves_at.is_some(),
        "task_ended" => term.returned || term.gone.is_some(),
        "lease_lost" => term.lost_perhaps,
        "renewal_timed_out" => jumped || due(term.cancel_at(term.until)),
        "stalled" => paused || jumped || due(term.silent_at()),
        _ => jumped,
    };
    (!so).then_some(event.who)
}
