//! How often a process asks.

use super::state::{Host, State};
use crate::trace::{Event, Request, What, Who};

/// More requests than any test sends: beyond it somebody runs in circles.
const HOT_LOOP: u32 = 100_000;

pub(super) fn paced(state: &State, event: &Event) -> Option<Who> {
    let What::Sent { request, claim, lapsed, .. } = event.what else { return None };
    let host = state.hosts.get(&event.who)?;
    let early = match request {
        Request::Acquire if host.claim == Some(claim) => polls_early(host, event, lapsed),
        // In the rest after its term.
        Request::Acquire => host.is_before(event.at, host.rest.map(|(since, pause)| since + pause)),
        Request::Renew => renews_early(host, event),
        Request::Release => None,
    };
    (early == Some(true) || host.requests >= HOT_LOOP).then_some(event.who)
}

fn polls_early(host: &Host, event: &Event, lapsed: bool) -> Option<bool> {
    let (limits, asked) = (host.limits.as_ref()?, host.asked?);
    // The first wait is cut by a random part.
    let poll = if host.polled { limits.poll_every } else { limits.poll_every / 2 };
    let gap = if limits.told { limits.retry_every.min(poll) / 10 } else { poll };
    // A version that has lapsed is asked for at once, but once only.
    let excused = (lapsed && !asked.lapsed) || asked.jumps != host.jumps || asked.resumed;
    Some(!excused && host.is_before(event.at, Some(asked.at + gap))?)
}

fn renews_early(host: &Host, event: &Event) -> Option<bool> {
    let (limits, lease) = (host.limits.as_ref()?, host.term.as_ref()?.lease?);
    let gap = limits.rhythm(lease).min(limits.retry_every.mul_f64(0.8));
    host.is_before(event.at, host.renewed_at.map(|last| last + gap))
}

pub(super) fn contends(state: &State, event: &Event) -> Option<Who> {
    if event.what != What::Look {
        return None;
    }
    state.overdue(event.at, |host| host.asks_by.filter(|_| !host.told_to_stop && !host.over && host.flight.is_none()))
}
