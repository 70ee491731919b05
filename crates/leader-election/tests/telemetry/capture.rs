//! Keeps what is written to `tracing`, with the spans that it stands in.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;

/// A span's or an event's fields.
pub type Fields = BTreeMap<&'static str, String>;

#[derive(Debug, Clone)]
pub struct Line {
    pub level: Level,
    pub target: String,
    pub fields: Fields,
    /// Outermost first.
    pub spans: Vec<(&'static str, Fields)>,
}

/// All lines of this thread from now on.
#[derive(Debug, Clone, Default)]
pub struct Capture(Arc<Mutex<Vec<Line>>>);

impl Capture {
    /// Ends when the guard is dropped.
    pub fn begin() -> (Self, tracing::subscriber::DefaultGuard) {
        // Before the first host of this process runs, which makes the gauges.
        crate::meter::install();
        let capture = Self::default();
        let subscriber = tracing_subscriber::registry().with(capture.clone());
        (capture, tracing::subscriber::set_default(subscriber))
    }

    /// Those of the crate.
    pub fn lines(&self) -> Vec<Line> {
        self.0.lock().unwrap().iter().filter(|line| line.target == "leader_election").cloned().collect()
    }

    pub fn all(&self) -> Vec<Line> {
        self.0.lock().unwrap().clone()
    }

    /// The one of this name, by the field `event`.
    #[track_caller]
    pub fn event(&self, name: &str) -> Line {
        let mut named: Vec<_> = self.lines().into_iter().filter(|line| line.is(name)).collect();
        assert_eq!(named.len(), 1, "{name}: {:?}", self.lines());
        named.remove(0)
    }

    pub fn count(&self, name: &str) -> usize {
        self.lines().iter().filter(|line| line.is(name)).count()
    }
}

impl Line {
    pub fn is(&self, name: &str) -> bool {
        self.fields.get("event").is_some_and(|event| event == name)
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Capture {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Fields::new();
        attributes.record(&mut Reader(&mut fields));
        context.span(id).unwrap().extensions_mut().insert(fields);
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let span = context.span(&id).unwrap();
        let fields = Fields::from([("event", "span closed".to_owned()), ("span", span.name().to_owned())]);
        let (level, target) = (*span.metadata().level(), span.metadata().target().to_owned());
        self.0.lock().unwrap().push(Line { level, target, fields, spans: vec![] });
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::new();
        event.record(&mut Reader(&mut fields));
        let scope = context.event_scope(event).into_iter().flat_map(|scope| scope.from_root());
        let spans = scope.map(|span| (span.name(), span.extensions().get::<Fields>().unwrap().clone())).collect();
        let (level, target) = (*event.metadata().level(), event.metadata().target().to_owned());
        self.0.lock().unwrap().push(Line { level, target, fields, spans });
    }
}

struct Reader<'a>(&'a mut Fields);

impl Visit for Reader<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }
}
