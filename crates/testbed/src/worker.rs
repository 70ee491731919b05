//! Real worker processes: the worker samples, built by cargo, watched by their output.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use testservers::watcher::Watcher;

/// A line of a worker's output.
#[derive(Debug, Clone)]
pub struct Line {
    /// Milliseconds since 1970, by the worker.
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
    /// Starts a sample with these arguments, as this holder, with these environment variables.
    pub fn start(sample: &str, arguments: &[&str], holder: &str, environment: &[(&str, &str)]) -> Self {
        let mut child = Command::new(samples().join(sample))
            .args(arguments)
            .args(["--holder", holder])
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the worker starts");
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

/// Milliseconds since 1970, as the workers count.
pub fn now() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::SystemTime::UNIX_EPOCH).expect("after 1970");
    u64::try_from(since.as_millis()).expect("before the year 584,000,000")
}

/// Built here and not taken for granted: `cargo test --test processes` alone builds no examples.
pub fn samples() -> &'static PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "--quiet", "-p", "azure-leader-election", "--examples"]);
        if !cfg!(debug_assertions) {
            build.arg("--release");
        }
        assert!(build.status().expect("cargo runs").success(), "the samples do not build");
        // This test is <target>/<profile>/deps/<name>; a sample is <target>/<profile>/examples/<name>.
        let test = std::env::current_exe().expect("this test has a path");
        let profile = test.parent().and_then(|deps| deps.parent()).expect("a cargo target folder");
        profile.join("examples")
    })
}
