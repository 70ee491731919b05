//! The log: one JSON object a line, on standard output.

use std::time::Duration;

use tracing::Subscriber;
use tracing_appender::non_blocking::WorkerGuard;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::EnvFilter;
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
    let layer = tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false)
        .with_writer(lines.clone())
        .with_filter(filter());
    (layer, Log { lines, guard })
}

/// The library says who is elected, this worker each minute that it leads, and everybody what is wrong.
fn filter() -> EnvFilter {
    let usual = concat!("warn,azure_leader_election=info,", env!("CARGO_CRATE_NAME"), "=info");
    EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(usual))
}
