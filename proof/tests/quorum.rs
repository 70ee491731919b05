//! A model check of the election at a majority: two candidates, three members, and the network between them.
//!
//! The candidates decide by the very [`Ballot`], [`Tally`] and [`Watch`] of the crate; the model is of what carries them out, of the
//! members, and of time. Every request may be lost, late or repeated, also long after its sender has given it up; a member may forget its
//! record, or fall back to an older one.
//!
//! - `cargo test --release -p proof --test quorum -- --nocapture` prints the states and violations of each world; `MODEL_TIER=soak` before it adds the
//!   large ones.
//! - A world in which the promise cannot be kept has to be found broken, or the model is blind.
//!
//! [`Ballot`]: leader_election::quorum::Ballot
//! [`Tally`]: leader_election::quorum::Tally
//! [`Watch`]: leader_election::quorum::Watch

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)]

#[path = "quorum/candidate.rs"]
mod candidate;
#[path = "quorum/member.rs"]
mod member;
#[path = "quorum/world.rs"]
mod world;

use std::collections::BTreeSet;

use member::Kind::{self, Document, Lease};
use stateright::{Checker, HasDiscoveries, Model};
use world::{Broken, Config, Majority};

/// Debug builds exhaust the smallest of each kind.
fn worlds() -> Vec<Config> {
    let kinds: [(&str, [Kind; 3]); 3] =
        [("leases", [Lease; 3]), ("documents", [Document; 3]), ("mixed", [Lease, Document, Document])];
    let soaks = std::env::var("MODEL_TIER").is_ok_and(|tier| tier == "soak");
    let mut worlds = vec![];
    for (name, kinds) in kinds {
        let base = Config { name, kinds, ..Config::SMALL };
        worlds.push(base.clone());
        if !cfg!(debug_assertions) {
            if soaks {
                let trouble = "two tries";
                worlds.push(Config { trouble, tries: [2, 1], renewals: [0, 0], unanswered: 0, ..base.clone() });
            }
            worlds.push(Config { trouble: "late", late: 1, renewals: [0, 0], unanswered: 0, ..base.clone() });
            worlds.push(Config { trouble: "repeated", repeats: 1, renewals: [0, 0], unanswered: 0, ..base.clone() });
            worlds.push(Config { trouble: "forgets", forgets: 1, unanswered: 0, ..base.clone() });
            let (trouble, paced) = ("forgets what it was taken back with", true);
            worlds.push(Config { trouble, forgets: 1, renewals: [2, 0], unanswered: 0, paced, ..base.clone() });
            worlds.push(Config { trouble: "rolled back", rollbacks: 1, unanswered: 0, ..base });
        }
    }
    worlds
}

fn check(config: &Config, came_to_pass: &mut BTreeSet<&'static str>) -> (usize, Option<(Broken, String)>) {
    let model = Majority { config: config.clone() };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let run =
        |threads| model.clone().checker().threads(threads).finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
    let mut checker = run(threads);
    if checker.discovery(world::KEPT).is_some() && threads > 1 {
        // Several threads find any path; one finds the shortest.
        checker = run(1);
    }
    for seen in world::SEEN {
        if let Some(path) = checker.discovery(seen) {
            drop(path);
            came_to_pass.insert(seen);
        }
    }
    let broken = checker.discovery(world::KEPT).map(|path| {
        let broken = path.last_state().broken.expect("it is broken");
        let told: Vec<String> =
            path.into_vec().into_iter().filter_map(|(_, action)| action.map(|action| format!("{action:?}"))).collect();
        (broken, told.join("\n"))
    });
    (checker.unique_state_count(), broken)
}

#[test]
fn at_a_majority_one_leads_and_tokens_rise_in_every_state_that_can_be_reached() {
    let (mut states, mut violations, mut came_to_pass) = (0, 0, BTreeSet::new());
    for config in worlds() {
        let begun = std::time::Instant::now();
        let (unique, broken) = check(&config, &mut came_to_pass);
        states += unique;
        println!(
            "{}: unique_states={unique} violations={} seconds={:.1}",
            config.title(),
            usize::from(broken.is_some()),
            begun.elapsed().as_secs_f64()
        );
        if let Some((broken, path)) = broken {
            violations += 1;
            println!("{broken:?}:\n{path}");
        }
    }
    println!("quorum: unique_states={states} violations={violations}");
    if !cfg!(debug_assertions) {
        assert_eq!(came_to_pass, BTreeSet::from(world::SEEN), "a world that lost its trouble proves nothing");
    }
    assert_eq!(violations, 0, "a promise was broken; the path to it is told above");
}

/// A leader on a bare majority, and then a member forgets that the other candidate shares with it: no quorum survives that.
#[test]
fn a_promise_that_cannot_be_kept_is_found_broken() {
    for kinds in [[Lease; 3], [Document; 3]] {
        let config = Config {
            name: "any member",
            kinds,
            trouble: "forgets at any time",
            forgets: 1,
            forgets_at_any_time: true,
            ..Config::SMALL
        };
        let (unique, broken) = check(&config, &mut BTreeSet::new());
        let (broken, _) = broken.unwrap_or_else(|| panic!("{}: {unique} states, and nothing found", config.title()));
        println!("{}: found {broken:?}", config.title());
    }
}
