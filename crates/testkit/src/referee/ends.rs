//! The end of a run, and what is told of terms.

use super::leading::ROUNDING;
use super::state::{Host, State};
use crate::trace::{Event, What, Who};

pub(super) fn stops_in_time(state: &State, event: &Event) -> Option<Who> {
    match event.what {
        What::Ends => {
            let host = state.hosts.get(&event.who)?;
            let left = host.runs() && !host.term.as_ref().is_some_and(|term| term.overrun);
            // One that was told to end before it began has had nothing to do with the run before.
            (host.began && (left || host.flight.is_some())).then_some(event.who)
        }
        What::Look => stops_late(state, event),
        _ => None,
    }
}

fn stops_late(state: &State, event: &Event) -> Option<Who> {
    let run = || state.overdue(event.at, |host| host.stop_by.filter(|_| !host.over && !host.dropped));
    // A step down that nobody heeds is none.
    let leaves = || {
        state.overdue(event.at, |host| {
            let term = host.term.as_ref().filter(|term| term.gone.is_none() && term.cancelled.is_none())?;
            term.leaves_at.filter(|_| host.limits.is_some())
        })
    };
    // What else hangs on the token of a task that is gone ends, too.
    let token_lives = |host: &Host| {
        let term = host.term.as_ref().filter(|term| term.cancelled.is_none() && host.limits.is_some());
        term.and_then(|term| term.gone).is_some_and(|gone| event.at > gone + ROUNDING)
    };
    let tokens = || state.hosts.iter().find(|(_, host)| token_lives(host)).map(|(who, _)| *who);
    run().or_else(leaves).or_else(tokens)
}

pub(super) fn nothing_after_the_end(state: &State, event: &Event) -> Option<Who> {
    let host = state.hosts.get(&event.who)?;
    let long_dropped = host.dropped && host.stop_by.is_some_and(|by| host.shown(event.at) > by);
    let after = match event.what {
        What::Sent { .. } => host.over || long_dropped,
        What::TaskStarts { .. } => host.over,
        _ => false,
    };
    after.then_some(event.who)
}

pub(super) fn alternates(state: &State, event: &Event) -> Option<Who> {
    let host = state.hosts.get(&event.who);
    let elected = host.and_then(|host| host.elected);
    let wrong = match event.what {
        What::Elected { .. } => elected.is_some(),
        What::TermEnded { token } => elected != Some(token),
        What::TaskStarts { token } => elected.is_some_and(|elected| elected != token),
        What::Ends => elected.is_some() && host.is_some_and(|host| host.began),
        _ => false,
    };
    wrong.then_some(event.who)
}
