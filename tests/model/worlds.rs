//! The worlds that are exhausted.

use std::time::Duration;

use azure_leader_election::Timing;

use super::clock::{FAST, NOMINAL, SLOW};
use super::config::{Budget, Config, Kind, fifteen_seconds, six_seconds};

pub fn base() -> Config {
    Config {
        name: "base",
        kind: Kind::Lease { revives: true, looks_first: false },
        rates: vec![(vec![SLOW, FAST], FAST)],
        up_first: 2,
        tick_ms: 1_000,
        timing: Timing::new(six_seconds()).expect("valid"),
        drain_limit: Duration::from_millis(2_950),
        pause: Duration::from_millis(1_950),
        percent: 50,
        budget: Budget::default(),
        stride: 1,
        server_time: true,
        grants: 100,
        expects: vec![],
    }
}

fn number(name: &str, default: u8) -> u8 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

pub fn probe() -> Vec<Config> {
    let n = number("N", 2) as usize;
    let budget = Budget {
        losses: number("LOSSES", 0),
        failures: number("FAILURES", 0),
        delays: number("DELAYS", 0),
        doubles: number("DOUBLES", 0),
        pauses: number("PAUSES", 0),
        crashes: number("CRASHES", 0),
        starts: number("STARTS", 0),
        wishes: number("WISHES", 0),
        overruns: number("OVERRUNS", 0),
        jumps: number("JUMPS", 0),
        breaks: number("BREAKS", 0),
        rollbacks: number("ROLLBACKS", 0),
    };
    let timing = if number("LEASE", 6) == 6 { six_seconds() } else { fifteen_seconds() };
    let kind = match number("KIND", 0) {
        0 => Kind::Lease { revives: true, looks_first: false },
        1 => Kind::Lease { revives: false, looks_first: true },
        _ => Kind::Document,
    };
    let all = [SLOW, FAST, NOMINAL];
    let mut rates = vec![];
    for slow in 0..=n {
        let candidates: Vec<_> = (0..n).map(|i| all[usize::from(i >= slow)]).collect();
        rates.push((candidates.clone(), FAST));
        rates.push((candidates, SLOW));
    }
    if number("NODRIFT", 0) == 1 {
        rates = vec![(vec![NOMINAL; n], NOMINAL)];
    }
    vec![Config { budget, kind, rates, up_first: n, stride: number("STRIDE", 1).into(), timing: Timing::new(timing).unwrap(), ..base() }]
}
