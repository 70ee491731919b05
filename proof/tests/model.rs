//! A model check of the election: every order of trouble, within bounds, and not only the likely ones.
//!
//! [`stateright`] visits all states that several candidates, one store and the network between them can reach. The
//! candidates are the very [`Election`](leader_election::election::Election)s of the crate; the model is only of
//! what is around them. Time is real time in ticks, read by clocks that run at rates as far apart as the crate allows.
//!
//! - [`world`] is a state, [`choices`] what may happen in it and [`step`] what comes of that. [`ghost`] is an observer of one
//!   candidate, [`canon`] is what makes two states the same, and [`worlds`] is what is looked at.
//! - What is broken is a [`Rule`] of all tests. The model judges by itself whether it is: what the observer remembers is a part of
//!   each state, and is hashed in a canonical form.
//! - `cargo test --test model` exhausts the small worlds, `cargo test --release --test model` those that every change must
//!   pass, and `MODEL_TIER=soak cargo test --release --test model` the large ones.
//! - A broken promise is told as a list of what happened when, with the command that follows that path again.
//! - The last line says `unique_states=<n> violations=<n>`.

#![allow(clippy::expect_used, clippy::unwrap_used)]

#[path = "model/action.rs"]
mod action;
#[path = "model/alike.rs"]
mod alike;
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

use std::process::ExitCode;
use std::sync::OnceLock;

use libtest_mimic::{Arguments, Failed, Trial};
use testkit::Rule;
use worlds::Tier;

/// What was looked at, for the last line.
static FIGURES: OnceLock<(usize, usize)> = OnceLock::new();

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let aloud = arguments.nocapture;
    let trials = match std::env::var("MODEL_PATH") {
        Ok(given) => vec![Trial::test("replay", move || replay(&given))],
        Err(_) => vec![
            Trial::test("every_promise_is_kept_in_every_state_that_can_be_reached", move || exhaust(aloud)),
            Trial::test("a_promise_that_cannot_be_kept_is_found_broken", blindness),
            Trial::test("states_of_one_digest_behave_alike", digests),
        ],
    };
    let conclusion = libtest_mimic::run(&arguments, trials);
    if let Some((unique, violations)) = FIGURES.get() {
        println!("unique_states={unique} violations={violations}");
    }
    conclusion.exit_code()
}

fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn exhaust(aloud: bool) -> Result<(), Failed> {
    let tier = Tier::chosen();
    let (mut unique, mut violations, mut missed) = (0, 0, vec![]);
    for config in tier.worlds() {
        let outcome = checker::exhaust(config, threads());
        if aloud || outcome.violations() > 0 {
            outcome.print();
        }
        unique += outcome.unique;
        violations += outcome.violations();
        missed.extend(outcome.missed().into_iter().map(|seen| (outcome.config.name, seen)));
    }
    FIGURES.get_or_init(|| (unique, violations));
    if violations > 0 {
        return Err("a promise was broken; the path to it is told above".into());
    }
    if !missed.is_empty() {
        return Err(format!("never came to pass: {missed:?}").into());
    }
    // A reduction that merges too much, or a world that lost its trouble, would pass all of the above.
    if unique < tier.floor() {
        return Err(format!("{unique} unique states: the worlds of this tier have {} at least", tier.floor()).into());
    }
    Ok(())
}

/// A model that finds nothing in the worlds in which a promise cannot be kept is blind; one that finds it broken in those that
/// are hardly less hard is too strict.
fn blindness() -> Result<(), Failed> {
    let found: Vec<_> = worlds::just_possible()
        .into_iter()
        .chain(worlds::impossible())
        .map(|config| (config.name, checker::exhaust(config, 1).broken.map(|(broken, _)| broken)))
        .collect();
    let expected = [
        ("tame-clocks", None),
        ("tame-clocks-document", None),
        ("wild-clocks", Some(Rule::Covered)),
        ("wild-clocks-document", Some(Rule::OneLeader)),
        ("broken-yet-exclusive", Some(Rule::Covered)),
        ("rolled-back-counter", Some(Rule::TokensRise)),
    ];
    if found == expected { Ok(()) } else { Err(format!("found: {found:?}").into()) }
}

fn digests() -> Result<(), Failed> {
    let pairs = if cfg!(debug_assertions) { 300 } else { 3_000 };
    for config in Tier::Quick.worlds() {
        let name = config.name;
        if alike::compare(config, pairs) == 0 {
            return Err(format!("{name}: nothing was merged").into());
        }
    }
    Ok(())
}

/// Follows a path as it was told when a promise was found broken.
fn replay(given: &str) -> Result<(), Failed> {
    let told = "MODEL_PATH is a world's name, a colon, and numbers with dots between";
    let (name, path) = given.split_once(':').ok_or(told)?;
    let config = worlds::named(name).ok_or("there is no world of that name")?;
    println!("{}", path::Path::parse(path).tell(Box::leak(Box::new(config))));
    Ok(())
}
