//! What is asked of the store and what it answers.

use std::time::Duration;

use leader_election::{Acquire, Claim, ClaimId, Operation, Renew, Result};

use super::process::{Asked, Granted};
use super::{HOT_LOOP, Monitor};
use crate::simulator::store::Owner;

/// A request in flight, as its host's clock showed it when it was sent.
#[derive(Debug, Clone, Copy)]
pub struct Call {
    pub process: usize,
    pub operation: Operation,
    pub claim: ClaimId,
    sent_at: Duration,
}

impl Monitor {
    /// A host sends a request; `None` when it has gone mad.
    pub fn sent(
        &mut self,
        now: Duration,
        process: usize,
        operation: Operation,
        claim: &Claim,
        lapsed: bool,
    ) -> Option<Call> {
        self.inspect(now);
        self.hear(now, process);
        self.know(claim);
        self.requests += 1;
        self.note(now, process, format_args!("asks for {operation}, {:?}", claim.id));
        if self.requests >= HOT_LOOP {
            if self.requests == HOT_LOOP {
                self.violation(now, process, format_args!("{HOT_LOOP} requests: a hot loop (invariant 13)"));
            }
            return None;
        }
        let runs = self.running(process).is_some();
        let ran = self.terms.iter().rev().find(|term| term.process == process);
        let long_gone = ran.is_none_or(|term| term.gone.is_some_and(|gone| gone < now));
        let state = &mut self.processes[process];
        let at = state.clock.shown();
        let mut wrong = Vec::new();
        if state.in_flight > 0 {
            wrong.push("a second request in flight (invariant 6)");
        }
        if state.over {
            wrong.push("its run is over (invariant 15)");
        }
        if state.abandoned && state.stop_by.is_some_and(|by| at > by) {
            wrong.push("its run was dropped long ago (invariant 15)");
        }
        // In the very instant in which a task ends, its host may not have heard of it yet.
        let spent = state.spent.iter().any(|(spent, since)| *spent == claim.id && *since < now);
        if spent && operation != Operation::Release {
            wrong.push("its claim was given back or its term is over (invariant 7)");
        }
        state.in_flight += 1;
        match operation {
            Operation::Acquire => {
                if runs {
                    wrong.push("its task runs (invariant 6)");
                }
                wrong.extend(self.acquire_sent(process, at, claim, lapsed));
            }
            Operation::Renew => {
                if long_gone {
                    wrong.push("no task runs to renew for (invariant 15)");
                }
                wrong.extend(self.renew_sent(process, at, claim));
            }
            Operation::Release => {
                if runs {
                    wrong.push("its task runs (invariant 5)");
                }
                wrong.extend(self.release_sent(now, process, at, claim));
            }
            _ => wrong.push("it is no request that the simulator knows"),
        }
        for wrong in wrong {
            self.violation(now, process, format_args!("{operation}, although: {wrong}"));
        }
        Some(Call { process, operation, claim: claim.id, sent_at: at })
    }

    fn acquire_sent(&mut self, process: usize, at: Duration, claim: &Claim, lapsed: bool) -> Vec<&'static str> {
        let tells = self.rules.pushes || self.rules.hints;
        let state = &mut self.processes[process];
        let timing = &state.settings.timing;
        let tolerance = state.tolerance();
        let mut wrong = Vec::new();
        if state.owes_release.is_some() {
            wrong.push("an earlier claim was never given back (invariant 8)");
        }
        // Another copy of the machine may go on with the old claim.
        let jumped = state.asked.is_some_and(|asked| asked.jumps != state.jumps);
        // A candidate looks at its clock when it asks, and what is small for the time since may be a clock's drift.
        let plainly = state.jumped_at.is_some()
            && state.asked.is_some_and(|asked| !asked.set_back && at.saturating_sub(asked.at) < state.jumped_by * 40);
        if jumped && plainly && state.claim == Some(claim.id) {
            wrong.push("its clock has jumped since it last asked under this claim (invariant 12)");
        }
        if state.claim != Some(claim.id) {
            if !jumped && state.asked.is_some_and(|asked| asked.unknown) {
                wrong.push("a new claim, while the outcome of the last is unknown (invariant 8)");
            }
            if state.rest.is_some_and(|(since, pause)| at + tolerance < since + pause) {
                wrong.push("it is to rest after its term (invariant 13)");
            }
        } else if let Some(asked) = state.asked {
            if asked.unknown && !claim.unsettled {
                wrong.push("nobody says that the outcome of the last attempt is unknown (invariant 8)");
            }
            let poll = timing.poll_every();
            let poll = if state.polled { poll } else { poll / 2 };
            state.polled = true;
            let expiry = timing.retry_every().min(poll) / 10;
            let gap = if tells { expiry } else { poll };
            // One that has lapsed is asked for at once, but once only.
            let lapses = lapsed && !asked.lapsed;
            let early = at + tolerance < asked.at + gap;
            if early && !lapses && !jumped && !asked.resumed {
                wrong.push("it is not time for the next poll (invariant 13)");
            }
        }
        state.claim = Some(claim.id);
        state.answered &= state.began;
        state.began = true;
        let resumed = state.resumed_at == state.clock.truth();
        state.asked = Some(Asked { at, lapsed, jumps: state.jumps, set_back: false, resumed, unknown: false });
        if claim.unsettled {
            self.log.count("repeated claims");
        }
        if lapsed {
            self.log.count("lapsed versions");
        }
        wrong
    }

    fn renew_sent(&mut self, process: usize, at: Duration, claim: &Claim) -> Vec<&'static str> {
        let Some(term) = self.running(process) else { return vec![] };
        let lease = self.terms[term].lease;
        let state = &mut self.processes[process];
        let timing = &state.settings.timing;
        let rhythm = timing.renew_every().mul_f64(lease.as_secs_f64() / timing.lease().as_secs_f64());
        let gap = rhythm.min(timing.retry_every().mul_f64(0.8));
        let mut wrong = Vec::new();
        if state.renewed_at.is_some_and(|last| at + state.tolerance() < last + gap) {
            wrong.push("it is not time for the next renewal (invariant 13)");
        }
        if state.claim != Some(claim.id) {
            wrong.push("it is not the claim that was granted (invariant 7)");
        }
        state.renewed_at = Some(at);
        wrong
    }

    fn release_sent(&mut self, now: Duration, process: usize, at: Duration, claim: &Claim) -> Vec<&'static str> {
        let state = &mut self.processes[process];
        state.owes_release.take_if(|(owed, _)| *owed == claim.id);
        state.asked = None;
        state.rest = state.rest.map(|(_, pause)| (at, pause));
        state.asks_by = Some(at + state.longest_rest());
        if !state.spent.iter().any(|(spent, _)| *spent == claim.id) {
            state.spent.push((claim.id, now));
        }
        if state.claim == Some(claim.id) { vec![] } else { vec!["it is another claim (invariant 8)"] }
    }

    /// The service carried out a request of this claim, and that made it the holder.
    pub fn granted_by_store(&mut self, now: Duration, to: &Owner) {
        self.inspect(now);
        if self.tainted.contains(to) {
            return;
        }
        let others = self.active.iter().copied().filter(|term| {
            let term = &self.terms[*term];
            !self.owns(to, term.claim) && self.is_valid(term)
        });
        for term in others.collect::<Vec<_>>() {
            let term = &self.terms[term];
            let (process, token) = (term.process, term.token);
            if self.is_tainted(term.claim) {
                self.log.count("two valid after a break");
            } else {
                self.violation(now, process, format_args!("{to:?} is granted while {token} is valid (invariant 1)"));
            }
        }
    }

    /// By when a candidate asks again: at its next poll, or when the store said, but after a lease at the latest.
    fn asks_again(&mut self, process: usize) {
        let state = &mut self.processes[process];
        let timing = &state.settings.timing;
        let longest = timing.poll_every().max(timing.lease()) + timing.attempt_timeout();
        state.asks_by = Some(state.clock.truth() + longest.mul_f64(1.03));
    }

    /// A host hears the answer to its acquire.
    pub fn acquire_answered(&mut self, now: Duration, call: Call, answer: &Result<Acquire>) {
        match answer {
            Ok(Acquire::Granted(grant)) => self.note(now, call.process, format_args!("is granted {grant:?}")),
            Ok(Acquire::Held(held)) => {
                let token = held.leader.as_ref().map(|leader| leader.fencing_token);
                let (lease, version, wait) = (held.lease, &held.version, held.retry_after);
                let what = format_args!("is told: held, {token:?}, {lease:?}, {version:?}, {wait:?}");
                self.note(now, call.process, what);
            }
            Err(error) => self.note(now, call.process, format_args!("is told {error:?}")),
        }
        let state = &mut self.processes[call.process];
        state.in_flight -= 1;
        let late = state.may_have_given_up(call.sent_at) || state.asked.is_some_and(|asked| asked.jumps != state.jumps);
        state.answered |= answer.is_ok() && !late;
        let unknown = answer.is_err() && !late;
        self.asks_again(call.process);
        let state = &mut self.processes[call.process];
        state.asked.iter_mut().for_each(|asked| asked.unknown = unknown);
        if let Ok(Acquire::Granted(grant)) = answer {
            let lease = grant.lease.min(state.settings.timing.lease());
            let (claim, token) = (call.claim, grant.fencing_token);
            let jumps = state.asked.map_or(state.jumps, |asked| asked.jumps);
            state.granted = Some(Granted { claim, token, lease, sent_at: call.sent_at, jumps });
            state.owes_release = (!late).then(|| (claim, state.clock.truth()));
            state.renewed_at = None;
        }
    }

    pub fn renew_answered(&mut self, now: Duration, call: Call, answer: &Result<Renew>) {
        self.note(now, call.process, format_args!("is told {answer:?}"));
        let running = self.running(call.process);
        let state = &mut self.processes[call.process];
        state.in_flight -= 1;
        let at = state.clock.truth();
        let timing = &state.settings.timing;
        // Given up, perhaps, in this very instant.
        let Some(term) = running else { return };
        let term = &mut self.terms[term];
        let given_up = (call.sent_at + timing.attempt_timeout()).min(term.until.saturating_sub(timing.grace()));
        let late = at + state.tolerance() >= given_up;
        if term.claim != Some(call.claim) {
            return;
        }
        let rhythm = timing.renew_every().mul_f64(term.lease.as_secs_f64() / timing.lease().as_secs_f64());
        let longest = if answer.is_ok() && !late { rhythm } else { rhythm.max(timing.retry_every().mul_f64(1.2)) };
        state.renews_by = Some((call.sent_at + longest).max(at));
        match answer {
            Ok(Renew::Renewed) => {
                let until = call.sent_at + term.lease.saturating_sub(timing.skew());
                term.until_at_most = term.until_at_most.max(until);
                if !late {
                    term.until = term.until.max(until);
                }
                self.log.count("renewals");
            }
            Ok(Renew::Lost(_)) => {
                term.lost_perhaps = true;
                if !late {
                    term.lost_at.get_or_insert(at);
                }
            }
            _ => {}
        }
    }

    pub fn release_answered(&mut self, now: Duration, call: Call, answer: &Result<()>) {
        self.note(now, call.process, format_args!("is told {answer:?}"));
        self.processes[call.process].in_flight -= 1;
    }

    /// A host waits no longer for an answer, or the store's code panicked.
    pub fn unanswered(&mut self, now: Duration, call: Call) {
        let state = &mut self.processes[call.process];
        state.in_flight -= 1;
        if call.operation == Operation::Acquire && state.claim == Some(call.claim) {
            state.asked.iter_mut().for_each(|asked| asked.unknown = true);
            self.asks_again(call.process);
        }
        let state = &mut self.processes[call.process];
        if call.operation == Operation::Renew {
            // Given up, perhaps because its time was up: then the next one follows.
            let longest = state.settings.timing.retry_every().mul_f64(1.2);
            state.renews_by = Some((call.sent_at + longest).max(state.clock.truth()));
        }
        if !state.clock.is_dead() {
            self.log.count("time-outs");
            self.note(now, call.process, format_args!("waits no longer"));
        }
    }
}
