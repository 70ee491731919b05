//! What the platform and people ask a worker.

use nix::sys::signal::Signal;

use crate::rig::{Environment, azurite, eventually, runtime};
use testbed::azurite::{Azurite, AzuriteOptions};

#[test]
fn a_leader_is_alive_and_ready_and_its_page_and_log_say_that_it_leads() {
    let worker =
        Environment::on(azurite()).with("CONTAINER_APP_REVISION", "worker--abc123").replica("worker--abc123-0");
    let (_, elected) = worker.wait_for("elected");
    let (_, leading) = worker.wait_for("leading");
    for line in [&elected, &leading] {
        assert_eq!((&line["election"], &line["holder"]), (&"nightly".into(), &"worker--abc123-0".into()), "{line}");
        assert!(line["fencing_token"].is_u64(), "{line}");
    }
    let token = leading["fencing_token"].as_u64().unwrap();
    assert_eq!(elected["fencing_token"], token);

    assert_eq!(worker.get("/healthz"), (200, "alive\n".to_owned()));
    eventually("it is ready", || worker.get("/readyz") == (200, "contending\n".to_owned()));
    eventually("it has done a step", || worker.status()["checkpoint"]["steps"].as_u64() >= Some(1));
    let status = worker.status();
    assert_eq!(status["leader"]["holder"], "worker--abc123-0");
    assert_eq!(status["leader"]["fencing_token"], token);
    assert_eq!(status["worker"]["role"], "leading");
    let valid = status["leader"]["valid_for_ms"].as_u64().unwrap();
    assert!((1..=15_000).contains(&valid), "a part of the lease: {status}");

    let (code, page) = worker.get("/");
    assert_eq!(code, 200);
    for part in ["This worker leads", "worker--abc123", &token.to_string(), "Elected", "nightly"] {
        assert!(page.contains(part), "no {part:?} in {page}");
    }

    worker.signal(Signal::SIGTERM);
    let (end, log, stderr) = worker.ended();
    assert!(end.success(), "{end}");
    assert_eq!(stderr, "");
    let ended = log.iter().find(|line| line["event"] == "ended").expect("its end is told");
    assert_eq!((&ended["fencing_token"], &ended["reason"]), (&token.into(), &"shutdown".into()));
    for line in &log {
        assert!(line["timestamp"].is_string() && line["level"].is_string() && line["message"].is_string(), "{line}");
    }
    assert_that_no_secret_is_in(&format!("{log:?} {page} {status}"));
}

#[test]
fn a_standby_is_ready_and_its_page_names_the_leader() {
    let environment = Environment::on(azurite());
    let leader = environment.clone().replica("first");
    let (_, elected) = leader.wait_for("elected");
    let standby = environment.replica("second");
    eventually("it sees the leader", || standby.status()["leader"]["holder"] == "first");
    let status = standby.status();
    assert_eq!(status["worker"]["role"], "standby");
    assert_eq!(status["leader"]["fencing_token"], elected["fencing_token"]);
    assert_eq!(standby.get("/readyz").0, 200);
    let page = standby.get("/").1;
    assert!(page.contains("first leads"), "{page}");
}

#[test]
fn a_worker_whose_store_is_out_of_reach_is_alive_but_not_ready() {
    // A port of this machine that nobody listens on: reserved, and given back at once.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("http://127.0.0.1:{port}/devstoreaccount1/leases");
    let worker = Environment::on(azurite()).with("LEADER_STORE_URL", url).replica("alone");
    eventually("the page tells of the failure", || worker.get("/").1.contains("Request to acquire failed"));
    assert_eq!(worker.get("/readyz"), (503, "the store has not answered yet\n".to_owned()));
    assert_eq!(worker.get("/healthz").0, 200, "a restart would mend nothing");
}

#[test]
fn a_worker_that_was_told_to_end_stays_alive_and_is_not_ready_until_its_lease_is_released() {
    let own = runtime().block_on(Azurite::start(AzuriteOptions::default()));
    let worker = Environment::on(&own).replica("leader");
    worker.wait_for("leading");
    eventually("it is ready", || worker.get("/readyz").0 == 200);
    // The release hangs, and what is left of the grace period is spent on repeating it.
    own.pause();
    worker.signal(Signal::SIGTERM);
    worker.wait_for("told_to_end");
    eventually("it is not ready", || worker.get("/readyz") == (503, "told to end\n".to_owned()));
    assert_eq!(worker.get("/healthz").0, 200);
    assert_eq!(worker.status()["worker"]["role"], "draining");
    own.resume();
    assert!(worker.ended().0.success());
}

#[test]
fn the_page_may_load_and_run_nothing_but_its_own_files() {
    let worker = Environment::on(azurite()).replica("page");
    let answer = runtime().block_on(reqwest::get(worker.url("/"))).unwrap();
    let policy = answer.headers()["content-security-policy"].to_str().unwrap();
    assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    for path in ["/page.css", "/page.js"] {
        assert_eq!(worker.get(path).0, 200, "{path}");
    }
    assert_eq!(worker.get("/elsewhere").0, 404);
}

fn assert_that_no_secret_is_in(text: &str) {
    for secret in ["sig=", "Eby8vdM02x", "SharedKey"] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
}
