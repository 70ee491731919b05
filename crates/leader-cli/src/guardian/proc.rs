//! What the kernel tells of a process, in `/proc`.

use std::fs;

use nix::unistd::Pid;

/// The part of `/proc/PID/stat` that is used here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    pub state: char,
    pub parent: Pid,
    /// In ticks since the machine was started.
    pub started: u64,
}

impl Stat {
    pub fn of(process: Pid) -> Option<Self> {
        Self::read(&fs::read_to_string(format!("/proc/{process}/stat")).ok()?)
    }

    fn read(line: &str) -> Option<Self> {
        // The name of the program comes before, in brackets, and may hold anything.
        let (_, after_name) = line.rsplit_once(") ")?;
        let mut fields = after_name.split(' ');
        Some(Self {
            state: fields.next()?.chars().next()?,
            parent: Pid::from_raw(fields.next()?.parse().ok()?),
            started: fields.nth(17)?.parse().ok()?,
        })
    }

    /// By a signal or a debugger.
    pub fn is_stopped(&self) -> bool {
        matches!(self.state, 'T' | 't')
    }

    /// It has ended, and nobody has asked after it.
    pub fn is_zombie(&self) -> bool {
        self.state == 'Z'
    }
}

/// The children of a process, in the kernel's own lists (one for each thread), or else by asking every process for its parent.
pub fn children(process: Pid) -> Vec<Pid> {
    listed_children(process).unwrap_or_else(|| {
        all().into_iter().filter(|other| Stat::of(*other).is_some_and(|stat| stat.parent == process)).collect()
    })
}

fn listed_children(process: Pid) -> Option<Vec<Pid>> {
    // Also where the kernel has no such lists: a look at the own process tells.
    fs::metadata("/proc/thread-self/children").ok()?;
    let Ok(threads) = fs::read_dir(format!("/proc/{process}/task")) else { return Some(Vec::new()) };
    let lists = threads.filter_map(|thread| fs::read_to_string(thread.ok()?.path().join("children")).ok());
    Some(lists.flat_map(|list| list.split_whitespace().filter_map(number).collect::<Vec<_>>()).collect())
}

fn all() -> Vec<Pid> {
    let Ok(processes) = fs::read_dir("/proc") else { return Vec::new() };
    processes.filter_map(|entry| number(entry.ok()?.file_name().to_str()?)).collect()
}

fn number(text: &str) -> Option<Pid> {
    text.parse().ok().map(Pid::from_raw)
}

/// The user that a process acts as.
pub fn user(process: Pid) -> Option<u32> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    // Real, effective, saved, and that of the file system.
    status.lines().find_map(|line| line.strip_prefix("Uid:"))?.split_whitespace().nth(1)?.parse().ok()
}

/// The signals that this process has been started to ignore, or ignores by now, by their numbers.
pub fn ignored_signals() -> Vec<i32> {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| u64::from_str_radix(line.strip_prefix("SigIgn:")?.trim(), 16).ok());
    (1..=64).filter(|number| mask.is_some_and(|mask| mask >> (number - 1) & 1 == 1)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_programs_name_may_hold_anything() {
        let line = "12 (a) Z (b) T 7 12 12 0 -1 4194304 1 0 0 0 2 0 0 0 20 0 1 0 4711 1 2 3";
        assert_eq!(Stat::read(line), Some(Stat { state: 'T', parent: Pid::from_raw(7), started: 4711 }));
        assert_eq!(Stat::read("12 (sh"), None);
    }

    #[test]
    fn both_ways_find_the_same_children() {
        let mut child = std::process::Command::new("sleep").arg("1000").spawn().expect("it starts");
        let id = Pid::from_raw(i32::try_from(child.id()).expect("a number"));
        assert!(children(Pid::this()).contains(&id));
        assert_eq!(Stat::of(id).map(|stat| stat.parent), Some(Pid::this()));
        child.kill().expect("killed");
        child.wait().expect("reaped");
    }
}
