//! The same worker on Cosmos DB, by Microsoft's emulator of it.

use std::time::Instant;

use nix::sys::signal::Signal;

use crate::rig::{Environment, eventually};
use testbed::cosmos::{Emulator, EmulatorOptions};

/// With a lease short enough to wait for its end.
pub fn on(emulator: &Emulator) -> Environment {
    let endpoint = emulator.endpoint();
    let endpoint = endpoint.trim_end_matches('/');
    // As the deployment makes it; the worker creates the container of the lease on an emulator alone.
    emulator.create_partitioned("workers", "state", &["/partition"]);
    Environment::empty()
        .with("LEADER_STORE_URL", format!("cosmos+{endpoint}/dbs/workers/colls/leases"))
        .with("LEADER_STATE_URL", format!("{endpoint}/dbs/workers/colls/state"))
        .with("LEADER_ELECTION", "nightly")
        .with("LEADER_LEASE_SECONDS", "3")
        .with("WORKER_STEP_SECONDS", "1")
        .with("COSMOS_EMULATOR_KEY", emulator.key())
        // Its client looks for Azure's metadata service otherwise.
        .with("COSMOS_DISABLE_IMDS", "1")
}

#[test]
fn on_cosmos_db_a_killed_leader_is_replaced_and_the_work_goes_on_where_it_was() {
    let emulator = Emulator::start(EmulatorOptions::default());
    let environment = on(&emulator);
    let leader = environment.clone().replica("first");
    leader.wait_for("leading");
    let standby = environment.replica("second");
    eventually("the standby sees the leader", || standby.status()["leader"]["holder"] == "first");
    eventually("some steps are done", || leader.status()["checkpoint"]["steps"].as_u64() >= Some(2));
    assert_eq!(standby.get("/readyz").0, 200);

    let killed_at = Instant::now();
    leader.signal(Signal::SIGKILL);
    let (elected_at, elected) = standby.wait_for("elected");
    println!(
        "takeover after SIGKILL: {:.2} s, with a lease of 3 s on Cosmos DB",
        (elected_at - killed_at).as_secs_f64()
    );
    let (_, took_over) = standby.wait_for("took_over");
    let left = took_over["steps"].as_u64().unwrap();
    assert!(left >= 2, "the work goes on where the last leader left it: {took_over}");
    eventually("the work goes on", || standby.status()["checkpoint"]["steps"].as_u64() > Some(left));
    let written = emulator.document_of("nightly", "workers", "state", "checkpoint").expect("a checkpoint");
    assert_eq!((&written["holder"], &written["fencing_token"]), (&"second".into(), &elected["fencing_token"]));
}

#[test]
fn an_outage_of_the_store_takes_the_lead_but_restarts_nobody_and_ends_by_itself() {
    let emulator = Emulator::start(EmulatorOptions::default());
    let worker = on(&emulator).replica("alone");
    worker.wait_for("took_over");
    eventually("it is ready", || worker.get("/readyz").0 == 200);
    let token = worker.status()["leader"]["fencing_token"].as_u64().unwrap();

    emulator.hang();
    let (_, ended) = worker.wait_for("ended");
    assert_eq!(ended["reason"], "renewal_timed_out");
    eventually("it says what is wrong", || worker.get("/healthz").1.starts_with("alive, but no request to the store"));
    assert_eq!(worker.get("/healthz").0, 200);
    assert_eq!(worker.get("/readyz").0, 200, "its page can be reached");
    assert!(worker.get("/").1.contains("no request to the store has succeeded"));

    emulator.go_on();
    eventually("it leads again", || worker.status()["leader"]["fencing_token"].as_u64() > Some(token));
    eventually("it is well", || worker.get("/healthz") == (200, "alive\n".to_owned()));
}
