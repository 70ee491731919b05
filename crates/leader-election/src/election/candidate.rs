//! A candidate's side: asking for the lease.

use std::time::Duration;

use super::deadlines::{cancel_at, end_of_validity, next_renewal};
use super::{Action, Election, Entropy, Failure, Flight, Kind, Moment, Phase, Report, Rest};
use crate::port::{Grant, Held, Version};
use crate::timing::Timing;

/// After so many refusals in a row that name no leader they are told, at the least. Two can come of a race.
const UNEXPLAINED: u128 = 3;

/// A record of a document store, and since when this host has seen it unchanged.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Sighting {
    version: Version,
    lapses_at: Moment,
}

impl<E: Entropy> Election<E> {
    pub(super) fn send_acquire(&mut self, now: Moment) {
        let lapsed = self.sighting.as_ref().filter(|seen| now >= seen.lapses_at).map(|seen| seen.version.clone());
        self.nudged = false;
        // Invariant 8: what an earlier attempt may have brought about is settled under the same claim id.
        let unsettled = self.unsettled_since.is_some();
        let claim = self.claim.clone();
        let attempt = self.launch(now, Kind::Acquire);
        self.phase = Phase::Acquiring;
        self.act(Action::Acquire { attempt, claim, lapsed, unsettled });
    }

    /// The store has answered an acquire. What it answered fast is worth less patience the next time.
    pub(super) fn on_answer(&mut self, now: Moment, flight: &Flight) {
        self.answered = true;
        let shorter = self.patience(self.halvings + 1);
        // A look is one request of a store's, and taking the lease is up to three.
        let fast = now.since(flight.sent_at) <= shorter / 4;
        if fast && shorter < self.patience(self.halvings) {
            self.halvings += 1;
        }
    }

    /// How long an acquire is waited for. When a request is lost in the instant in which the lease lapses, a takeover is late
    /// by this much; so it is short where the store answers fast. It begins at the attempt timeout, and each attempt without
    /// an answer doubles it again: a slow network settles on what it needs.
    pub(super) fn patience(&self, halvings: u8) -> Duration {
        let timing = &self.settings.timing;
        let longest = timing.attempt_timeout();
        // To give up before the next poll would gain nothing.
        let shortest = timing.poll_every().max(longest / 4).min(longest);
        (longest / (1 << halvings)).max(shortest)
    }

    pub(super) fn on_granted(&mut self, now: Moment, flight: &Flight, grant: &Grant) {
        let timing = &self.settings.timing;
        // Invariant 14: a store grants no more than it was asked for, whatever it says.
        let lease = grant.lease.min(timing.lease());
        let lease_ends = flight.sent_at + lease;
        let cancel_at = cancel_at(timing, end_of_validity(timing, flight.sent_at, lease));
        // Invariant 8: too late to start a task, or so short that it would have to be given up before its first renewal.
        let too_late = now >= cancel_at || next_renewal(timing, flight.sent_at, lease) >= cancel_at;

        // Invariant 2: a token that is not above the last one is refused.
        if let Some(highest) = self.highest.filter(|highest| grant.fencing_token <= *highest) {
            self.act(Action::Report(Report::TokenNotRising { granted: grant.fencing_token, highest }));
            self.rest = self.longer_rest();
            self.release(now, lease_ends);
        } else if self.finishing || too_late {
            self.highest = Some(grant.fencing_token);
            self.act(Action::Report(Report::GrantedTooLate { token: grant.fencing_token }));
            self.release(now, lease_ends);
        } else {
            // Invariant 10: the token that the store has written, and no other.
            self.start_term(now, flight.sent_at, lease, grant.fencing_token);
        }
    }

    pub(super) fn on_held(&mut self, now: Moment, flight: &Flight, held: Held) {
        // An acquire that got lost may still be on its way. After a whole lease it can do no harm any more.
        let lease = self.settings.timing.lease();
        self.unsettled_since.take_if(|since| flight.sent_at >= *since + lease);

        if self.finishing {
            self.finish_candidacy(now);
            return;
        }
        self.note_silence(&held);
        let lapses_at = self.note_sighting(now, flight.sent_at, &held);
        if let Some(foreign) = held.lease.filter(|foreign| *foreign > lease && self.foreign_lease != Some(*foreign)) {
            self.foreign_lease = Some(foreign);
            self.act(Action::Report(Report::ForeignLease { lease: foreign }));
        }
        // Invariant 13: the next look is a poll away; sooner where the lease ends or the store reports a change, but not at once.
        let expiry = held.retry_after.map(|wait| now + wait.max(self.settings.timing.retry_every() / 10));
        let next_poll = flight.sent_at + self.poll_interval();
        let changed = self.nudged.then(|| now + self.soon());
        let until = [expiry, lapses_at, changed].into_iter().flatten().fold(next_poll, Moment::min).max(now);
        self.phase = Phase::Waiting { until, rest: Rest::None };
    }

    /// Whether the acquire was carried out is unknown even after a refusal: it may have been the second of a store's
    /// requests that was refused.
    pub(super) fn on_acquire_failed(&mut self, now: Moment, flight: &Flight, failure: Failure) {
        self.unsettled_since = Some(flight.sent_at);
        if failure == Failure::Refused && !self.answered && self.settings.stop_if_refused_at_start {
            self.finishing = true;
        }
        if self.finishing {
            self.finish_candidacy(now);
            return;
        }
        let next_poll = flight.sent_at + self.poll_interval();
        let lease = self.settings.timing.lease();
        let until = match failure {
            Failure::Unknown { retry_after } => next_poll.max(now + retry_after.unwrap_or_default().min(lease)),
            // It takes a human; there is no hurry.
            Failure::Refused => next_poll.max(now + lease / 3),
        };
        self.phase = Phase::Waiting { until: until.max(now), rest: Rest::None };
    }

    /// After a jump this machine may be a copy, restored from a snapshot, and the other copy may lead under the claim id that
    /// both have: whoever asks with it is taken for that leader. What this claim may hold is left to run out.
    pub(super) fn disown_claim(&mut self, now: Moment) {
        if !matches!(self.phase, Phase::Waiting { .. } | Phase::Acquiring) {
            return;
        }
        self.renew_claim_id();
        if matches!(self.phase, Phase::Acquiring) {
            self.abandon_flight();
            let until = now + self.soon();
            self.phase = if self.finishing { Phase::Stopped } else { Phase::Waiting { until, rest: Rest::None } };
        }
    }

    pub(super) fn renew_claim_id(&mut self) {
        self.claim.id = self.entropy.claim_id();
        self.unsettled_since = None;
    }

    pub(super) fn on_changed(&mut self, now: Moment) {
        let soon = now + self.soon();
        match &mut self.phase {
            Phase::Waiting { until, rest: Rest::None } => *until = soon.min(*until),
            // Not before others had the time to look: the news may be this host's own release.
            Phase::Waiting { until, rest: Rest::HandOver { others_by } } => *until = soon.max(*others_by).min(*until),
            // What is in flight may have been answered before the change.
            Phase::Acquiring => self.nudged = true,
            _ => {}
        }
    }

    /// How long after a change the next attempt follows, so that a store that reports changes without end costs no more
    /// than ten requests a poll.
    fn soon(&self) -> Duration {
        self.settings.timing.poll_every() / 10
    }

    /// Stops at once when nothing of ours can be left in the store, else after a release.
    pub(super) fn finish_candidacy(&mut self, now: Moment) {
        match self.unsettled_since {
            Some(since) => self.release(now, since + self.settings.timing.lease()),
            None => self.phase = Phase::Stopped,
        }
    }

    /// Refusals that repeat while the store names no leader are told: something else refuses than another worker's lease.
    fn note_silence(&mut self, held: &Held) {
        let silent =
            held.leader.is_none() && held.lease.is_none() && held.version.is_none() && held.retry_after.is_none();
        self.unexplained = if silent { self.unexplained.saturating_add(1) } else { 0 };
        // A new leader takes the lease first and writes its name then, within the same attempt.
        let timing = &self.settings.timing;
        let polls = timing.attempt_timeout().as_nanos().div_ceil(timing.poll_every().as_nanos().max(1)) + 1;
        if u128::from(self.unexplained) == polls.max(UNEXPLAINED) {
            self.act(Action::Report(Report::RefusedWithoutLeader));
        }
    }

    /// For a document store: notes the record, and returns when it may be replaced if it stays as it is.
    fn note_sighting(&mut self, now: Moment, sent_at: Moment, held: &Held) -> Option<Moment> {
        let Some(version) = &held.version else {
            self.sighting = None;
            return None;
        };
        // Invariant 14: a record that says less than all workers are configured for may be wrong, and no leader can ask for more
        // than there is: neither makes the wait shorter, nor endless.
        let lease = held.lease.unwrap_or_default().min(Timing::MAX_LEASE).max(self.settings.timing.lease());
        let seen_before = self.sighting.as_ref().filter(|seen| seen.version == *version);
        // Invariant 3: counted from the end of the read that first showed this version.
        let sighting =
            seen_before.cloned().unwrap_or_else(|| Sighting { version: version.clone(), lapses_at: now + lease });
        let lapses_at = sighting.lapses_at;
        self.sighting = Some(sighting);
        // It may have lapsed while the answer was on its way. One that had lapsed before, and is still there, waits for the next
        // poll, lest a lying store make a hot loop.
        (lapses_at > sent_at).then_some(lapses_at)
    }

    /// The first interval is cut by a random part, so that workers started together do not ask together for ever.
    fn poll_interval(&mut self) -> Duration {
        let poll = self.settings.timing.poll_every();
        if self.polled {
            return poll;
        }
        self.polled = true;
        poll.mul_f64(0.5 + 0.5 * self.entropy.fraction())
    }
}
