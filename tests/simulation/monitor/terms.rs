//! The leaders' tasks: when they begin, are cancelled and are gone, and until when they are valid.

use std::time::Duration;

use azure_leader_election::{EndReason, Leadership};

use super::{Monitor, Term};

impl Monitor {
    /// A leader's task begins.
    pub fn enter(&mut self, now: Duration, process: usize, leader: Leadership) -> usize {
        self.inspect(now);
        let token = leader.fencing_token();
        let mut wrong = Vec::new();
        if self.running(process).is_some() {
            wrong.push("an earlier task of this host runs (invariant 6)");
        }
        let asked = self.processes[process].granted.map(|granted| granted.claim);
        if self.highest.is_some_and(|highest| token <= highest) {
            // A grant that was broken while its answer was on the way, a claim that was rolled back to, or a write that came
            // late to what was rolled back: the token was never used, and no fence lets it pass.
            if (self.forgetful || self.is_tainted(asked)) && self.terms.iter().all(|term| term.token != token) {
                self.log.count("token overtaken after a break");
            } else {
                wrong.push("its token is not new (invariant 2)");
            }
        }
        let state = &mut self.processes[process];
        let granted = state.granted.take().filter(|granted| granted.token == token);
        if granted.is_none() {
            wrong.push("nothing was granted (invariant 10)");
        }
        if state.over {
            wrong.push("its run is over (invariant 15)");
        }
        let at = state.clock.truth();
        let timing = &state.settings.timing;
        let sent_at = granted.map_or(at, |granted| granted.sent_at);
        let lease = granted.map_or(timing.lease(), |granted| granted.lease);
        let until = sent_at + lease.saturating_sub(timing.skew());
        if !state.clock.is_frozen() && at > until.saturating_sub(timing.grace()) + state.tolerance() {
            wrong.push("the grant came too late (invariant 8)");
        }
        let claim = granted.map(|granted| granted.claim);
        state.owes_release = None;
        state.asks_by = None;
        let rhythm = timing.renew_every().mul_f64(lease.as_secs_f64() / timing.lease().as_secs_f64());
        state.renews_by = Some((sent_at + rhythm).max(at));
        let (jumps_before, pauses) = (state.jumps, state.pauses);
        let jumps = granted.map_or(jumps_before, |granted| granted.jumps);
        self.highest = self.highest.max(Some(token));
        self.log.count("terms");
        self.note(now, process, format_args!("starts its task with token {token}"));
        for wrong in wrong {
            self.violation(now, process, format_args!("a task starts, although: {wrong}"));
        }
        self.terms.push(Term {
            process,
            token,
            leader,
            claim,
            lease,
            started: at,
            until,
            until_at_most: until,
            cancelled: None,
            gone: None,
            invalid: false,
            lost_at: None,
            lost_perhaps: false,
            heartbeat_at: at,
            leaves_at: None,
            jumps,
            jumps_before,
            pauses,
            reason: None,
        });
        self.active.push(self.terms.len() - 1);
        self.inspect(now);
        self.terms.len() - 1
    }

    /// The task's token is cancelled, as the task itself sees it.
    pub fn cancelled(&mut self, now: Duration, index: usize) {
        self.inspect(now);
        let term = &mut self.terms[index];
        let state = &self.processes[term.process];
        if state.clock.is_dead() {
            return;
        }
        let (process, at, reason) = (term.process, state.clock.truth(), term.leader.end_reason());
        term.cancelled = Some(at);
        term.reason = reason;
        let jumped = state.jumps > term.jumps;
        let paused = state.pauses > term.pauses || state.clock.is_frozen();
        let silent = state.settings.heartbeat_limit.is_some_and(|limit| at + state.tolerance() >= term.heartbeat_at + limit);
        let cancel_at = term.until.saturating_sub(state.settings.timing.grace());
        let told_truly = match reason {
            None => false,
            Some(EndReason::Shutdown) => state.told_to_stop,
            Some(EndReason::SteppedDown) => term.leaves_at.is_some(),
            Some(EndReason::TaskEnded) => term.gone.is_some(),
            Some(EndReason::LeaseLost) => term.lost_perhaps,
            Some(EndReason::RenewalTimedOut) => jumped || at + state.tolerance() >= cancel_at,
            Some(EndReason::Stalled) => silent || paused || jumped,
            Some(EndReason::ClockJumped) => jumped,
        };
        let revoked = !matches!(reason, Some(EndReason::Shutdown | EndReason::SteppedDown | EndReason::RenewalTimedOut));
        let still_valid = revoked && !term.leader.valid_for().is_zero();
        self.note(now, process, format_args!("cancels its task: {reason:?}"));
        if !told_truly {
            self.violation(now, process, format_args!("the reason is said to be {reason:?}, which is not so"));
        }
        if still_valid {
            self.violation(now, process, format_args!("still valid after {reason:?} (invariant 17)"));
        }
    }

    /// The task is gone: it returned, unwound, or its abortion took effect.
    pub fn gone(&mut self, now: Duration, index: usize) {
        if self.terms[index].gone.is_some() {
            return;
        }
        self.inspect(now);
        let term = &mut self.terms[index];
        term.gone = Some(now);
        let state = &mut self.processes[term.process];
        let at = state.clock.truth();
        let jumped = state.jumps > term.jumps;
        let forsaken = term.lost_perhaps || jumped;
        if let Some(claim) = term.claim {
            state.spent.push((claim, now));
            // Whether a jump was noticed before the end is not told; then either is right.
            state.owes_release = (!forsaken).then_some((claim, at));
        }
        let timing = &state.settings.timing;
        let short = at.saturating_sub(term.started) + state.tolerance() * 2 < timing.lease();
        state.short_terms = if short { state.short_terms + 1 } else { 0 };
        let longest = state.settings.pause.max(timing.lease() * 4);
        let doublings = state.short_terms.saturating_sub(1).min(24);
        // A jump of the clock may make a term look longer than it was.
        let pause = if jumped { Duration::ZERO } else { state.settings.pause.saturating_mul(1 << doublings).min(longest) };
        if jumped {
            state.short_terms = 0;
        }
        state.rest = Some((at, pause));
        state.renews_by = None;
        state.asks_by = Some(at + state.longest_rest());
        let process = term.process;
        self.note(now, process, format_args!("its task is gone"));
    }

    pub fn heartbeat(&mut self, index: usize) {
        let term = &mut self.terms[index];
        term.heartbeat_at = self.processes[term.process].clock.truth();
    }

    /// Whether the task would be told that it is the leader if it asked in this instant.
    pub(super) fn is_valid(&self, term: &Term) -> bool {
        let state = &self.processes[term.process];
        if state.clock.is_dead() {
            return false;
        }
        let valid_for = term.leader.valid_for();
        valid_for > state.clock.unseen(state.settings.timing.jump_threshold())
    }

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
                None | Some(EndReason::Shutdown | EndReason::SteppedDown | EndReason::RenewalTimedOut | EndReason::Stalled)
            );
            let idle = state.in_flight == 0 && term.lost_at.is_none() && state.jumps == term.jumps;
            if keeps && idle && state.renews_by.is_some_and(overdue) {
                wrong.push((term.process, "it does not renew (invariant 5)"));
            }
            if let Some(cancelled) = term.cancelled {
                let drain = match term.reason {
                    Some(EndReason::Shutdown | EndReason::SteppedDown) => settings.drain_limit,
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
        let ended = |term: &Term| term.gone.is_some_and(|gone| now > gone + Duration::from_millis(2)) && term.cancelled.is_some();
        self.active.retain(|index| !ended(&self.terms[*index]));
        let waited_for = |state: &super::Process| {
            state.stop_by.is_some() || state.owes_release.is_some() || state.asks_by.is_some()
        };
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
