//! A model check of the election.

#![allow(clippy::expect_used, clippy::unwrap_used)]

#[path = "model/action.rs"]
mod action;
#[path = "model/broken.rs"]
mod broken;
#[path = "model/canon.rs"]
mod canon;
#[path = "model/checker.rs"]
mod checker;
#[path = "model/clock.rs"]
mod clock;
#[path = "model/config.rs"]
mod config;
#[path = "model/ghost.rs"]
mod ghost;
#[path = "model/host.rs"]
mod host;
#[path = "model/ids.rs"]
mod ids;
#[path = "model/path.rs"]
mod path;
#[path = "model/seen.rs"]
mod seen;
#[path = "model/step.rs"]
mod step;
#[path = "model/store.rs"]
mod store;
#[path = "model/worlds.rs"]
mod worlds;
#[path = "model/world.rs"]
mod world;

#[test]
fn probe() {
    let threads = std::env::var("THREADS").map_or(4, |n| n.parse().unwrap());
    for config in worlds::probe() {
        let outcome = checker::exhaust(config, threads);
        outcome.print();
        println!("   {:?}", seen::ALL.iter().map(|seen| (*seen, outcome.tally.of(*seen))).collect::<Vec<_>>());
    }
}
