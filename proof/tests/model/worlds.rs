//! The worlds that are exhausted, by tier.
//!
//! Each allows a few kinds of trouble, in every order and at every instant; all of them together would be too many states,
//! and what one kind does to another is mostly seen in pairs.

use std::time::Duration;

use leader_election::{Timing, TimingOptions};

use super::clock::{FAST, NOMINAL, SLOW};
use super::config::{Budget, Config, Kind};
use super::seen::Seen;

const LEASE: Kind = Kind::Lease { revives: true, looks_first: false };
const LOOKS_FIRST: Kind = Kind::Lease { revives: false, looks_first: true };

/// How much is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tier {
    /// In seconds, even without optimization.
    Quick,
    /// With every change.
    Ci,
    /// On request.
    Soak,
}

impl Tier {
    /// As `MODEL_TIER` says, and else as much as the build can do.
    pub fn chosen() -> Self {
        match std::env::var("MODEL_TIER").as_deref() {
            Ok("quick") => Self::Quick,
            Ok("ci") => Self::Ci,
            Ok("soak") => Self::Soak,
            Ok(other) => panic!("MODEL_TIER is quick, ci or soak, not {other:?}"),
            Err(_) if cfg!(debug_assertions) => Self::Quick,
            Err(_) => Self::Ci,
        }
    }

    pub fn worlds(self) -> Vec<Config> {
        match self {
            Self::Quick => quick(),
            Self::Ci => ci(),
            Self::Soak => soak(),
        }
    }

    /// How many unique states there are at the least.
    pub fn floor(self) -> usize {
        match self {
            Self::Quick => 200_000,
            Self::Ci => 1_400_000,
            Self::Soak => 18_000_000,
        }
    }
}

/// A world of this name, of any tier.
pub fn named(name: &str) -> Option<Config> {
    let all = [Tier::Quick, Tier::Ci, Tier::Soak].into_iter().flat_map(Tier::worlds);
    let all = all.chain(just_possible()).chain(impossible());
    all.into_iter().find(|config| config.name == name)
}

/// Clocks of so many candidates, each as slow or as fast as it may be, and likewise the store's.
fn drift(candidates: usize) -> Vec<(Vec<u32>, u32)> {
    let clocks = |fast| (0..candidates).map(|index| if index < fast { FAST } else { SLOW }).collect::<Vec<_>>();
    let of_store = |store| (0..=candidates).map(move |fast| (clocks(fast), store));
    [SLOW, FAST].into_iter().flat_map(of_store).collect()
}

/// The worst of them: a slow one that leads, a fast store that lets its lease expire, a fast one that waits for that.
fn worst(candidates: usize) -> Vec<(Vec<u32>, u32)> {
    vec![((0..candidates).map(|index| if index == 0 { SLOW } else { FAST }).collect(), FAST)]
}

fn exact(candidates: usize) -> Vec<(Vec<u32>, u32)> {
    vec![(vec![NOMINAL; candidates], NOMINAL)]
}

/// Candidates without trouble, on a lease store.
fn pair(name: &'static str, budget: Budget) -> Config {
    Config {
        name,
        kind: LEASE,
        rates: drift(2),
        up_first: 2,
        tick_ms: 1_000,
        timing: Timing::new(six_seconds()).expect("valid"),
        drain_limit: Duration::from_millis(2_950),
        pause: Duration::from_millis(1_950),
        percents: vec![50],
        budget,
        stride: 1,
        server_time: true,
        grants: 100,
        exclusive: budget.breaks == 0 && budget.rollbacks == 0,
        rising: true,
        expects: vec![Seen::Takeover],
    }
}

fn trio(name: &'static str, budget: Budget) -> Config {
    Config { rates: drift(3), up_first: 3, ..pair(name, budget) }
}

fn none() -> Budget {
    Budget::default()
}

/// A lease of six ticks, whose timers come due at whole ticks on all clocks, be they slow or fast; but for those that
/// safety hangs on, which are exact.
fn six_seconds() -> TimingOptions {
    let ms = Duration::from_millis;
    TimingOptions {
        lease: ms(6_000),
        renew_every: ms(1_950),
        attempt_timeout: ms(1_950),
        retry_every: ms(950),
        poll_every: ms(1_950),
        grace: ms(1_000),
        skew: ms(1_000),
    }
}

/// The same for a lease of 15 s, with a skew as small as may be: a second.
fn fifteen_seconds() -> TimingOptions {
    let ms = Duration::from_millis;
    TimingOptions {
        renew_every: ms(4_850),
        attempt_timeout: ms(2_900),
        retry_every: ms(950),
        poll_every: ms(4_850),
        ..TimingOptions::for_lease(ms(15_000))
    }
}

fn fifteen(config: Config) -> Config {
    Config { timing: Timing::new(fifteen_seconds()).expect("valid"), ..config }
}

/// What every tier looks at.
fn small() -> Vec<Config> {
    vec![
        Config {
            expects: vec![Seen::Takeover, Seen::RenewalRecovered, Seen::AnswerAfterItsTime, Seen::ZombieGranted],
            rates: worst(2),
            ..pair("late", Budget { delays: 1, doubles: 1, ..none() })
        },
        Config {
            expects: vec![Seen::Takeover, Seen::LapsedReplaced],
            kind: Kind::Document,
            rates: worst(2),
            ..pair("document-jump", Budget { jumps: 1, losses: 1, ..none() })
        },
        Config {
            server_time: false,
            rising: false,
            expects: vec![Seen::Takeover, Seen::TokenRefused],
            ..pair("counter", Budget { rollbacks: 2, ..none() })
        },
        fifteen(pair("fifteen", Budget { losses: 2, ..none() })),
        // A quarter of what is asked for is too little to begin with.
        Config {
            grants: 26,
            expects: vec![Seen::GrantedTooLate],
            ..fifteen(pair("tiny-grants", Budget { losses: 1, ..none() }))
        },
    ]
}

fn quick() -> Vec<Config> {
    let mut worlds = vec![
        Config {
            expects: vec![Seen::Takeover, Seen::RenewalRecovered, Seen::RenewedInDrain, Seen::AmbiguousAcquireSettled],
            rates: worst(3),
            ..trio("quick-losses", Budget { losses: 1, failures: 1, ..none() })
        },
        Config {
            expects: vec![Seen::Takeover, Seen::RenewalTimedOut, Seen::WokeInvalid, Seen::Overrun],
            rates: worst(2),
            ..pair("quick-pause", Budget { pauses: 1, delays: 1, ..none() })
        },
        Config {
            expects: vec![Seen::Takeover, Seen::LapsedReplaced, Seen::AmbiguousAcquireSettled],
            kind: Kind::Document,
            ..pair("quick-document", Budget { losses: 2, ..none() })
        },
        pair("quick-crash", Budget { crashes: 1, starts: 1, losses: 1, ..none() }),
        Config {
            expects: vec![Seen::Takeover, Seen::Stopped, Seen::RenewedInDrain, Seen::Overrun],
            ..pair("quick-wishes", Budget { wishes: 1, starts: 1, overruns: 1, ..none() })
        },
        pair("quick-jump", Budget { jumps: 1, losses: 1, ..none() }),
        Config {
            expects: vec![Seen::Takeover, Seen::LeaseLost],
            rates: worst(2),
            ..pair("quick-break", Budget { breaks: 1, rollbacks: 1, ..none() })
        },
    ];
    worlds.extend(small());
    worlds
}

fn ci() -> Vec<Config> {
    let mut worlds = vec![
        Config {
            expects: vec![
                Seen::Takeover,
                Seen::RenewalRecovered,
                Seen::RenewedInDrain,
                Seen::AmbiguousAcquireSettled,
                Seen::AnswerAfterItsTime,
                Seen::ZombieGranted,
            ],
            percents: vec![0, 99],
            ..trio("trio-late", Budget { losses: 1, delays: 1, ..none() })
        },
        Config {
            expects: vec![Seen::Takeover, Seen::WokeInvalid, Seen::Overrun, Seen::ReleaseFailed],
            ..trio("trio-pause", Budget { pauses: 1, losses: 1, ..none() })
        },
        Config {
            expects: vec![Seen::Takeover, Seen::WokeInvalid, Seen::AnswerAfterItsTime],
            ..pair("pause-late", Budget { pauses: 1, delays: 1, ..none() })
        },
        Config {
            expects: vec![Seen::Takeover, Seen::Stopped, Seen::GrantedTooLate],
            ..trio("trio-wishes", Budget { wishes: 1, losses: 1, ..none() })
        },
        Config {
            expects: vec![Seen::Takeover, Seen::LapsedReplaced, Seen::AnswerAfterItsTime],
            kind: Kind::Document,
            ..pair("document-late", Budget { losses: 1, delays: 1, ..none() })
        },
        Config {
            expects: vec![Seen::Takeover, Seen::LapsedReplaced, Seen::WokeInvalid],
            kind: Kind::Document,
            ..fifteen(pair("document-pause", Budget { pauses: 1, losses: 1, ..none() }))
        },
        Config {
            expects: vec![Seen::Takeover, Seen::LapsedReplaced, Seen::WokeInvalid, Seen::AnswerAfterItsTime],
            kind: Kind::Document,
            rates: worst(2),
            // The second one starts at any time, so that it polls at any time between two renewals.
            up_first: 1,
            ..pair("document-pause-late", Budget { pauses: 1, delays: 1, starts: 1, ..none() })
        },
        Config {
            expects: vec![Seen::Takeover, Seen::ZombieGranted, Seen::AmbiguousAcquireSettled],
            kind: LOOKS_FIRST,
            rates: worst(2),
            ..pair("looks-first", Budget { losses: 1, failures: 1, doubles: 1, ..none() })
        },
        pair("crash", Budget { crashes: 1, starts: 1, delays: 1, ..none() }),
        Config {
            expects: vec![Seen::Takeover, Seen::Stopped, Seen::RenewedInDrain, Seen::Overrun],
            rates: worst(2),
            ..pair("wishes", Budget { wishes: 2, starts: 1, overruns: 1, ..none() })
        },
        pair("jump", Budget { jumps: 1, delays: 1, ..none() }),
        Config {
            expects: vec![Seen::Takeover, Seen::LeaseLost],
            rates: worst(2),
            ..pair("break", Budget { breaks: 1, rollbacks: 1, losses: 1, ..none() })
        },
        Config {
            expects: vec![Seen::Takeover, Seen::LeaseLost, Seen::LapsedReplaced],
            kind: Kind::Document,
            rates: exact(2),
            ..pair("document-break", Budget { breaks: 1, rollbacks: 1, losses: 1, ..none() })
        },
        // The very defaults of the crate, in ticks of half a second.
        Config {
            timing: Timing::default(),
            tick_ms: 500,
            expects: vec![Seen::Takeover, Seen::RenewalTimedOut],
            ..pair("defaults", Budget { losses: 3, ..none() })
        },
        // With those a candidate is less patient with an acquire than with a renewal, where the store answers fast.
        Config {
            timing: Timing::default(),
            tick_ms: 500,
            expects: vec![Seen::Takeover, Seen::ZombieGranted, Seen::AmbiguousAcquireSettled],
            kind: LOOKS_FIRST,
            rates: worst(2),
            ..pair("patience", Budget { losses: 1, delays: 1, ..none() })
        },
        Config {
            timing: Timing::default(),
            tick_ms: 500,
            expects: vec![Seen::Takeover, Seen::LapsedReplaced, Seen::AnswerAfterItsTime],
            kind: Kind::Document,
            rates: worst(2),
            ..pair("document-patience", Budget { crashes: 1, losses: 1, delays: 1, ..none() })
        },
        // 80 % of what is asked for: a lease of 12 s.
        Config { grants: 80, ..fifteen(pair("short-grants", Budget { losses: 2, failures: 1, ..none() })) },
    ];
    worlds.extend(small());
    worlds
}

fn soak() -> Vec<Config> {
    vec![
        Config {
            expects: vec![Seen::Takeover, Seen::WokeInvalid, Seen::ZombieGranted, Seen::Overrun, Seen::ReleaseFailed],
            ..trio("soak-pause", Budget { pauses: 1, losses: 1, delays: 1, ..none() })
        },
        Config {
            expects: vec![Seen::Takeover, Seen::ZombieGranted, Seen::AmbiguousAcquireSettled],
            ..trio("soak-jump", Budget { jumps: 1, losses: 1, delays: 1, ..none() })
        },
    ]
}

/// Half a per cent of a clock's rate is all that lies between these two. A lease of 15 s with a skew of 1 s holds as long as
/// clocks run less than 15 : 14 apart, which is 7.14 %; the crate asks for 5 %.
const HARDLY_TAME: (u32, u32) = (966, 1_034);
const HARDLY_WILD: (u32, u32) = (965, 1_035);

/// A slow leader, a fast challenger and a fast store, in ticks of half a second: at 14.5 s the one is valid by its own clock if
/// it is slower than 14 : 14.5, and its lease is over by the store's if that is faster than 15 : 14.5.
fn apart(name: &'static str, kind: Kind, (slow, fast): (u32, u32)) -> Config {
    Config {
        kind,
        rates: vec![(vec![slow, fast], fast)],
        tick_ms: 500,
        ..fifteen(pair(name, Budget { losses: 3, ..none() }))
    }
}

/// The same worlds as some of the impossible ones, but for the little that makes those impossible.
pub fn just_possible() -> Vec<Config> {
    vec![apart("tame-clocks", LEASE, HARDLY_TAME), apart("tame-clocks-document", Kind::Document, HARDLY_TAME)]
}

/// Worlds in which a promise cannot be kept. A model that finds nothing in them is blind.
pub fn impossible() -> Vec<Config> {
    vec![
        apart("wild-clocks", LEASE, HARDLY_WILD),
        apart("wild-clocks-document", Kind::Document, HARDLY_WILD),
        // Not in exclusive leadership, while a third party breaks the lease.
        Config { exclusive: true, ..pair("broken-yet-exclusive", Budget { breaks: 1, ..none() }) },
        // Not in rising tokens, when the record falls back and tokens are only counted.
        Config { server_time: false, ..pair("rolled-back-counter", Budget { rollbacks: 1, ..none() }) },
    ]
}
