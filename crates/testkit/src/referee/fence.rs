//! What a fence lets pass.

use super::state::State;
use crate::trace::{Event, What, Who};

/// A write that was accepted
/// - after a newer leader was told that its own is, or its fence stands;
/// - or that a newer leader had not read when it wrote, if it is its leader's last.
pub(super) fn fence_holds(state: &State, event: &Event) -> Option<Who> {
    let What::Write { token, write, over, sent, accepted: true } = event.what else { return None };
    let write = write?;
    let newer = || state.writes.iter().filter(|other| other.token > token);
    let too_late = newer().any(|newer| newer.answered < sent);
    let is_last = !state.writes.iter().any(|own| own.token == token && own.write > Some(write));
    let overtaken = is_last && newer().any(|newer| newer.write.is_some() && !state.has_read(newer.over, write));
    let overwrites =
        state.last_writes().any(|(older, last)| older < token && last != write && !state.has_read(over, last));
    (too_late || overtaken || overwrites).then_some(event.who)
}
