//! Two workers at a time: hand-over, and two revisions during a deployment.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::rig::{Environment, Worker, azurite, eventually};

const LEASE: Duration = Duration::from_secs(15);

#[test]
fn a_leader_told_to_end_hands_over_at_once_and_the_work_goes_on_where_it_was() {
    let environment = Environment::on(azurite());
    let leader = environment.clone().replica("first");
    leader.wait_for("elected");
    let standby = environment.replica("second");
    eventually("the standby sees the leader", || standby.status()["leader"]["holder"] == "first");
    eventually("some steps are done", || steps(&leader) >= 3);

    let told_at = Instant::now();
    leader.signal(Signal::SIGTERM);
    let (elected_at, elected) = standby.wait_for("elected");
    let (end, log, _) = leader.ended();
    let took = elected_at - told_at;
    println!("hand-over after SIGTERM: {:.2} s, with a lease of {} s", took.as_secs_f64(), LEASE.as_secs());
    assert!(took < LEASE / 2, "a hand-over does not wait for the lease: {took:?}");
    assert!(end.success(), "{end}");

    let ended = log.iter().find(|line| line["event"] == "ended").expect("its end is told");
    assert!(elected["fencing_token"].as_u64() > ended["fencing_token"].as_u64(), "tokens rise");
    let (_, took_over) = standby.wait_for("took_over");
    let left = took_over["steps"].as_u64().unwrap();
    assert!(left >= 3, "the work goes on where the last leader left it: {took_over}");
    eventually("the work goes on", || steps(&standby) > left);
}

#[test]
fn in_a_deployment_the_new_revision_is_ready_while_the_old_one_leads_and_leads_when_that_is_stopped() {
    let environment = Environment::on(azurite());
    let revision = |name: &str| environment.clone().with("CONTAINER_APP_REVISION", name);
    let old: Vec<Worker> = ["old-a", "old-b"].map(|name| revision("worker--old").replica(name)).into();
    eventually("an old one leads", || old.iter().any(leads));
    let new: Vec<Worker> = ["new-a", "new-b"].map(|name| revision("worker--new").replica(name)).into();
    for worker in &new {
        eventually("a new one is ready, though it does not lead", || worker.get("/readyz").0 == 200);
        assert!(!leads(worker), "nothing was taken from the old revision");
    }
    assert!(old.iter().any(leads));

    // The platform stops the replicas of the old revision in any order, or at once.
    old.iter().for_each(|worker| worker.signal(Signal::SIGTERM));
    eventually("a new one leads", || new.iter().any(leads));
    let mut terms = Vec::new();
    for (end, log, _) in old.into_iter().map(Worker::ended) {
        assert!(end.success(), "{end}");
        terms.extend(
            log.iter().filter(|line| line["event"] == "elected").filter_map(|line| line["fencing_token"].as_u64()),
        );
    }
    let leader = new.iter().find(|worker| leads(worker)).expect("still");
    let token = leader.status()["leader"]["fencing_token"].as_u64().unwrap();
    assert!(terms.iter().all(|old| *old < token), "the new term is the highest: {terms:?} and {token}");
    assert_eq!(new.iter().filter(|worker| leads(worker)).count(), 1);
}

fn leads(worker: &Worker) -> bool {
    worker.status()["worker"]["role"] == "leading"
}

fn steps(worker: &Worker) -> u64 {
    worker.status()["checkpoint"]["steps"].as_u64().unwrap_or_default()
}
