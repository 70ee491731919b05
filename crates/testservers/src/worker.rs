//! Worker processes, watched by their output.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::watcher::Watcher;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// A line of a worker's output.
#[derive(Debug, Clone)]
pub struct Line {
    /// When it was said, by the worker: the number that the line begins with, in whatever unit that one counts.
    pub at: u64,
    /// When it was read, by this process.
    pub read_at: Instant,
    pub text: String,
}

impl Line {
    /// The number after `token=`.
    pub fn token(&self) -> u64 {
        let (_, rest) = self.text.split_once("token=").expect("a line with a token");
        rest.split_whitespace().next().and_then(|number| number.parse().ok()).expect("a token")
    }
}

/// A worker process; killed when dropped, and also when this process ends in another way.
#[derive(Debug)]
pub struct Worker {
    pub holder: String,
    child: Child,
    output: Arc<Output>,
    /// Reads the output, to its end.
    reader: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Output {
    lines: Mutex<Vec<Line>>,
    grown: Condvar,
}

impl Worker {
    /// Starts it, as this holder, with nothing on its stdin.
    pub fn spawn(mut command: Command, holder: &str) -> Self {
        let spawned = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
        let mut child = spawned.expect("the worker starts");
        Watcher::shared().tell('+', child.id());
        let output = Arc::<Output>::default();
        let stdout = BufReader::new(child.stdout.take().expect("piped"));
        let reader = std::thread::spawn({
            let output = Arc::clone(&output);
            move || output.read(stdout)
        });
        Self { holder: holder.to_owned(), child, output, reader: Some(reader) }
    }

    /// Waits for the first line, from number `from` on, that contains `part`; returns it with its number.
    pub fn wait_for(&self, from: usize, part: &str, limit: Duration) -> (usize, Line) {
        self.wait_until(from, |line| line.text.contains(part), part, limit)
    }

    /// Likewise, for the first line that is as `wanted`; `what` tells in words which.
    pub fn wait_until(
        &self,
        from: usize,
        wanted: impl Fn(&Line) -> bool,
        what: &str,
        limit: Duration,
    ) -> (usize, Line) {
        self.find(from, wanted, limit).unwrap_or_else(|| {
            panic!("{} did not say {what:?} within {limit:?}, but: {:#?}", self.holder, self.lines())
        })
    }

    fn find(&self, from: usize, wanted: impl Fn(&Line) -> bool, limit: Duration) -> Option<(usize, Line)> {
        let end = Instant::now() + limit;
        let mut lines = self.output.lines.lock().expect("not poisoned");
        loop {
            let found = lines.iter().enumerate().skip(from).find(|(_, line)| wanted(line));
            if let Some((number, line)) = found {
                return Some((number, line.clone()));
            }
            let left = end.checked_duration_since(Instant::now())?;
            lines = self.output.grown.wait_timeout(lines, left).expect("not poisoned").0;
        }
    }

    pub fn lines(&self) -> Vec<Line> {
        self.output.lines.lock().expect("not poisoned").clone()
    }

    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).expect("a process id");
        kill(Pid::from_raw(pid), signal).expect("signalled");
    }

    /// All that it said, once it has ended by itself; after this time it is killed.
    pub fn finish(mut self, limit: Duration) -> Vec<Line> {
        let end = Instant::now() + limit;
        while Instant::now() < end && self.child.try_wait().expect("a child").is_none() {
            std::thread::sleep(Duration::from_millis(10));
        }
        self.last_words()
    }

    /// Kills it; all that it said.
    pub fn kill(mut self) -> Vec<Line> {
        self.last_words()
    }

    fn last_words(&mut self) -> Vec<Line> {
        self.end();
        if let Some(reader) = self.reader.take() {
            reader.join().expect("the reader does not panic");
        }
        self.lines()
    }

    /// Waits for the process to end by itself.
    pub fn ended(mut self) -> std::process::ExitStatus {
        let status = self.child.wait().expect("reaped");
        Watcher::shared().tell('-', self.child.id());
        status
    }

    fn end(&mut self) {
        // Fails only when it has ended already.
        let _ = self.child.kill();
        // Before its id is free for another process.
        Watcher::shared().tell('-', self.child.id());
        let _ = self.child.wait();
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.end();
    }
}

impl Output {
    fn read(&self, stdout: impl BufRead) {
        for text in stdout.lines().map_while(Result::ok) {
            let at = text.split_once(' ').and_then(|(at, _)| at.parse().ok()).unwrap_or_default();
            self.lines.lock().expect("not poisoned").push(Line { at, read_at: Instant::now(), text });
            self.grown.notify_all();
        }
    }
}
