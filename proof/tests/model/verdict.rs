//! What an observer finds of one candidate at an instant, and at its end.

use leader_election::election::Moment;

use super::canon::{Digest, Frame};
use super::ghost::{Ghost, Look, Order};
use super::seen::Seen;
use testkit::Rule;

impl Ghost {
    /// The candidate will do nothing more for its claim.
    pub fn leave_claim(&self, look: &mut Look<'_>) {
        // Who was told that the lease is not its own, or whose clock jumped, has nothing to release.
        let left_behind = !self.released && !self.forsaken && !self.excused && (look.held)(self.claim);
        look.demand(!left_behind, Rule::GivenBack);
        let lease = look.config.timing.lease();
        let unsettled = self.ambiguous.is_some_and(|since| look.now < since + lease);
        look.demand(self.released || self.forsaken || !unsettled, Rule::Settled);
    }

    /// The election says that it has stopped.
    pub fn stopped(&self, look: &mut Look<'_>) {
        look.demand(self.task.is_none() || self.overrun, Rule::StopsInTime);
        look.demand(self.elected.is_none(), Rule::Alternates);
        if self.task.is_none() {
            self.leave_claim(look);
        }
        look.see(Seen::Stopped);
    }

    /// Judges the present instant: `valid_until` and `wakes_at` are what the election says.
    pub fn judge(&self, look: &mut Look<'_>, valid_until: Option<Moment>, wakes_at: Option<Moment>, punctual: bool) {
        let (config, now) = (look.config, look.now);
        if let Some(until) = valid_until {
            let counted = self.anchor.is_some_and(|anchor| until <= anchor + config.valid_for());
            look.demand(counted, Rule::CountedFromTheRequest);
            look.demand(self.task.is_some(), Rule::StaysEnded);
            look.demand(!self.over || until <= now, Rule::StaysEnded);
            look.demand(!self.forsaken, Rule::Revoked);
        }
        let idle = self.flight.is_none();
        // Even after the longest rest.
        let latest = now + config.timing.lease() * 5;
        look.demand(!idle || wakes_at.is_some_and(|at| at <= latest) || self.overrun, Rule::Contends);
        let attempt_ends = self.flight.map(|flight| flight.at + config.timing.attempt_timeout());
        look.demand(!punctual || attempt_ends.is_none_or(|due| now < due), Rule::Contends);
        let (Some(task), Some(anchor), true) = (self.task, self.anchor, punctual) else { return };
        let aborted = task.order == Order::Abort;
        let running = task.order == Order::Run;
        look.demand(!running || now < anchor + config.cancel_after(), Rule::CancelledInTime);
        look.demand(aborted || now < anchor + config.valid_for(), Rule::AbortedInTime);
        look.demand(aborted || self.abort_due.is_none_or(|due| now < due), Rule::DrainBounded);
        let keeps = !aborted && !self.forsaken && idle;
        let renews_by = self.sent_at.map(|at| at + config.timing.renew_every());
        look.demand(!keeps || renews_by.is_none_or(|due| now < due), Rule::RenewedWhileItRuns);
    }

    /// What of this makes a difference.
    pub fn digest(&self, frame: &Frame<'_>, digest: &mut Digest) {
        let of_the_term =
            [self.sent_at, self.anchor, self.abort_due].map(|moment| moment.filter(|_| self.task.is_some()));
        for moment in of_the_term.into_iter().chain([self.ambiguous]) {
            digest.add(moment.map_or(u64::MAX, |at| frame.moment(at)));
        }
        let flight = self.flight.map_or(0, |flight| 1 + flight.what as u64 + 8 * u64::from(flight.unsettled));
        digest.add(flight);
        digest.add(self.flight.map_or(0, |flight| frame.moment(flight.at)));
        let task = self.task.map_or(0, |task| 1 + task.order as u64 + 8 * u64::from(task.deaf));
        digest.add(task);
        digest.add(self.task.map_or(0, |task| frame.token(task.token)));
        digest.add(self.elected.map_or(0, |token| 1 + frame.token(token)));
        let spent = self.spent == self.claim;
        let flags = [spent, self.released, self.forsaken, self.excused, self.over, self.failing, self.overrun];
        digest.add(flags.iter().fold(0, |bits, flag| bits << 1 | u64::from(*flag)));
    }

    /// Whether the task must be gone before time goes on.
    pub fn is_going(&self) -> bool {
        self.task.is_some_and(|task| task.order == Order::Abort && !task.deaf)
    }

    /// The tokens that this candidate still knows.
    pub fn tokens(&self) -> [u64; 3] {
        [self.highest, self.task.map_or(0, |task| task.token), self.elected.unwrap_or(0)]
    }
}
