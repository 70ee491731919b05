//! The leaders' tasks: when they begin, are cancelled and are gone, and until when they are valid.

use std::time::Duration;

use leader_election::{EndReason, Leadership};

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
        let silent =
            state.settings.heartbeat_limit.is_some_and(|limit| at + state.tolerance() >= term.heartbeat_at + limit);
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
            // None that the simulator knows.
            Some(_) => false,
        };
        let revoked =
            !matches!(reason, Some(EndReason::Shutdown | EndReason::SteppedDown | EndReason::RenewalTimedOut));
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
        // Only a task that ended by itself makes its worker rest for longer. Where something else ended the term in the same
        // instant, either may have come first.
        let stepped_down = term.leaves_at.is_some();
        let by_itself = !stepped_down
            && !term.lost_perhaps
            && !state.told_to_stop
            && matches!(term.leader.end_reason(), None | Some(EndReason::TaskEnded));
        let doublings = if by_itself && short { state.short_terms.min(24) } else { 0 };
        state.short_terms = if short { state.short_terms + u32::from(by_itself) } else { 0 };
        let longest = state.settings.pause.max(timing.lease() * 4);
        // A jump of the clock may make a term look longer than it was, and who hands over waits for others only.
        let pause = if jumped {
            Duration::ZERO
        } else if stepped_down {
            state.settings.pause.min(timing.poll_every())
        } else {
            state.settings.pause.saturating_mul(1 << doublings).min(longest)
        };
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
}
