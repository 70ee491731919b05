//! The processes that stem from this one: adopting, counting and ending them.
//!
//! A process group is what a terminal or a shell would signal, but a process can leave it (`setsid`). On Linux such a one is
//! found all the same: this process adopts the orphans among its descendants, so that whoever loses its parent becomes a
//! child of this one, and is killed in the next round.

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

/// From now on, orphans among this process's descendants become its children.
pub fn adopt_orphans() {
    // Refused by kernels before 3.4 only; the group is then all that is ended.
    #[cfg(target_os = "linux")]
    let _ = nix::sys::prctl::set_child_subreaper(true);
}

/// Sends SIGKILL to the group and to the children of this process, but not to `spared`. Those they leave behind are found by
/// the next call.
pub fn kill_all(group: Option<Pid>, spared: Option<Pid>) {
    if let Some(group) = group {
        let _ = killpg(group, Signal::SIGKILL);
    }
    for child in children().into_iter().filter(|child| Some(*child) != spared) {
        let _ = kill(child, Signal::SIGKILL);
    }
}

/// Whether there is any process in the group, be it one that has ended and that nobody has asked after.
pub fn is_alive(group: Pid) -> bool {
    killpg(group, None) != Err(Errno::ESRCH)
}

/// The children of this process.
#[cfg(target_os = "linux")]
pub fn children() -> Vec<Pid> {
    let own = Pid::this();
    let Ok(processes) = std::fs::read_dir("/proc") else { return Vec::new() };
    let ids = processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok().map(Pid::from_raw));
    ids.filter(|process| parent(*process) == Some(own)).collect()
}

#[cfg(not(target_os = "linux"))]
pub fn children() -> Vec<Pid> {
    Vec::new()
}

#[cfg(target_os = "linux")]
fn parent(process: Pid) -> Option<Pid> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name of the program comes before, in brackets, and may hold anything.
    let (_, after_name) = stat.rsplit_once(") ")?;
    after_name.split(' ').nth(1)?.parse().ok().map(Pid::from_raw)
}
