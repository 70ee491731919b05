//! Real worker processes at a majority of three Azurites, which hang one after the other.

#![cfg(unix)]
#![allow(clippy::expect_used, clippy::unwrap_used)]

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use testbed::azurite::{Azurite, AzuriteOptions};
use testbed::pair::PATIENCE;
use testbed::worker;

const LEASE: Duration = Duration::from_secs(15);

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes 40 s: once a week"]
async fn a_quorum_elects_and_leads_without_one_of_three_stores_and_not_without_two() {
    let members = [(); 3].map(|()| tokio::spawn(Azurite::start(AzuriteOptions::default())));
    let mut azurites = Vec::new();
    for member in members {
        azurites.push(member.await.expect("it starts"));
    }
    let rounds = tokio::task::spawn_blocking(move || {
        let urls: Vec<String> = azurites.iter().map(|azurite| azurite.container_url("leases")).collect();
        let urls: Vec<&str> = urls.iter().map(String::as_str).collect();
        let start = |holder| worker::start("quorum_worker", &urls, holder, &[]);

        let first = start("first");
        let (_, elected) = first.wait_for(0, "task started", PATIENCE);
        let second = start("second");
        second.wait_for(0, "standby, first", PATIENCE);

        // A server that hangs holds up whoever waits for all of them.
        azurites[0].pause();
        let (told_at, before) = (Instant::now(), second.lines().len());
        first.signal(Signal::SIGTERM);
        let (_, handed_over) = second.wait_for(before, "task started", PATIENCE);
        let took = handed_over.read_at - told_at;
        println!(
            "hand-over with one of three stores hanging: {:.2} s, lease {} s",
            took.as_secs_f64(),
            LEASE.as_secs()
        );
        assert!(took < LEASE / 2, "a hand-over waits for no lease: {took:?}");
        assert!(handed_over.token() > elected.token(), "tokens rise");
        assert!(first.ended().success(), "it ends well");

        // Whoever still leads then has renewed it at the two others.
        std::thread::sleep(LEASE * 3 / 2);
        let before = second.lines().len();
        second.wait_for(before, &format!("coordinating token={}", handed_over.token()), PATIENCE);
        assert!(second.lines().iter().all(|line| !line.text.contains("ended")), "{:?}", second.lines());

        let (hung_at, before) = (Instant::now(), second.lines().len());
        azurites[1].pause();
        let (_, ended) = second.wait_for(before, "ended token=", PATIENCE);
        assert_eq!(ended.token(), handed_over.token());
        println!("the lead ended {:.2} s after the second store hung", (ended.read_at - hung_at).as_secs_f64());

        azurites[1].resume();
        let before = second.lines().len();
        let (_, again) = second.wait_for(before, "task started", PATIENCE);
        assert!(again.token() > ended.token(), "tokens rise");
    });
    rounds.await.expect("it holds");
}
