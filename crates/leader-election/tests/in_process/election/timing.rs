//! Durations that fit together, and the refusal of those that do not.

use std::time::Duration;

use leader_election::{Timing, TimingOptions};

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

/// Each row of it is worked out from the defaults, for each of its three leases.
#[test]
fn the_readmes_table_of_times_is_that_of_the_defaults() {
    let leases = [15, 30, 60].map(|seconds| Timing::for_lease(Duration::from_secs(seconds)).expect("valid"));
    let seconds =
        |of: &dyn Fn(&Timing) -> Duration| leases.each_ref().map(|timing| format!("{} s", of(timing).as_secs_f64()));
    let a_minute = |of: &dyn Fn(&Timing) -> Duration| leases.each_ref().map(|timing| 60.0 / of(timing).as_secs_f64());
    let missed = |timing: &Timing| timing.cancel_after() - timing.renew_every();
    let rows = [
        ("renewal", seconds(&Timing::renew_every)),
        ("and again if it fails", seconds(&|timing| timing.renew_every() + timing.attempt_timeout())),
        ("token cancelled", seconds(&Timing::cancel_after)),
        ("task aborted", seconds(&Timing::valid_for)),
        ("process ended if the task still runs", seconds(&|timing| timing.valid_for() + timing.skew() / 10)),
        ("another may lead", seconds(&Timing::lease)),
        ("a standby asks again if unanswered", seconds(&Timing::poll_every).map(|after| format!("after {after}"))),
        ("storage outage survived", seconds(&missed)),
        ("requests of the leader", a_minute(&Timing::renew_every).map(|requests| requests.to_string())),
        ("requests of a standby", a_minute(&Timing::poll_every).map(|requests| requests.to_string())),
    ];
    let readme = include_str!("../../../../../README.md");
    for (name, cells) in rows {
        let row = readme.lines().find(|line| line.starts_with(&format!("| {name} |"))).expect(name);
        let written: Vec<_> =
            row.split('|').skip(2).take(3).map(|cell| cell.trim().trim_end_matches(" a minute")).collect();
        assert_eq!(written, cells, "{name}");
    }
    // Where requests hang, each attempt lasts its whole time; the last one that can save the term is the one before.
    let hanging = leases.each_ref().map(|timing| (missed(timing) - timing.attempt_timeout()).as_secs());
    assert!(
        readme.contains(&format!("{}, {} and {} s where requests hang", hanging[0], hanging[1], hanging[2])),
        "{hanging:?}"
    );
}
