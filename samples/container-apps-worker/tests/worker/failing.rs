//! A leader that cannot do its work.

use azure_core::http::RequestContent;
use nix::sys::signal::Signal;

use crate::rig::{Environment, azurite, eventually, runtime};
use testbed::{names, operator};

#[test]
fn a_leader_says_that_it_leads_only_once_it_can_work() {
    let state = names::unique("state");
    let container = operator::container_client(azurite(), &state);
    let checkpoint = container.blob_client("nightly.json");
    runtime().block_on(async {
        container.create(None).await.expect("created");
        checkpoint.upload(RequestContent::from(b"{}".to_vec()), None).await.expect("written");
    });
    let worker =
        Environment::on(azurite()).with("LEADER_STATE_URL", azurite().container_url(&state)).replica("failing");
    let (_, ended) = worker.wait_for("ended");
    // What the alert on failed tasks looks for.
    assert_eq!((&ended["outcome"], &ended["level"]), (&"failed".into(), &"WARN".into()), "{ended}");
    assert!(ended["detail"].as_str().unwrap().contains("it was written without a fence"), "{ended}");
    let failed = ended["fencing_token"].as_u64();

    runtime().block_on(checkpoint.delete(None)).expect("deleted");
    let (_, leading) = worker.wait_for("leading");
    assert!(leading["fencing_token"].as_u64() > failed, "of a later term: {leading}");
    eventually("it works", || worker.status()["checkpoint"]["steps"].as_u64() >= Some(1));
    worker.signal(Signal::SIGTERM);
    let (end, log, _) = worker.ended();
    assert!(end.success(), "{end}");
    let first = |event: &str| log.iter().position(|line| line["event"] == event).expect("it is logged");
    assert!(first("elected") < first("ended"));
    assert!(first("ended") < first("took_over") && first("took_over") < first("leading"), "{log:#?}");
}
