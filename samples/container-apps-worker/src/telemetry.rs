//! Log lines in JSON on standard output; traces and metrics by OTLP, if an endpoint is set.

mod lines;
mod log;

use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{ExporterBuildError, MetricExporter, SpanExporter};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::{Subscriber, info, warn};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::Config;

pub use log::Log;

/// What is left of the grace period belongs to nobody else, but a collector that hangs must not keep the worker.
const FLUSH_LIMIT: Duration = Duration::from_secs(5);

/// Sends what is left when it is shut down.
#[derive(Default)]
pub struct Telemetry {
    metrics: Option<SdkMeterProvider>,
    traces: Option<SdkTracerProvider>,
}

impl Telemetry {
    /// To be called before the host runs: the library takes the global meter when it does. The log is to be finished last of
    /// all, as the end of the rest is told in it.
    ///
    /// The SDK reads its own variables: `OTEL_EXPORTER_OTLP_ENDPOINT`, `OTEL_METRIC_EXPORT_INTERVAL`, `OTEL_RESOURCE_ATTRIBUTES`
    /// and so on.
    pub fn start(config: &Config) -> (Self, Log) {
        let (layer, log) = log::standard_output();
        let registry = tracing_subscriber::registry().with(layer);
        if !is_wanted() {
            registry.init();
            return (Self::default(), log);
        }
        if asks_for_grpc() {
            registry.init();
            warn!(
                event = "telemetry",
                "OTLP goes by HTTP alone, and gRPC is asked for: no traces and metrics are exported"
            );
            return (Self::default(), log);
        }
        match Self::exporting(config) {
            Ok(telemetry) => {
                registry.with(telemetry.traces.as_ref().map(spans)).init();
                info!(event = "telemetry", "traces and metrics are exported by OTLP");
                (telemetry, log)
            }
            // A worker that leads unseen is better than none.
            Err(error) => {
                registry.init();
                warn!(event = "telemetry", %error, "no traces and metrics are exported");
                (Self::default(), log)
            }
        }
    }

    fn exporting(config: &Config) -> Result<Self, ExporterBuildError> {
        let resource = resource(config);
        let exporter = MetricExporter::builder().with_http().build()?;
        let metrics =
            SdkMeterProvider::builder().with_periodic_exporter(exporter).with_resource(resource.clone()).build();
        let exporter = SpanExporter::builder().with_http().build()?;
        let traces = SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource).build();
        opentelemetry::global::set_meter_provider(metrics.clone());
        Ok(Self { metrics: Some(metrics), traces: Some(traces) })
    }

    /// Sends what was not sent yet, in a few seconds at most.
    pub async fn shut_down(self) {
        // It blocks until the collector has answered.
        let flushed = tokio::task::spawn_blocking(move || {
            let metrics = self.metrics.map(|metrics| metrics.shutdown_with_timeout(FLUSH_LIMIT));
            let traces = self.traces.map(|traces| traces.shutdown_with_timeout(FLUSH_LIMIT));
            for error in [metrics, traces].into_iter().flatten().filter_map(Result::err) {
                warn!(event = "telemetry", %error, "the last traces and metrics may be lost");
            }
        });
        if tokio::time::timeout(2 * FLUSH_LIMIT, flushed).await.is_err() {
            warn!(event = "telemetry", "the collector does not answer: the last traces and metrics are lost");
        }
    }
}

/// The SDK alone would send to localhost where nothing is set.
fn is_wanted() -> bool {
    let set = |name: &str| std::env::var(name).is_ok_and(|value| !value.is_empty());
    let disabled = std::env::var("OTEL_SDK_DISABLED").is_ok_and(|value| value.eq_ignore_ascii_case("true"));
    let variables =
        ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"];
    !disabled && variables.into_iter().any(set)
}

/// The managed agent of a Container Apps environment speaks nothing else. Sent to it by HTTP all would be lost.
fn asks_for_grpc() -> bool {
    std::env::var("OTEL_EXPORTER_OTLP_PROTOCOL").is_ok_and(|protocol| protocol.eq_ignore_ascii_case("grpc"))
}

/// Who sends: `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES`, and the replica.
fn resource(config: &Config) -> Resource {
    let name = std::env::var("OTEL_SERVICE_NAME").or_else(|_| std::env::var("CONTAINER_APP_NAME"));
    let version = config.revision.clone().unwrap_or_else(|| env!("CARGO_PKG_VERSION").to_owned());
    Resource::builder()
        .with_service_name(name.unwrap_or_else(|_| env!("CARGO_PKG_NAME").to_owned()))
        .with_attributes([
            KeyValue::new("service.instance.id", config.holder.to_string()),
            KeyValue::new("service.version", version),
        ])
        .build()
}

/// This worker's spans and the library's, and none of those of the HTTP client that exports them.
fn spans<S: Subscriber + for<'a> LookupSpan<'a>>(provider: &SdkTracerProvider) -> impl Layer<S> + use<S> {
    let ours = Targets::new()
        .with_target("leader_election", LevelFilter::INFO)
        .with_target(env!("CARGO_CRATE_NAME"), LevelFilter::INFO);
    tracing_opentelemetry::layer().with_tracer(provider.tracer(env!("CARGO_PKG_NAME"))).with_filter(ours)
}
