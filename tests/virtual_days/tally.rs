//! Counts requests by the minute, against the table of costs in the README.

use std::time::Duration;

/// What a worker was for a whole minute in which nothing went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Leader,
    Standby,
}

/// In a minute without faults, for a lease of 15 s.
const OF_A_LEADER: u64 = 12;
const OF_A_STANDBY: u64 = 60;
/// In any minute: an attempt a second, of a handful of requests at the very most.
const OF_ANYBODY: u64 = 240;
/// Beyond it virtual time stands still, and no limit in virtual time would end that.
const HOT_LOOP: u64 = 20_000;

/// One worker's requests.
#[derive(Debug, Clone)]
pub struct Tally {
    minute: u64,
    count: u64,
    role: Role,
    /// The last minute in which it met a fault, or in which anybody began or ceased to lead.
    disturbed: u64,
}

impl Tally {
    /// Of a worker that starts now.
    pub fn new(now: Duration) -> Self {
        Self { minute: minute(now), count: 0, role: Role::Standby, disturbed: minute(now) }
    }

    /// Notes a request. Returns what is wrong with the minute that it ends, if it does.
    pub fn request(&mut self, now: Duration) -> Option<String> {
        let wrong = self.advance(now);
        self.count += 1;
        if self.count > HOT_LOOP {
            eprintln!("more than {HOT_LOOP} requests in minute {}: a hot loop", self.minute);
            std::process::abort();
        }
        wrong
    }

    /// What it is from now on.
    pub fn role(&mut self, role: Role) {
        self.role = role;
    }

    pub fn disturb(&mut self, now: Duration) {
        self.disturbed = minute(now);
    }

    fn advance(&mut self, now: Duration) -> Option<String> {
        let Self { minute: ended, count, .. } = *self;
        if minute(now) == ended {
            return None;
        }
        (self.minute, self.count) = (minute(now), 0);
        // A renewal that failed at the end of a minute is repeated in the next one.
        let calm = self.disturbed + 1 < ended;
        let limit = match self.role {
            _ if !calm => OF_ANYBODY,
            Role::Leader => OF_A_LEADER,
            Role::Standby => OF_A_STANDBY,
        };
        (count > limit).then(|| format!("{count} requests in minute {ended}, {:?}, calm: {calm}", self.role))
    }
}

fn minute(now: Duration) -> u64 {
    now.as_secs() / 60
}
