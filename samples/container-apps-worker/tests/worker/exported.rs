//! Metrics and traces, as a collector receives them.

use nix::sys::signal::Signal;

use crate::collector::Collector;
use crate::rig::{Environment, azurite, eventually};

#[test]
fn a_collector_receives_the_worker_s_metrics_and_traces_the_last_ones_when_it_ends() {
    let collector = Collector::start();
    let worker = Environment::on(azurite())
        .with("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint())
        .with("OTEL_METRIC_EXPORT_INTERVAL", "500")
        .with("CONTAINER_APP_NAME", "worker")
        .replica("exporting");
    worker.wait_for("elected");
    eventually("steps are counted", || collector.points("worker.steps").iter().any(|point| point.value >= 1.0));
    let point = collector.points("worker.steps").pop().unwrap();
    assert_eq!((point.service.as_str(), point.instance.as_str()), ("worker", "exporting"));

    let before = worker.status()["checkpoint"]["steps"].as_u64().unwrap();
    worker.signal(Signal::SIGTERM);
    assert!(worker.ended().0.success());
    // Traces go in batches, and these were too few for one: they came with the end.
    let spans = collector.spans("step");
    assert!(spans.len() as u64 >= before, "{spans:?}");
    assert!(spans.iter().all(|span| span.instance == "exporting"), "{spans:?}");
    println!("metrics received: {}", collector.names().join(", "));
}

#[test]
fn without_a_collector_nothing_is_exported_and_one_that_is_gone_keeps_nobody() {
    let quiet = Environment::on(azurite()).replica("quiet");
    quiet.wait_for("leading");
    quiet.signal(Signal::SIGTERM);
    let (end, log, _) = quiet.ended();
    assert!(end.success());
    assert!(!log.iter().any(|line| line["event"] == "telemetry"), "{log:?}");

    let gone = Environment::on(azurite()).with("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9").replica("gone");
    gone.wait_for("leading");
    gone.signal(Signal::SIGTERM);
    let (end, log, _) = gone.ended();
    assert!(end.success(), "{end}");
    assert!(log.iter().any(|line| line["event"] == "ended"), "{log:?}");
}
