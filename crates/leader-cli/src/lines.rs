//! Lines that are written by a thread of their own.
//!
//! A full pipe blocks the thread that writes into it: a log agent that hangs would stop the worker, with its lease. So lines
//! are handed over to a thread; when too many wait there, further ones are dropped, and their number is told later.
//!
//! It depends on nothing but the standard library, and the samples use it, too.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// How many bytes may wait to be written.
const WAITING: usize = 256 * 1024;
/// How long the end of a process waits until its last lines are read.
pub const LAST_WORDS: Duration = Duration::from_secs(1);

/// Where lines are handed over; none of its methods waits for a reader, but for [`finish`](Self::finish).
#[derive(Clone)]
pub struct Lines {
    queue: Arc<Queue>,
}

struct Queue {
    tell_dropped: fn(u64) -> String,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Vec<u8>>,
    bytes: usize,
    dropped: u64,
    /// A line has been taken that is not written yet.
    writing: bool,
    /// No thread writes: it could not be started.
    deaf: bool,
}

static STDERR: OnceLock<Lines> = OnceLock::new();

/// Those of this process on standard error.
pub fn stderr() -> &'static Lines {
    STDERR.get_or_init(|| Lines::to(io::stderr(), in_words))
}

/// Lets those on standard error be JSON, before any is written.
pub fn stderr_is_json() {
    STDERR
        .get_or_init(|| Lines::to(io::stderr(), |dropped| format!(r#"{{"event":"lines_dropped","count":{dropped}}}"#)));
}

/// How to tell of lines that were dropped.
pub fn in_words(dropped: u64) -> String {
    format!("{dropped} lines were dropped, as they were not read in time")
}

impl Lines {
    /// Starts the thread.
    pub fn to(output: impl Write + Send + 'static, tell_dropped: fn(u64) -> String) -> Self {
        let queue = Arc::new(Queue { tell_dropped, state: Mutex::default(), changed: Condvar::new() });
        let of_thread = Arc::clone(&queue);
        let writer = std::thread::Builder::new().name("lines".to_owned()).spawn(move || of_thread.write_to(output));
        queue.lock().deaf = writer.is_err();
        Self { queue }
    }

    /// Hands over a line, to which its end is added.
    pub fn write(&self, line: impl Into<String>) {
        self.push(format!("{}\n", line.into()).into_bytes());
    }

    fn push(&self, text: Vec<u8>) {
        let mut state = self.queue.lock();
        if state.deaf || state.bytes + text.len() > WAITING {
            state.dropped += 1;
            return;
        }
        state.bytes += text.len();
        state.waiting.push_back(text);
        drop(state);
        self.queue.changed.notify_all();
    }

    /// Waits until all lines are written, but no longer than this; returns whether they are.
    pub fn finish(&self, limit: Duration) -> bool {
        let end = Instant::now() + limit;
        let mut state = self.queue.lock();
        while !state.deaf && (state.writing || !state.waiting.is_empty() || state.dropped > 0) {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            state = self.queue.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_to(&self, mut output: impl Write) {
        loop {
            let text = self.next();
            // One write for each line, so that those of several workers do not mix. It fails when the reader is gone.
            let _ = output.write_all(&text).and_then(|()| output.flush());
            self.lock().writing = false;
            self.changed.notify_all();
        }
    }

    fn next(&self) -> Vec<u8> {
        let mut state = self.lock();
        loop {
            let text = match state.waiting.pop_front() {
                Some(text) => {
                    state.bytes -= text.len();
                    Some(text)
                }
                None if state.dropped > 0 => {
                    let dropped = std::mem::take(&mut state.dropped);
                    Some(format!("{}\n", (self.tell_dropped)(dropped)).into_bytes())
                }
                None => None,
            };
            if let Some(text) = text {
                state.writing = true;
                return text;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// A writer for `tracing_subscriber`, which makes one for each event and writes it at once.
impl Write for &Lines {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.push(text.to_vec());
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    /// As long as a test may wait for what must come.
    const PATIENCE: Duration = Duration::from_secs(60);

    /// Takes a line each time that it may.
    struct Gate(Receiver<()>, Sender<String>);

    impl Write for Gate {
        fn write(&mut self, text: &[u8]) -> io::Result<usize> {
            self.0.recv().map_err(io::Error::other)?;
            self.1.send(String::from_utf8_lossy(text).into_owned()).map_err(io::Error::other)?;
            Ok(text.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_nobody_reads_is_dropped_and_counted() {
        let ((open, gate), (output, read)) = (channel(), channel());
        let lines = Lines::to(Gate(gate, output), in_words);
        let long = "x".repeat(WAITING / 4);
        for _ in 0..10 {
            lines.write(long.as_str());
        }
        assert!(!lines.finish(Duration::ZERO), "nobody has read anything");
        (0..20).for_each(|_| open.send(()).expect("it reads"));
        assert!(lines.finish(PATIENCE));
        let read: Vec<_> = read.try_iter().collect();
        let (last, written) = read.split_last().expect("lines");
        // Three wait at most, and a fourth is being written.
        assert!((3..=4).contains(&written.len()), "{}", written.len());
        assert_eq!(*last, format!("{}\n", in_words(10 - written.len() as u64)));
    }

    #[test]
    fn a_reader_that_is_gone_is_not_waited_for() {
        let ((open, gate), (output, _)) = (channel(), channel());
        drop(open);
        let lines = Lines::to(Gate(gate, output), in_words);
        lines.write("who hears this?");
        assert!(lines.finish(PATIENCE));
    }
}
