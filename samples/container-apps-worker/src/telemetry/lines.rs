//! Writes lines from a thread of its own, so that a reader that does not read (a log agent that hangs) stops nothing else of the
//! worker. Lines that find no room are dropped, and how many is said as soon as there is some.

use std::io::{self, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use tracing::{Level, Metadata};
use tracing_appender::non_blocking::{ErrorCounter, NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::fmt::MakeWriter;

/// How many lines wait for the reader; those that come when so many do are lost. Some megabytes.
const WAITING: usize = 10_000;

/// How long a thread that logs an error of the library waits until it is written. The library itself waits 20 ms for its last
/// words before it ends the process.
const ERROR_LIMIT: Duration = Duration::from_millis(50);

/// Where lines are handed over.
#[derive(Clone)]
pub struct Lines {
    queue: NonBlocking,
    count: Arc<Count>,
    error_limit: Duration,
}

#[derive(Default)]
struct Count {
    handed_over: AtomicUsize,
    written: AtomicUsize,
}

/// Lines that are written to `output`; the rest of them when the guard is dropped.
pub fn to(output: impl Write + Send + 'static) -> (Lines, WorkerGuard) {
    let count = Arc::<Count>::default();
    let dropped = Arc::<OnceLock<ErrorCounter>>::default();
    let output = Counted { output, count: Arc::clone(&count), dropped: Arc::clone(&dropped), told: 0 };
    let (queue, guard) = NonBlockingBuilder::default().lossy(true).buffered_lines_limit(WAITING).finish(output);
    dropped.get_or_init(|| queue.error_counter());
    (Lines { queue, count, error_limit: ERROR_LIMIT }, guard)
}

impl Lines {
    /// Whether all lines that were not lost came to be written in that time.
    pub fn are_written_within(&self, limit: Duration) -> bool {
        let end = Instant::now() + limit;
        while !self.are_written() {
            if Instant::now() >= end {
                return false;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        true
    }

    fn are_written(&self) -> bool {
        let lost = self.queue.error_counter().dropped_lines();
        let handed_over = self.count.handed_over.load(Ordering::Acquire);
        self.count.written.load(Ordering::Acquire) + lost >= handed_over
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line { lines: self, may_be_the_last: false }
    }

    fn make_writer_for(&'a self, event: &Metadata<'_>) -> Line<'a> {
        let may_be_the_last = *event.level() == Level::ERROR && event.target() == "leader_election";
        Line { lines: self, may_be_the_last }
    }
}

/// Takes one event.
pub struct Line<'a> {
    lines: &'a Lines,
    may_be_the_last: bool,
}

impl Write for Line<'_> {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.write_all(text).map(|()| text.len())
    }

    fn write_all(&mut self, text: &[u8]) -> io::Result<()> {
        self.lines.count.handed_over.fetch_add(1, Ordering::AcqRel);
        self.lines.queue.clone().write_all(text)?;
        // After `overrun` the process aborts, and what waits to be written is gone.
        if self.may_be_the_last {
            self.lines.are_written_within(self.lines.error_limit);
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The output, and how many lines it was given.
struct Counted<W> {
    output: W,
    count: Arc<Count>,
    /// How many lines were dropped.
    dropped: Arc<OnceLock<ErrorCounter>>,
    /// How many of them were told.
    told: usize,
}

impl<W: Write> Counted<W> {
    fn tell_dropped(&mut self) -> io::Result<()> {
        let dropped = self.dropped.get().map_or(0, ErrorCounter::dropped_lines);
        let more = dropped.saturating_sub(self.told);
        if more > 0 {
            self.told = dropped;
            writeln!(self.output, r#"{{"level":"WARN","event":"lines_dropped","count":{more}}}"#)?;
        }
        Ok(())
    }
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.output.write(text)
    }

    /// Each line comes by one call.
    fn write_all(&mut self, text: &[u8]) -> io::Result<()> {
        let written = self.tell_dropped().and_then(|()| self.output.write_all(text));
        // One that cannot be written is not waited for either.
        self.count.written.fetch_add(1, Ordering::AcqRel);
        written
    }

    fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::mpsc::{Receiver, Sender, channel};

    use tracing::{error, info};
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    /// As long as a test may wait for what must come.
    const PATIENCE: Duration = Duration::from_secs(60);

    /// Takes a line each time that it may, and none otherwise.
    struct Gate {
        may: Receiver<()>,
        taken: Arc<Mutex<Vec<u8>>>,
    }

    impl Write for Gate {
        fn write(&mut self, text: &[u8]) -> io::Result<usize> {
            self.may.recv().map_err(io::Error::other)?;
            self.taken.lock().unwrap().extend_from_slice(text);
            Ok(text.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn gate() -> (Sender<()>, Arc<Mutex<Vec<u8>>>, Gate) {
        let ((let_through, may), taken) = (channel(), Arc::default());
        (let_through, Arc::clone(&taken), Gate { may, taken })
    }

    fn logging<T>(lines: &Lines, log: impl FnOnce() -> T) -> T {
        let layer = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(lines.clone());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), log)
    }

    #[test]
    fn a_reader_that_reads_nothing_keeps_nobody_from_logging() {
        let (let_through, taken, gate) = gate();
        let (mut lines, guard) = to(gate);
        lines.error_limit = Duration::ZERO;
        logging(&lines, || {
            for number in 0..2 * WAITING {
                info!(number);
            }
            error!(target: "leader_election", "the buffer is full");
        });
        assert_eq!(taken.lock().unwrap().len(), 0);
        assert!(!lines.are_written_within(Duration::ZERO));
        // It reads on: what was not lost is written.
        for _ in 0..2 * WAITING {
            let_through.send(()).unwrap();
        }
        assert!(lines.are_written_within(PATIENCE));
        let read = String::from_utf8(taken.lock().unwrap().clone()).unwrap();
        assert!((WAITING..2 * WAITING).contains(&read.lines().count()), "{}", read.lines().count());
        // And how many were lost is said, once, in as many lines as it was noticed.
        let told = read.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        let told: u64 =
            told.filter_map(|line| line["count"].as_u64().filter(|_| line["event"] == "lines_dropped")).sum();
        let dropped = lines.queue.error_counter().dropped_lines() as u64;
        assert!(dropped > 0 && told == dropped, "{told} of {dropped} were told");
        drop(guard);
    }

    #[test]
    fn an_error_of_the_library_is_written_before_it_goes_on() {
        let (let_through, taken, gate) = gate();
        let (mut lines, _guard) = to(gate);
        lines.error_limit = PATIENCE;
        let said = logging(&lines, || {
            info!("before");
            let_through.send(()).unwrap();
            let_through.send(()).unwrap();
            error!(target: "leader_election", "the task runs on");
            String::from_utf8(taken.lock().unwrap().clone()).unwrap()
        });
        assert!(said.contains("before") && said.contains("the task runs on"), "{said}");
    }
}
