//! A model check of the election: every order of trouble, within bounds, and not only the likely ones.
//!
//! [`stateright`] visits all states that several candidates, one store and the network between them can reach. The
//! candidates are the very [`Election`](azure_leader_election::election::Election)s of the crate; the model is only of
//! what is around them. Time is real time in ticks, read by clocks that run at rates as far apart as the crate allows.
//!
//! - [`world`] is a state, [`choices`] what may happen in it and [`step`] what comes of that. [`ghost`] is an observer of one
//!   candidate that holds it to the [promises](broken::Broken), [`canon`] is what makes two states the same, and [`worlds`]
//!   is what is looked at.
//! - `cargo test --test model` exhausts the small worlds, `cargo test --release --test model` those that every change must
//!   pass, and `MODEL_TIER=soak cargo test --release --test model` the large ones.
//! - A broken promise is told as a list of what happened when, with the command that follows that path again.

#![allow(clippy::expect_used, clippy::unwrap_used)]

#[path = "model/action.rs"]
mod action;
#[path = "model/alike.rs"]
mod alike;
#[path = "support/answered.rs"]
mod answered;
#[path = "model/broken.rs"]
mod broken;
#[path = "model/canon.rs"]
mod canon;
#[path = "model/checker.rs"]
mod checker;
#[path = "model/choices.rs"]
mod choices;
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
#[path = "model/verdict.rs"]
mod verdict;
#[path = "model/world.rs"]
mod world;
#[path = "model/worlds.rs"]
mod worlds;

use broken::Broken;
use worlds::Tier;

fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

#[test]
fn every_promise_is_kept_in_every_state_that_can_be_reached() {
    let (mut unique, mut violations, mut missed) = (0, 0, vec![]);
    for config in Tier::chosen().worlds() {
        let outcome = checker::exhaust(config, threads());
        outcome.print();
        unique += outcome.unique;
        violations += outcome.violations();
        missed.extend(outcome.missed().into_iter().map(|seen| (outcome.config.name, seen)));
    }
    println!("unique_states={unique} violations={violations}");
    assert_eq!(violations, 0, "a promise was broken; the path to it is told above");
    assert!(missed.is_empty(), "never came to pass: {missed:?}");
}

#[test]
fn a_promise_that_cannot_be_kept_is_found_broken() {
    let found: Vec<_> = worlds::impossible()
        .into_iter()
        .map(|config| (config.name, checker::exhaust(config, 1).broken.map(|(broken, _)| broken)))
        .collect();
    let expected = [
        ("wild-clocks", Some(Broken::Covered)),
        ("wild-clocks-document", Some(Broken::OneValid)),
        ("broken-yet-exclusive", Some(Broken::Covered)),
        ("rolled-back-counter", Some(Broken::TokensRise)),
    ];
    assert_eq!(found, expected);
}

#[test]
fn states_of_one_digest_behave_alike() {
    let pairs = if cfg!(debug_assertions) { 300 } else { 3_000 };
    for config in Tier::Quick.worlds() {
        let name = config.name;
        assert!(alike::compare(config, pairs) > 0, "{name}: nothing was merged");
    }
}

/// Follows the path that `MODEL_PATH` names, as it was told when a promise was found broken.
#[test]
fn replay() {
    let Ok(given) = std::env::var("MODEL_PATH") else { return };
    let (name, path) =
        given.split_once(':').expect("MODEL_PATH is a world's name, a colon, and numbers with dots between");
    let config = worlds::named(name).expect("a world of that name");
    println!("{}", path::Path::parse(path).tell(Box::leak(Box::new(config))));
}
