//! Who leads, under which token, and for how long.

use std::time::Duration;

use super::state::{Host, State, Term};
use crate::trace::{Event, What, Who};

/// Clocks and timers have whole milliseconds.
pub(super) const ROUNDING: Duration = Duration::from_millis(2);

pub(super) fn one_leader(state: &State, event: &Event) -> Option<Who> {
    let others = state.hosts.iter().filter(|(who, _)| **who != event.who);
    let mut terms = others.filter_map(|(_, host)| host.valid_term()).filter(|term| !state.is_broken(term.claim));
    let (claim, beside) = match &event.what {
        What::Valid { .. } => {
            let own = state.hosts.get(&event.who).and_then(|host| host.term.as_ref());
            (own.and_then(|term| term.claim), terms.next().is_some())
        }
        // A request may come late that made its own sender the holder.
        What::Granted { claim, .. } => (Some(*claim), terms.any(|term| term.claim != Some(*claim))),
        _ => return None,
    };
    (beside && !state.is_broken(claim)).then_some(event.who)
}

pub(super) fn tokens_rise(state: &State, event: &Event) -> Option<Who> {
    let What::TaskStarts { token } = &event.what else { return None };
    let granted = state.hosts.get(&event.who).and_then(|host| host.granted);
    // A grant that was broken while its answer was on the way, or of a store that fell back: no fence lets it pass, if only it was
    // never used before.
    let excused = state.forgets || state.is_broken(granted.map(|granted| granted.claim));
    let new = *token > state.highest || (excused && !state.started.contains(token));
    (!new).then_some(event.who)
}

pub(super) fn counted_from_the_request(state: &State, event: &Event) -> Option<Who> {
    let What::Valid { until } = &event.what else { return None };
    let most = state.hosts.get(&event.who)?.term.as_ref()?.until_at_most?;
    (*until > most + ROUNDING).then_some(event.who)
}

pub(super) fn covered(state: &State, event: &Event) -> Option<Who> {
    let What::Valid { until } = &event.what else { return None };
    let host = state.hosts.get(&event.who)?;
    let claim = host.term.as_ref()?.claim?;
    let (.., runs_out) = state.lease.filter(|(holder, ..)| *holder == claim && !state.is_broken(Some(claim)))?;
    (host.when(event.at, *until) > runs_out? + ROUNDING).then_some(event.who)
}

pub(super) fn revoked(state: &State, event: &Event) -> Option<Who> {
    let keeps = |reason: &str| matches!(reason, "shutdown" | "stepped_down" | "renewal_timed_out");
    let is_over = |term: &Term| {
        let gone = term.gone.is_some_and(|gone| event.at > gone + ROUNDING);
        gone || term.reason.as_deref().is_some_and(|reason| !keeps(reason))
    };
    let valid = |host: &Host| host.valid_term().is_some_and(is_over);
    let still = || state.hosts.iter().find(|(_, host)| valid(host)).map(|(who, _)| *who);
    if event.what == What::Look { still() } else { None }
}

pub(super) fn somebody_leads(state: &State, event: &Event) -> Option<Who> {
    let leads = || state.hosts.values().any(|host| host.valid_term().is_some());
    (event.what == What::SomebodyHasToLead && !leads()).then_some(event.who)
}
