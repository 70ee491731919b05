//! Durations that fit together, and the refusal of those that do not.

use std::time::Duration;

use azure_leader_election::{Timing, TimingOptions};

fn refusal(change: impl FnOnce(&mut TimingOptions)) -> String {
    let mut options = TimingOptions::default();
    change(&mut options);
    Timing::new(options).expect_err("must be refused").to_string()
}

#[test]
fn defaults_are_those_of_the_documentation() {
    let timing = Timing::new(TimingOptions::default()).expect("the defaults are valid");
    assert_eq!(timing, Timing::default());
    assert_eq!(timing.cancel_after(), Duration::from_secs(11));
    assert_eq!(timing.valid_for(), Duration::from_secs(14));
    assert_eq!(timing.jump_threshold(), Duration::from_millis(200), "a fifth of the skew");
}

#[test]
fn every_lease_from_a_second_to_an_hour_has_valid_defaults() {
    for seconds in 1..=3600 {
        Timing::for_lease(Duration::from_secs(seconds)).expect("scaled defaults are valid");
    }
}

#[test]
fn invariant_4_the_margin_left_after_the_cancel_point_covers_grace_and_drift() {
    for millis in (1_000..60_000).step_by(250) {
        let timing = Timing::for_lease(Duration::from_millis(millis)).expect("valid");
        let after_cancel = timing.lease() - timing.cancel_after();
        let needed = timing.grace() + timing.lease().mul_f64(1.0 - 1.0 / 1.05) + timing.jump_threshold();
        assert!(after_cancel > needed, "{timing:?}");
    }
}

#[test]
fn each_refusal_names_the_duration_at_fault() {
    let s = Duration::from_secs;
    assert!(refusal(|t| t.renew_every = s(20)).contains("renew_every (20s)"));
    assert!(refusal(|t| t.renew_every = s(9)).contains("one slow renewal ends the term"));
    assert!(refusal(|t| t.skew = Duration::from_millis(800)).contains("skew"));
    assert!(refusal(|t| t.skew = s(14)).contains("leave nothing"));
    assert!(refusal(|t| t.poll_every = Duration::ZERO).contains("poll_every"));
    assert!(refusal(|t| t.grace = s(16)).contains("grace"));
    assert!(refusal(|t| t.lease = Duration::MAX).contains("lease"));
    assert!(refusal(|t| t.attempt_timeout = Duration::MAX).contains("attempt_timeout"));
}
