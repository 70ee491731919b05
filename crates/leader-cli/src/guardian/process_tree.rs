//! The processes that stem from this one: adopting, counting and ending them.
//!
//! A process group is what a terminal or a shell would signal, but a process can leave it (`setsid`). On Linux such a one is
//! found all the same: this process adopts the orphans among its descendants, so that whoever loses its parent becomes a
//! child of this one, and is killed in the next round.
//!
//! A process that runs as another user (`sudo`, a set-user-ID program) is not this one's to signal: the kernel refuses it.

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

#[cfg(target_os = "linux")]
use super::proc;

/// From now on, orphans among this process's descendants become its children.
pub fn adopt_orphans() {
    // Refused by kernels before 3.4 only; the group is then all that is ended.
    #[cfg(target_os = "linux")]
    let _ = nix::sys::prctl::set_child_subreaper(true);
}

/// A process group, until it is empty. Its number may then be given to processes that are none of ours.
/// By default none at all, as of a command that was never started.
#[derive(Debug, Default)]
pub struct Group(Option<Pid>);

impl Group {
    pub fn new(head: Pid) -> Self {
        Self(Some(head))
    }

    /// To the whole group, as a terminal does: a shell that waits for a program would not hear it.
    pub fn signal(&mut self, signal: Signal) {
        self.send(Some(signal));
    }

    /// Whether there is any process in the group, be it one that has ended and that nobody has asked after.
    pub fn is_alive(&mut self) -> bool {
        self.send(None);
        self.0.is_some()
    }

    fn send(&mut self, signal: Option<Signal>) {
        if self.0.is_some_and(|group| killpg(group, signal) == Err(Errno::ESRCH)) {
            self.0 = None;
        }
    }
}

/// Sends SIGKILL to the group and to those children of this process that are `ours`. Those they leave behind are found by the
/// next call. Returns the ones that the kernel does not let this process kill.
pub fn kill_all(group: &mut Group, ours: impl Fn(Pid) -> bool) -> Vec<Pid> {
    group.signal(Signal::SIGKILL);
    let children = children().into_iter().filter(|child| ours(*child));
    children.filter(|child| kill(*child, Signal::SIGKILL) == Err(Errno::EPERM)).collect()
}

/// Whether a process is none that this one may signal.
pub fn is_foreign(process: Pid) -> bool {
    kill(process, None) == Err(Errno::EPERM)
}

/// Those that stem from this process and are not its to signal, but not what these have started in their turn; elsewhere than on
/// Linux the head of the group alone.
#[cfg(target_os = "linux")]
pub fn foreigners(_head: Pid) -> Vec<Pid> {
    let (mut seen, mut open) = (Vec::new(), children());
    // One that is started meanwhile is found by the next look. A number that comes twice would make it endless.
    while let Some(process) = open.pop() {
        if !seen.contains(&process) {
            seen.push(process);
            if !is_foreign(process) {
                open.extend(proc::children(process));
            }
        }
    }
    seen.retain(|process| is_foreign(*process));
    seen
}

#[cfg(not(target_os = "linux"))]
pub fn foreigners(head: Pid) -> Vec<Pid> {
    Some(head).filter(|head| is_foreign(*head)).into_iter().collect()
}

/// The children of this process.
#[cfg(target_os = "linux")]
pub fn children() -> Vec<Pid> {
    proc::children(Pid::this())
}

#[cfg(not(target_os = "linux"))]
pub fn children() -> Vec<Pid> {
    Vec::new()
}

/// The user that a process runs as, in words.
pub fn user_of(process: Pid) -> String {
    #[cfg(target_os = "linux")]
    if let Some(user) = proc::user(process) {
        return if user == 0 { "root".to_owned() } else { format!("user {user}") };
    }
    let _ = process;
    "another user".to_owned()
}

/// Children that this process did not get from its command: it is the first process of a container, and adopts all orphans there;
/// or it was started by a script that had children of its own. They are neither killed nor waited for.
#[derive(Debug, Default)]
pub struct Strangers {
    /// With the time of their start, as numbers are used again.
    known: Vec<(Pid, Option<u64>)>,
}

impl Strangers {
    /// Takes note of all children but this one. As long as the guardian lives, whatever the command leaves behind is adopted by it.
    pub fn note(&mut self, guardian: Pid) {
        let others = children().into_iter().filter(|child| *child != guardian);
        let others = others.map(|child| (child, started(child))).collect();
        // Looked at last: of a guardian that is gone by now, some of them may be the command's.
        if lives(guardian) {
            self.known = others;
        }
    }

    pub fn include(&self, process: Pid) -> bool {
        self.known.iter().any(|(known, at)| *known == process && *at == started(process))
    }
}

#[cfg(target_os = "linux")]
fn lives(process: Pid) -> bool {
    proc::Stat::of(process).is_some_and(|stat| !stat.is_zombie())
}

#[cfg(not(target_os = "linux"))]
fn lives(_process: Pid) -> bool {
    true
}

#[cfg(target_os = "linux")]
fn started(process: Pid) -> Option<u64> {
    proc::Stat::of(process).map(|stat| stat.started)
}

#[cfg(not(target_os = "linux"))]
fn started(_process: Pid) -> Option<u64> {
    None
}
