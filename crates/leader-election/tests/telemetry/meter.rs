//! A meter provider whose metrics can be looked at.

use std::collections::BTreeMap;
use std::sync::{Mutex, OnceLock, PoisonError};

use opentelemetry_sdk::metrics::data::{AggregatedMetrics, MetricData};
use opentelemetry_sdk::metrics::{InMemoryMetricExporter, SdkMeterProvider};

/// One series of a metric.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// Without the prefix `leader_election.`, and without election and holder.
    pub attributes: BTreeMap<String, String>,
    /// A gauge's or a counter's value; how many values a histogram has.
    pub value: f64,
    /// The sum of a histogram's values.
    pub sum: f64,
}

/// The process's provider; the tests share it, and tell their workers apart by the holder.
fn provider() -> &'static (SdkMeterProvider, InMemoryMetricExporter) {
    static PROVIDER: OnceLock<(SdkMeterProvider, InMemoryMetricExporter)> = OnceLock::new();
    PROVIDER.get_or_init(|| {
        let exporter = InMemoryMetricExporter::default();
        let provider = SdkMeterProvider::builder().with_periodic_exporter(exporter.clone()).build();
        opentelemetry::global::set_meter_provider(provider.clone());
        (provider, exporter)
    })
}

pub fn install() {
    provider();
}

/// The metric `leader_election.<name>` of that holder, as it is now; without one, what bears no holder.
pub fn read(name: &str, holder: Option<&str>) -> Vec<Series> {
    let (provider, exporter) = provider();
    // One collects at a time, or another test's would be taken for the latest.
    static COLLECTING: Mutex<()> = Mutex::new(());
    let _alone = COLLECTING.lock().unwrap_or_else(PoisonError::into_inner);
    // A collection without any metric exports nothing, and the one before would be taken for it.
    exporter.reset();
    provider.force_flush().expect("collected");
    let batches = exporter.get_finished_metrics().expect("kept");
    let metrics = batches.last().into_iter().flat_map(|latest| latest.scope_metrics());
    let metrics = metrics.filter(|scope| scope.scope().name() == "leader-election");
    let wanted = format!("leader_election.{name}");
    let named = metrics.flat_map(|scope| scope.metrics()).filter(|metric| metric.name() == wanted);
    let series = named.flat_map(|metric| series(metric.data()));
    let of_holder = series.filter(|(found, _)| found.as_deref() == holder);
    of_holder.map(|(_, series)| series).collect()
}

/// The one series of this metric with this attribute.
#[track_caller]
pub fn one(name: &str, holder: &str, attributes: &[(&str, &str)]) -> Series {
    let mut found: Vec<_> = read(name, Some(holder))
        .into_iter()
        .filter(|series| attributes.iter().all(|(key, value)| series.attributes.get(*key).is_some_and(|v| v == value)))
        .collect();
    assert_eq!(found.len(), 1, "{name} {attributes:?}: {:?}", read(name, Some(holder)));
    found.remove(0)
}

fn series(data: &AggregatedMetrics) -> Vec<(Option<String>, Series)> {
    let point = |attributes: Vec<(String, String)>, value: f64, sum: f64| {
        let holder = attributes.iter().find(|(key, _)| key == "leader_election.holder").map(|(_, value)| value.clone());
        let own = ["leader_election.holder", "leader_election.election"];
        let rest = attributes.into_iter().filter(|(key, _)| !own.contains(&key.as_str()));
        let attributes =
            rest.map(|(key, value)| (key.trim_start_matches("leader_election.").to_owned(), value)).collect();
        (holder, Series { attributes, value, sum })
    };
    macro_rules! attributes {
        ($point:expr) => {
            $point.attributes().map(|pair| (pair.key.to_string(), pair.value.to_string())).collect()
        };
    }
    match data {
        AggregatedMetrics::U64(MetricData::Gauge(gauge)) => {
            gauge.data_points().map(|p| point(attributes!(p), p.value() as f64, 0.0)).collect()
        }
        AggregatedMetrics::F64(MetricData::Gauge(gauge)) => {
            gauge.data_points().map(|p| point(attributes!(p), p.value(), 0.0)).collect()
        }
        AggregatedMetrics::U64(MetricData::Sum(sum)) => {
            sum.data_points().map(|p| point(attributes!(p), p.value() as f64, 0.0)).collect()
        }
        AggregatedMetrics::F64(MetricData::Histogram(histogram)) => {
            histogram.data_points().map(|p| point(attributes!(p), p.count() as f64, p.sum())).collect()
        }
        other => panic!("no such metric: {other:?}"),
    }
}
