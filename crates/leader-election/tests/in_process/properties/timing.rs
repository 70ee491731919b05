//! Any durations: those that are accepted are safe, all others are refused by name.

use std::time::Duration;

use leader_election::{
    CancellationToken, ErrorKind, LeaderHost, LeaderHostOptions, MemoryMutex, Timing, TimingOptions,
};
use proptest::prelude::*;

use super::input::Input;
use crate::properties::config;

/// By how much faster one clock may run than another.
const MAX_CLOCK_RATE: f64 = 1.05;
const NAMES: [&str; 7] = ["lease", "renew_every", "attempt_timeout", "retry_every", "poll_every", "grace", "skew"];

fn check(options: TimingOptions) {
    let timing = match Timing::new(options.clone()) {
        Ok(timing) => timing,
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::InvalidSetting);
            assert!(NAMES.iter().any(|name| error.to_string().contains(name)), "{error}");
            return;
        }
    };
    let TimingOptions { lease, renew_every, attempt_timeout, retry_every, poll_every, grace, skew } = options;
    // Where the lease ends on a clock that runs as much faster as clocks may.
    let ends = lease.div_f64(MAX_CLOCK_RATE);
    assert!(renew_every + attempt_timeout <= timing.cancel_after(), "one slow renewal does not end the term");
    assert!(timing.cancel_after() < timing.valid_for(), "cancelled before it is aborted: {timing:?}");
    assert!(timing.valid_for() - timing.cancel_after() >= grace, "the task has its time");
    assert!(timing.valid_for() + skew <= lease);
    assert!(timing.valid_for() + timing.jump_threshold() < ends, "aborted before another may lead: {timing:?}");
    assert!(timing.valid_for() + skew / 10 < ends, "an overrun is told of before another may lead: {timing:?}");
    assert!((Timing::MIN_LEASE..=Timing::MAX_LEASE).contains(&lease));
    for rhythm in [renew_every, attempt_timeout, retry_every, poll_every, grace] {
        assert!(rhythm >= Duration::from_millis(10) && rhythm < lease, "neither a hot loop nor an endless wait");
    }
}

/// Near what is right, or anything at all.
fn options(bytes: &[u8]) -> TimingOptions {
    let mut input = Input::new(bytes);
    let lease = match input.byte() {
        0 => input.duration(Duration::from_secs(15)),
        1 => Duration::from_nanos(1_000_000_000 + input.number() % 3_600_000_000_000),
        seconds => Duration::from_secs(u64::from(seconds)),
    };
    let mut options = TimingOptions::for_lease(lease);
    for _ in 0..input.byte() % 4 {
        let unit = lease.min(Timing::MAX_LEASE) / 8;
        let value = input.duration(unit);
        match input.byte() % 6 {
            0 => options.renew_every = value,
            1 => options.attempt_timeout = value,
            2 => options.retry_every = value,
            3 => options.poll_every = value,
            4 => options.grace = value,
            _ => options.skew = value,
        }
    }
    options
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn invariant_4_whatever_timing_is_accepted_cancels_aborts_and_gives_up_in_time(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
        check(options(&bytes));
    }

    #[test]
    fn every_lease_from_a_second_to_an_hour_has_defaults_that_are_accepted(nanos in 1_000_000_000..=3_600_000_000_000_u64) {
        let options = TimingOptions::for_lease(Duration::from_nanos(nanos));
        prop_assert!(Timing::new(options.clone()).is_ok());
        check(options);
    }

    #[test]
    fn invariant_14_any_limits_of_a_host_are_accepted_or_refused_by_name(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
        let mut input = Input::new(&bytes);
        let mut limit = || input.duration(Duration::from_secs(3_600));
        let (drain_limit, pause, stall_limit, heartbeat_limit) = (limit(), limit(), Some(limit()), Some(limit()));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        let outcome = runtime.expect("a runtime").block_on(async {
            let options = LeaderHostOptions {
                drain_limit, pause, stall_limit, heartbeat_limit,
                ..LeaderHostOptions::default()
            };
            let host = LeaderHost::new(MemoryMutex::new()).with_options(options).in_tokio_time();
            let term = host.run_one_term(CancellationToken::new(), |leader| async move { leader.ensure() });
            // In virtual time: it either leads at once or never.
            tokio::time::timeout(Duration::from_secs(60), term).await.expect("no endless wait")
        });
        match outcome {
            Ok(term) => prop_assert!(term.expect("it led").output.expect("it returned").is_ok()),
            Err(error) => {
                prop_assert_eq!(error.kind(), ErrorKind::InvalidSetting);
                let named = ["drain_limit", "pause", "stall_limit", "heartbeat_limit"];
                prop_assert!(named.iter().any(|name| error.to_string().contains(name)), "{}", error);
            }
        }
    }
}
