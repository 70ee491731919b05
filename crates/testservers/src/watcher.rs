//! What ends the processes that are left when the test process is gone.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Mutex, OnceLock};

/// A process that kills those processes that are left when the test process is gone: stopped ones cannot notice that themselves.
#[derive(Debug)]
pub struct Watcher {
    shell: Child,
    input: Mutex<ChildStdin>,
}

impl Watcher {
    pub fn start() -> Self {
        let mut shell = Command::new("sh")
            .args(["-c", include_str!("watch.sh")])
            .stdin(Stdio::piped())
            // A Ctrl-C is for the test process, whose end then ends the others.
            .process_group(0)
            .spawn()
            .expect("a shell");
        let input = Mutex::new(shell.stdin.take().expect("piped"));
        Self { shell, input }
    }

    /// The one of this process, for as long as it lives.
    pub fn shared() -> &'static Self {
        static WATCHER: OnceLock<Watcher> = OnceLock::new();
        WATCHER.get_or_init(Watcher::start)
    }

    /// `+`: the process of this id is to be killed at the end; `-`: it is not, any more.
    pub fn tell(&self, sign: char, process: u32) {
        let mut input = self.input.lock().expect("not poisoned");
        // Fails only when somebody has killed the watcher, which is no matter of a test's.
        let _ = writeln!(input, "{sign} {process}");
    }

    /// What the end of the test process does.
    pub fn end(mut self) {
        drop(self.input);
        self.shell.wait().expect("reaped");
    }
}
