//! Many lanes at once, wave by wave.

use std::time::Duration;

use crate::lane::{Harm, Lane, Round, Told};
use crate::outcome::Outcome;
use crate::service::Service;

/// What is to be played.
pub struct Plan<'a> {
    pub service: &'a dyn Service,
    /// Of the elections, which nobody else uses in these servers.
    pub name: &'a str,
    /// The program `round-worker`.
    pub worker: &'a str,
    pub lease: Duration,
    pub poll: Duration,
    /// In each wave the next of these is done to the leaders of all lanes.
    pub harms: &'a [Harm],
    /// Rounds of each harm, in all lanes together.
    pub rounds: usize,
    pub lanes: usize,
    pub seed: u64,
}

/// Plays it.
pub fn run(plan: &Plan<'_>) -> Outcome {
    let mut lanes: Vec<_> = (0..plan.lanes).map(|number| Lane::start(plan, number)).collect();
    let mut rounds = Vec::new();
    let waves = plan.rounds.div_ceil(plan.lanes) * plan.harms.len();
    for (number, harm) in (0..waves).zip(plan.harms.iter().cycle()) {
        rounds.extend(play(plan, &mut lanes, *harm, number));
    }
    let told: Vec<Told> = std::thread::scope(|scope| {
        let stopping: Vec<_> = lanes.into_iter().map(|lane| scope.spawn(|| lane.stop())).collect();
        stopping.into_iter().map(|lane| lane.join().expect("no panic")).collect()
    });
    Outcome::new(plan, rounds, told)
}

/// One round in each lane, all at once.
fn play(plan: &Plan<'_>, lanes: &mut [Lane<'_>], harm: Harm, number: usize) -> Vec<Round> {
    // All have a leader before anything is done to the servers.
    let leaders = each(lanes, |lane, ()| lane.make_ready(), vec![(); plan.lanes]);
    let disturbed = plan.service.disturb(number);
    let rounds = each(lanes, |lane, leader| lane.harm(harm, leader, disturbed), leaders);
    if disturbed {
        plan.service.repair();
    }
    rounds
}

fn each<'a, G: Send, T: Send>(
    lanes: &mut [Lane<'a>],
    work: impl Fn(&mut Lane<'a>, G) -> T + Sync,
    given: Vec<G>,
) -> Vec<T> {
    let work = &work;
    std::thread::scope(|scope| {
        let working: Vec<_> =
            lanes.iter_mut().zip(given).map(|(lane, given)| scope.spawn(move || work(lane, given))).collect();
        working.into_iter().map(|lane| lane.join().expect("the lane does not panic")).collect()
    })
}
