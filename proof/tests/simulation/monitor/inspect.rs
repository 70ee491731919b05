//! Looks at all that should have happened by now, and at what must not be.

use std::time::Duration;

use leader_election::EndReason;

use super::{Monitor, Process, Term};

impl Monitor {
    /// Looks at all that should have happened by now.
    pub fn inspect(&mut self, now: Duration) {
        let mut wrong = Vec::new();
        let mut valid: Option<usize> = None;
        for slot in 0..self.active.len() {
            let index = self.active[slot];
            let is_valid = self.is_valid(&self.terms[index]);
            if is_valid && let Some(other) = valid {
                let tainted = self.is_tainted(self.terms[index].claim) || self.is_tainted(self.terms[other].claim);
                if tainted {
                    self.log.count("two valid after a break");
                } else {
                    wrong.push((self.terms[index].process, "another task is valid, too (invariant 1)"));
                }
            }
            valid = valid.or(is_valid.then_some(index));
            let term = &mut self.terms[index];
            let state = &self.processes[term.process];
            if is_valid && term.invalid {
                wrong.push((term.process, "valid again after it was not (invariant 7)"));
            }
            term.invalid |= !is_valid;
            if state.clock.is_dead() {
                continue;
            }
            let (shown, tolerance) = (state.clock.shown(), state.tolerance());
            let valid_for = term.leader.valid_for();
            let limit = term.until_at_most.saturating_sub(shown) + Duration::from_millis(2);
            if !valid_for.is_zero() && valid_for > limit {
                wrong.push((term.process, "valid for longer than its lease (invariant 3)"));
            }
            if let Some(gone) = term.gone {
                if is_valid && now > gone + Duration::from_millis(2) {
                    wrong.push((term.process, "valid although its task is gone (invariant 17)"));
                }
                if term.cancelled.is_none() && now > gone + Duration::from_millis(2) {
                    wrong.push((term.process, "its task is gone, and its token not cancelled (invariant 15)"));
                }
                continue;
            }
            if state.clock.is_frozen() {
                continue;
            }
            let at = state.clock.truth();
            let overdue = |by: Duration| at > by.max(state.resumed_at) + tolerance;
            let (timing, settings) = (&state.settings.timing, &state.settings);
            if overdue(term.until_at_most) {
                wrong.push((term.process, "not aborted at the end of its validity (invariant 4)"));
            }
            if state.abort_by.is_some_and(overdue) {
                wrong.push((term.process, "not aborted although its run was dropped (invariant 15)"));
            }
            let keeps = matches!(
                term.reason,
                None | Some(
                    EndReason::Shutdown | EndReason::SteppedDown | EndReason::RenewalTimedOut | EndReason::Stalled
                )
            );
            let idle = state.in_flight == 0 && !term.lost_perhaps && state.jumps == term.jumps;
            if keeps && idle && state.renews_by.is_some_and(overdue) {
                wrong.push((term.process, "it does not renew (invariant 5)"));
            }
            if let Some(cancelled) = term.cancelled {
                let drain = match term.reason {
                    // It may be a grace that ran already, of which the task does not know.
                    Some(EndReason::Shutdown) => settings.drain_limit.max(timing.grace()),
                    Some(EndReason::SteppedDown) => settings.drain_limit,
                    Some(EndReason::RenewalTimedOut) => term.until_at_most.saturating_sub(cancelled),
                    _ => timing.grace(),
                };
                if overdue(cancelled + drain) {
                    wrong.push((term.process, "not aborted at the end of its drain (invariant 4)"));
                }
                continue;
            }
            if overdue(term.until_at_most.saturating_sub(timing.grace())) {
                wrong.push((term.process, "not cancelled in time (invariant 4)"));
            }
            if term.lost_at.is_some_and(overdue) {
                wrong.push((term.process, "not cancelled although its lease is lost (invariant 9)"));
            }
            if settings.heartbeat_limit.is_some_and(|limit| overdue(term.heartbeat_at + limit)) {
                wrong.push((term.process, "not cancelled although its heartbeat stopped (invariant 11)"));
            }
            if term.leaves_at.is_some_and(overdue) {
                wrong.push((term.process, "not cancelled although it was asked to step down (invariant 15)"));
            }
            let look = state.clock.look_every().unwrap_or_default();
            if state.jumps > term.jumps_before && state.jumped_at.is_some_and(|jumped| overdue(jumped + look)) {
                wrong.push((term.process, "not cancelled although its clock jumped (invariant 12)"));
            }
        }
        let ended = |term: &Term| {
            term.gone.is_some_and(|gone| now > gone + Duration::from_millis(2)) && term.cancelled.is_some()
        };
        self.active.retain(|index| !ended(&self.terms[*index]));
        let waited_for =
            |state: &Process| state.stop_by.is_some() || state.owes_release.is_some() || state.asks_by.is_some();
        for (index, state) in self.processes.iter().enumerate().filter(|(_, state)| !state.over && waited_for(state)) {
            if state.stands_still() {
                continue;
            }
            let at = state.clock.truth();
            let overdue = |by: Duration| at > by.max(state.resumed_at) + state.tolerance();
            if !state.abandoned && state.stop_by.is_some_and(overdue) {
                wrong.push((index, "not over although it was shut down (invariant 15)"));
            }
            if state.owes_release.is_some_and(|(_, since)| overdue(since)) {
                wrong.push((index, "nothing was released (invariant 8)"));
            }
            if !state.told_to_stop && state.in_flight == 0 && state.asks_by.is_some_and(overdue) {
                wrong.push((index, "it does not contend any more (invariant 13)"));
            }
        }
        for (process, wrong) in wrong {
            // Once is enough to be told.
            let state = &mut self.processes[process];
            (state.stop_by, state.owes_release, state.asks_by, state.renews_by) = (None, None, None, None);
            self.violation(now, process, format_args!("{wrong}"));
        }
    }
}
