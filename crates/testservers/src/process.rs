//! A server process of this machine.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::watcher::Watcher;

/// A process that is killed when this is dropped, and also when the test process ends in another way.
#[derive(Debug)]
pub struct Process {
    child: Child,
}

impl Process {
    /// Starts it, in a process group of its own, with nothing on its stdin. Panics when there is no such program.
    pub fn start(mut command: Command) -> Self {
        // A Ctrl-C is for the test process, whose end then ends this one.
        let spawned = command.stdin(Stdio::null()).process_group(0).spawn();
        let child =
            spawned.unwrap_or_else(|error| panic!("{} does not start: {error}", command.get_program().display()));
        Watcher::shared().tell('+', child.id());
        Self { child }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// It does nothing any more, and its sockets stay open.
    pub fn freeze(&self) {
        self.signal(Signal::SIGSTOP);
    }

    pub fn thaw(&self) {
        self.signal(Signal::SIGCONT);
    }

    /// Asks it to end.
    pub fn terminate(&self) {
        self.signal(Signal::SIGTERM);
    }

    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).expect("a process id");
        kill(Pid::from_raw(pid), signal).expect("signalled");
    }

    /// Ends it at once.
    pub fn kill(mut self) {
        self.end();
    }

    /// Waits for its end.
    pub fn wait(mut self) -> ExitStatus {
        let status = self.child.wait().expect("reaped");
        Watcher::shared().tell('-', self.child.id());
        status
    }

    /// Whether it has not ended yet.
    pub fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Waits until something listens at this address, or this process has ended: then it panics.
    pub fn wait_until_listening(&mut self, address: SocketAddr, limit: Duration) {
        let end = Instant::now() + limit;
        while TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_err() {
            assert!(self.is_alive(), "the server for {address} has ended");
            assert!(Instant::now() < end, "nothing listens at {address} after {limit:?}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn end(&mut self) {
        // Fails only when it has ended already.
        let _ = self.child.kill();
        // Before its id is free for another process.
        Watcher::shared().tell('-', self.child.id());
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}

/// A port of loopback that nothing listened at a moment ago. For servers that cannot choose one themselves.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback");
    listener.local_addr().expect("bound").port()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_dropped_has_ended() {
        let mut command = Command::new("sleep");
        command.arg("600");
        let process = Process::start(command);
        let pid = Pid::from_raw(i32::try_from(process.pid()).expect("an id"));
        process.freeze();
        drop(process);
        assert!(kill(pid, None).is_err(), "it is gone, though it was frozen");
    }
}
