//! An OpenTelemetry collector that keeps what it gets.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::routing::post;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::{NumberDataPoint, metric, number_data_point};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message;
use tokio::net::TcpListener;

use crate::rig::runtime;

/// Listens until the test process ends.
#[derive(Clone)]
pub struct Collector {
    port: u16,
    received: Arc<Received>,
}

#[derive(Default)]
struct Received {
    metrics: Mutex<Vec<ExportMetricsServiceRequest>>,
    traces: Mutex<Vec<ExportTraceServiceRequest>>,
}

/// A number that was received, in the order of arrival.
#[derive(Debug, Clone)]
pub struct Point {
    pub service: String,
    pub instance: String,
    pub attributes: Vec<(String, String)>,
    pub value: f64,
}

#[derive(Debug, Clone)]
pub struct Span {
    pub instance: String,
    pub attributes: Vec<(String, String)>,
    pub links: usize,
}

impl Collector {
    pub fn start() -> Self {
        let received = Arc::<Received>::default();
        let router = Router::new()
            .route("/v1/metrics", post(metrics))
            .route("/v1/traces", post(traces))
            .with_state(Arc::clone(&received));
        let listener = runtime().block_on(TcpListener::bind("127.0.0.1:0")).expect("a port");
        let port = listener.local_addr().expect("an address").port();
        runtime().spawn(async move { axum::serve(listener, router).await });
        Self { port, received }
    }

    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// All points of the gauge or counter of that name.
    pub fn points(&self, name: &str) -> Vec<Point> {
        let requests = self.received.metrics.lock().expect("not poisoned");
        let resources = requests.iter().flat_map(|request| &request.resource_metrics);
        resources
            .flat_map(|resource| {
                let who = resource.resource.clone().unwrap_or_default();
                let metrics = resource.scope_metrics.iter().flat_map(|scope| &scope.metrics);
                let data = metrics.filter(|metric| metric.name == name).filter_map(|metric| metric.data.as_ref());
                data.flat_map(numbers).map(move |point| Point::of(&who, point)).collect::<Vec<_>>()
            })
            .collect()
    }

    /// The names of all metrics.
    pub fn names(&self) -> Vec<String> {
        let requests = self.received.metrics.lock().expect("not poisoned");
        let resources = requests.iter().flat_map(|request| &request.resource_metrics);
        let metrics = resources.flat_map(|resource| &resource.scope_metrics).flat_map(|scope| &scope.metrics);
        let mut names: Vec<_> = metrics.map(|metric| metric.name.clone()).collect();
        names.sort();
        names.dedup();
        names
    }

    pub fn spans(&self, name: &str) -> Vec<Span> {
        let requests = self.received.traces.lock().expect("not poisoned");
        let resources = requests.iter().flat_map(|request| &request.resource_spans);
        resources
            .flat_map(|resource| {
                let instance = text(&resource.resource.clone().unwrap_or_default().attributes, "service.instance.id");
                let spans = resource.scope_spans.iter().flat_map(|scope| &scope.spans);
                spans
                    .filter(|span| span.name == name)
                    .map(|span| Span {
                        instance: instance.clone(),
                        attributes: pairs(&span.attributes),
                        links: span.links.len(),
                    })
                    .collect::<Vec<_>>()
            })
            .collect()
    }
}

impl Point {
    fn of(who: &Resource, point: &NumberDataPoint) -> Self {
        #[allow(clippy::cast_precision_loss)]
        let value = match point.value {
            Some(number_data_point::Value::AsDouble(value)) => value,
            Some(number_data_point::Value::AsInt(value)) => value as f64,
            None => f64::NAN,
        };
        Self {
            service: text(&who.attributes, "service.name"),
            instance: text(&who.attributes, "service.instance.id"),
            attributes: pairs(&point.attributes),
            value,
        }
    }
}

async fn metrics(State(received): State<Arc<Received>>, body: Bytes) {
    let request = ExportMetricsServiceRequest::decode(body).expect("protobuf");
    received.metrics.lock().expect("not poisoned").push(request);
}

async fn traces(State(received): State<Arc<Received>>, body: Bytes) {
    let request = ExportTraceServiceRequest::decode(body).expect("protobuf");
    received.traces.lock().expect("not poisoned").push(request);
}

fn numbers(data: &metric::Data) -> &[NumberDataPoint] {
    match data {
        metric::Data::Gauge(gauge) => &gauge.data_points,
        metric::Data::Sum(sum) => &sum.data_points,
        _ => &[],
    }
}

pub fn pairs(attributes: &[KeyValue]) -> Vec<(String, String)> {
    attributes
        .iter()
        .map(|attribute| {
            let value = attribute.value.as_ref().and_then(|value| value.value.as_ref());
            let value = match value {
                Some(any_value::Value::StringValue(text)) => text.clone(),
                Some(any_value::Value::IntValue(number)) => number.to_string(),
                other => format!("{other:?}"),
            };
            (attribute.key.clone(), value)
        })
        .collect()
}

fn text(attributes: &[KeyValue], key: &str) -> String {
    pairs(attributes).into_iter().find(|(name, _)| name == key).map(|(_, value)| value).unwrap_or_default()
}
