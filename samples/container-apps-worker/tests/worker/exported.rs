//! Metrics and traces, as a collector receives them.

use std::process::ExitStatus;

use nix::sys::signal::Signal;

use serde_json::Value;

use crate::collector::{Collector, Point};
use crate::rig::{Environment, azurite, eventually};

#[test]
fn a_collector_receives_who_leads_and_the_last_figures_come_when_the_worker_ends() {
    let collector = Collector::start();
    let worker = Environment::on(azurite())
        .with("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint())
        .with("OTEL_METRIC_EXPORT_INTERVAL", "500")
        .with("CONTAINER_APP_NAME", "worker")
        .replica("exporting");
    let (_, elected) = worker.wait_for("elected");
    let is = |name: &str, wanted: f64| collector.points(name).iter().any(|point| (point.value - wanted).abs() < 0.5);
    eventually("it is told that it leads", || is("leader_election.is_leader", 1.0));
    eventually("its term is told", || collector.points("leader_election.term").len() > 1);
    eventually("steps are counted", || collector.points("worker.steps").iter().any(|point| point.value >= 1.0));

    let leads = collector.points("leader_election.is_leader").pop().unwrap();
    assert_eq!((leads.service.as_str(), leads.instance.as_str()), ("worker", "exporting"));
    for (name, value) in [("leader_election.election", "nightly"), ("leader_election.holder", "exporting")] {
        assert!(leads.attributes.contains(&(name.to_owned(), value.to_owned())), "{leads:?}");
    }
    let token = elected["fencing_token"].as_u64().unwrap().to_string();
    let term = collector.points("leader_election.term").pop().unwrap();
    assert_eq!(format!("{:.0}", term.value), token);
    let validity = collector.points("leader_election.validity.remaining").pop().unwrap();
    assert!((0.0..=15.0).contains(&validity.value), "{validity:?}");

    let done = worker.status()["checkpoint"]["steps"].as_u64().unwrap();
    worker.signal(Signal::SIGTERM);
    assert!(worker.ended().0.success());
    let last = collector.points("leader_election.is_leader").pop().unwrap();
    assert!(last.value < 0.5, "it no longer leads: {last:?}");
    let ended =
        |point: &Point| point.attributes.contains(&("leader_election.transition".to_owned(), "ended".to_owned()));
    assert!(collector.points("leader_election.transitions").iter().any(ended), "its end is counted");
    // Traces go in batches, and these were too few for one: they came with the end.
    let steps = collector.spans("step");
    assert!(steps.len() as u64 >= done, "{steps:?}");
    assert!(steps.iter().all(|step| step.instance == "exporting" && step.links == 1), "{steps:?}");
    let leadership = collector.spans("leadership").pop().expect("a span around the term");
    assert!(leadership.attributes.contains(&("fencing_token".to_owned(), token)), "{leadership:?}");
    println!("metrics received: {}", collector.names().join(", "));
}

#[test]
fn without_a_collector_nothing_is_exported_and_nothing_said_of_it() {
    let (end, log) =
        led_and_ended(Environment::on(azurite()).with("APPLICATIONINSIGHTS_CONNECTION_STRING", "InstrumentationKey=x"));
    assert!(end.success());
    assert!(!log.iter().any(|line| line["event"] == "telemetry"), "{log:?}");
}

#[test]
fn a_collector_that_is_gone_keeps_no_worker_from_leading_or_from_ending() {
    let (end, log) =
        led_and_ended(Environment::on(azurite()).with("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9"));
    assert!(end.success(), "{end}");
    assert!(log.iter().any(|line| line["event"] == "ended"), "{log:?}");
}

#[test]
fn a_collector_that_speaks_grpc_alone_gets_nothing_and_the_log_says_so() {
    let collector = Collector::start();
    let environment = Environment::on(azurite())
        .with("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint())
        .with("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc");
    let (end, log) = led_and_ended(environment);
    assert!(end.success());
    let said = log.iter().find(|line| line["event"] == "telemetry").expect("it is said");
    assert!(said["message"].as_str().unwrap().contains("gRPC"), "{said}");
    assert!(collector.names().is_empty());
}

fn led_and_ended(environment: Environment) -> (ExitStatus, Vec<Value>) {
    let worker = environment.replica("alone");
    worker.wait_for("leading");
    worker.signal(Signal::SIGTERM);
    let (end, log, _) = worker.ended();
    (end, log)
}
