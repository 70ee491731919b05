//! What a schedule is made of: drawn from its seed before it begins.

use std::time::Duration;

use leader_election::{AfterTask, Timing, TimingOptions};

use super::store::EPOCH_MS;
use testkit::random::Random;

/// The store, the weather, and how many hosts of which kind.
#[derive(Debug, Clone)]
pub struct Plan {
    pub document: bool,
    /// The store loses its latest writes now and then.
    pub rollbacks: bool,
    pub rules: Rules,
    pub weather: Weather,
    pub hosts: u64,
    /// Timing that all hosts share, as they should.
    pub shared: Option<Timing>,
}

/// What the contract leaves to the store.
#[derive(Debug, Clone)]
pub struct Rules {
    /// Tokens follow the service's clock, and not only the last token.
    pub server_clock: bool,
    /// A lease that ran out and was not taken is given back to the claim that held it.
    pub revives: bool,
    /// It looks before it acquires, and refuses a lease that is held, even to its holder, unless the claim says that it
    /// may be its own.
    pub looks_first: bool,
    /// It knows when the lease runs out, and says so.
    pub hints: bool,
    /// It tells when a lease is released.
    pub pushes: bool,
    /// How much of the lease that is asked for it grants, in percent.
    pub grants: u32,
}

/// How bad it gets: in per mille of the requests, and how often something else goes wrong.
#[derive(Debug, Clone)]
pub struct Weather {
    pub hang: u64,
    pub late: u64,
    pub slow: u64,
    pub lost_reply: u64,
    pub duplicate: u64,
    pub unavailable: u64,
    pub throttled: u64,
    pub refused: u64,
    pub panics: u64,
    pub phantom: u64,
    /// The longest time between two pieces of mischief, in milliseconds. In a dense sequence one hides the other.
    pub pause: u64,
    /// A piece of mischief is one of these, by weight.
    pub kinds: [u64; 14],
}

/// How one host is set.
#[derive(Debug, Clone)]
pub struct HostSettings {
    pub timing: Timing,
    pub drain_limit: Duration,
    pub pause: Duration,
    pub stall_limit: Option<Duration>,
    pub heartbeat_limit: Option<Duration>,
    pub after_success: AfterTask,
    pub after_failure: AfterTask,
    pub keep_trying: bool,
}

impl Rules {
    /// As the service that lets leases run out keeps to them.
    pub fn service(&self) -> testkit::store::Rules {
        testkit::store::Rules {
            document: false,
            revives: self.revives,
            looks_first: self.looks_first,
            hints: self.hints,
            withholds: 100 - self.grants,
            clock_ms: self.server_clock.then_some(EPOCH_MS),
        }
    }
}

impl Plan {
    pub fn new(random: &mut Random) -> Self {
        let document = random.chance(40);
        let rollbacks = random.chance(10);
        let shared = random.chance(75).then(|| timing(random, base_lease));
        let plain = random.chance(3);
        Self {
            document,
            rollbacks,
            rules: Rules {
                server_clock: rollbacks || random.chance(60),
                revives: random.chance(50),
                looks_first: random.chance(50),
                hints: random.chance(25),
                pushes: random.chance(15),
                grants: if plain { 80 } else { 100 },
            },
            weather: Weather::new(random),
            hosts: random.within(2, 5),
            // What is granted less has to be enough to be renewed in time.
            shared: if plain { Some(Timing::default()) } else { shared },
        }
    }

    pub fn settings(&self, random: &mut Random) -> HostSettings {
        let timing = self.shared.clone().unwrap_or_else(|| timing(random, base_lease));
        let lease = timing.lease();
        HostSettings {
            drain_limit: if random.chance(50) { Duration::from_secs(10) } else { random.millis(50, 10_000) },
            pause: if random.chance(50) { Duration::from_secs(2) } else { random.millis(10, 4_000) },
            stall_limit: random.chance(60).then(|| random.millis(1_000, 30_000)),
            heartbeat_limit: random.chance(25).then(|| lease.mul_f64(0.2 + random.within(0, 100) as f64 / 50.0)),
            after_success: if random.chance(10) { AfterTask::EndHost } else { AfterTask::ContendAgain },
            after_failure: if random.chance(10) { AfterTask::EndHost } else { AfterTask::ContendAgain },
            keep_trying: random.chance(60),
            timing,
        }
    }
}

impl Weather {
    fn new(random: &mut Random) -> Self {
        let mut seldom = |usual: &[u64]| random.pick(usual);
        Self {
            hang: seldom(&[0, 0, 20, 100]),
            late: seldom(&[0, 0, 20, 100]),
            slow: seldom(&[0, 20, 100]),
            lost_reply: seldom(&[0, 0, 20, 100]),
            duplicate: seldom(&[0, 0, 30, 150]),
            unavailable: seldom(&[0, 20, 100]),
            throttled: seldom(&[0, 0, 20, 100]),
            refused: seldom(&[0, 0, 0, 10, 50]),
            panics: seldom(&[0, 0, 0, 10, 50]),
            phantom: seldom(&[0, 0, 30]),
            pause: seldom(&[2_500, 8_000, 8_000, 20_000]),
            kinds: std::array::from_fn(|_| seldom(&[0, 1, 1, 4])),
        }
    }
}

/// Mostly the default, else anything from the shortest to the longest that makes sense in two minutes.
fn base_lease(random: &mut Random) -> u64 {
    match random.within(0, 100) {
        0..=44 => 15_000,
        45..=54 => 10_000,
        55..=64 => 20_000,
        65..=74 => 30_000,
        75..=79 => 60_000,
        80..=89 => 5_000,
        90..=92 => 3_000,
        93 => 1_000,
        _ => random.within(2_000, 30_000),
    }
}

/// The defaults for a lease, or whatever [`Timing`] lets pass.
fn timing(random: &mut Random, lease: impl Fn(&mut Random) -> u64) -> Timing {
    let lease = lease(random);
    if random.chance(50) {
        return Timing::for_lease(Duration::from_millis(lease)).expect("the defaults are valid");
    }
    loop {
        let mut part = |low: u64, high: u64| Duration::from_millis(lease * random.within(low, high) / 1_000);
        let options = TimingOptions {
            lease: Duration::from_millis(lease),
            renew_every: part(50, 600),
            // In the calm, four round trips have to fit in.
            attempt_timeout: part(20, 400).max(Duration::from_millis(200)),
            retry_every: part(10, 200),
            poll_every: part(50, 300).max(Duration::from_millis(250)),
            grace: part(10, 300),
            skew: part(61, 200),
        };
        if let Ok(timing) = Timing::new(options) {
            return timing;
        }
    }
}
