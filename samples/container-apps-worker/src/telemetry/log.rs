//! The log: one JSON object a line, on standard output.

use std::time::Duration;

use tracing::Subscriber;
use tracing_appender::non_blocking::WorkerGuard;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{EnvFilter, FilterExt, LevelFilter, Targets};
use tracing_subscriber::layer::Filter;
use tracing_subscriber::registry::LookupSpan;

use super::lines::{self, Lines};

/// How long the end of the process waits for a reader that is slow, or that reads no longer.
const LAST_LINES_LIMIT: Duration = Duration::from_secs(1);

/// To be kept until the last line.
pub struct Log {
    lines: Lines,
    guard: WorkerGuard,
}

impl Log {
    /// Waits until all lines are written, but not for a reader that does not read.
    pub fn finish(self) {
        if self.lines.are_written_within(LAST_LINES_LIMIT) {
            drop(self.guard);
        } else {
            // Dropped with its buffer full, it would print that to standard output, and wait there for ever.
            std::mem::forget(self.guard);
        }
    }
}

pub fn standard_output<S: Subscriber + for<'a> LookupSpan<'a>>() -> (impl Layer<S>, Log) {
    let (lines, guard) = lines::to(std::io::stdout());
    let rust_log = std::env::var("RUST_LOG").ok();
    let layer = tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false)
        .with_writer(lines.clone())
        .with_filter(filter(rust_log.as_deref()));
    (layer, Log { lines, guard })
}

/// What `RUST_LOG` asks for, and always what the alerts of `infra/` look for: without those lines a healthy worker would count
/// as none. The library says who is elected, this worker each minute that it leads, and everybody what is wrong.
fn filter<S: Subscriber>(rust_log: Option<&str>) -> impl Filter<S> + use<S> {
    let usual = concat!("warn,leader_election=info,", env!("CARGO_CRATE_NAME"), "=info");
    let asked_for = rust_log.filter(|text| !text.trim().is_empty()).and_then(|text| EnvFilter::try_new(text).ok());
    let alerted_on = Targets::new()
        .with_target("leader_election", LevelFilter::WARN)
        .with_target(env!("CARGO_CRATE_NAME"), LevelFilter::INFO);
    asked_for.unwrap_or_else(|| EnvFilter::new(usual)).or(alerted_on)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Seek};
    use std::sync::Arc;

    use tracing::{debug, error, info, warn};
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    /// The names of those events that are logged.
    fn logged(rust_log: Option<&str>) -> Vec<String> {
        let written = Arc::new(tempfile::tempfile().unwrap());
        let layer = tracing_subscriber::fmt::layer().json().flatten_event(true).with_writer(Arc::clone(&written));
        let registry = tracing_subscriber::registry().with(layer.with_filter(filter(rust_log)));
        tracing::subscriber::with_default(registry, || {
            info!(target: "container_apps_worker::work", event = "leading");
            debug!(target: "container_apps_worker::work", event = "detail");
            warn!(target: "leader_election", event = "ended");
            info!(target: "leader_election", event = "elected");
            error!(target: "hyper", event = "broken");
            debug!(target: "hyper", event = "header");
        });
        let (mut written, mut text) = (written.as_ref(), String::new());
        written.rewind().unwrap();
        written.read_to_string(&mut text).unwrap();
        let lines = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        lines.filter_map(|line| line["event"].as_str().map(str::to_owned)).collect()
    }

    #[test]
    fn whatever_is_asked_for_the_lines_that_alerts_need_are_logged() {
        for rust_log in ["off", "error,hyper=off", "container_apps_worker=off,leader_election=off", "other=trace"] {
            assert_eq!(logged(Some(rust_log)), ["leading", "ended"], "{rust_log}");
        }
        assert_eq!(logged(Some("warn")), ["leading", "ended", "broken"]);
    }

    #[test]
    fn more_can_be_asked_for() {
        assert_eq!(logged(Some("off,container_apps_worker=debug")), ["leading", "detail", "ended"]);
        assert_eq!(logged(Some("debug")), ["leading", "detail", "ended", "elected", "broken", "header"]);
    }

    #[test]
    fn by_default_who_is_elected_and_what_is_wrong_is_logged() {
        for rust_log in [None, Some(""), Some(" "), Some("hyper=loud")] {
            assert_eq!(logged(rust_log), ["leading", "ended", "elected", "broken"], "{rust_log:?}");
        }
    }
}
