//! What a fence lets pass.

use super::state::State;
use crate::trace::{Event, What, Who};

/// The writes that this one shows to be stale, of those that were accepted: it was
/// - sent after a newer leader was told that its own is carried out, or its fence stands;
/// - or is its leader's last, and a newer leader had not read it when it wrote.
#[must_use]
pub fn stale_writes(state: &State, event: &Event) -> Vec<u32> {
    let What::Write { token, write, read, sent, accepted: true } = &event.what else { return vec![] };
    let Some(write) = *write else { return vec![] };
    let newer = || state.writes.iter().filter(|other| other.token > *token);
    let too_late = newer().any(|newer| newer.answered < *sent);
    let is_last = !state.writes.iter().any(|own| own.token == *token && own.write > Some(write));
    let overtaken = is_last && newer().any(|newer| newer.write.is_some() && !newer.read.contains(&write));
    let overwritten = state.last_writes().filter(|(older, last)| older < token && !read.contains(last));
    overwritten.map(|(_, last)| last).chain((too_late || overtaken).then_some(write)).collect()
}

pub(super) fn fence_holds(state: &State, event: &Event) -> Option<Who> {
    (!stale_writes(state, event).is_empty()).then_some(event.who)
}
