//! Claims: what is granted under them, what becomes of it, and when they are over.

use super::state::{Host, State};
use crate::trace::{Event, Request, What, Who};

pub(super) fn stays_ended(state: &State, event: &Event) -> Option<Who> {
    let host = state.hosts.get(&event.who)?;
    let over = match &event.what {
        What::Sent { request: Request::Acquire, claim, .. } => host.spent.iter().any(|(spent, _)| spent == claim),
        What::Sent { request: Request::Renew, claim, .. } => {
            host.claim != Some(*claim) || host.spent.iter().any(|(spent, since)| spent == claim && *since < event.at)
        }
        What::Valid { .. } => host.term.as_ref().is_some_and(|term| term.was_invalid),
        _ => false,
    };
    over.then_some(event.who)
}

pub(super) fn settled(state: &State, event: &Event) -> Option<Who> {
    let host = state.hosts.get(&event.who)?;
    let unknown = host.asked.is_some_and(|asked| asked.unknown && asked.jumps == host.jumps);
    let left_open = match &event.what {
        What::Sent { request: Request::Acquire, claim, unsettled, .. } => {
            let said = host.claim == Some(*claim) && *unsettled;
            // After a jump it may be another copy of the machine that has it; and so long after nobody has it.
            host.limits.is_some() && unknown && !said
        }
        What::Sent { request: Request::Release, claim, .. } => host.claim != Some(*claim),
        What::Ends => host.limits.is_some() && host.began && unknown,
        _ => false,
    };
    left_open.then_some(event.who)
}

pub(super) fn given_back(state: &State, event: &Event) -> Option<Who> {
    let owes = |host: &Host| host.owes.is_some() && host.limits.is_some();
    match event.what {
        What::Sent { request: Request::Acquire, .. } | What::Ends => {
            let host = state.hosts.get(&event.who)?;
            (owes(host) && (host.began || event.what != What::Ends)).then_some(event.who)
        }
        What::Look => state.overdue(event.at, |host| host.owes.filter(|_| owes(host)).map(|(_, since)| since)),
        _ => None,
    }
}

pub(super) fn granted(state: &State, event: &Event) -> Option<Who> {
    let What::TaskStarts { token } = event.what else { return None };
    let host = state.hosts.get(&event.who)?;
    // Of some only their tasks are seen.
    let seen = host.claim.is_some();
    (seen && host.granted.is_none_or(|granted| granted.token != token)).then_some(event.who)
}

pub(super) fn jump_changes_claim(state: &State, event: &Event) -> Option<Who> {
    let What::Sent { request: Request::Acquire, claim, .. } = &event.what else { return None };
    let host = state.hosts.get(&event.who)?;
    let (asked, jump) = (host.asked?, host.jump?);
    // What is small for the time since may be a clock's drift, or make up for a clock that was set back.
    let since = host.shown(event.at).saturating_sub(asked.at);
    let plain = asked.jumps != host.jumps && !asked.set_back && since < jump.by.saturating_mul(40);
    (plain && host.claim == Some(*claim)).then_some(event.who)
}
