//! The orphans that come to the first process of a container, and stay there as zombies until it asks after them.

#[cfg(target_os = "linux")]
use std::time::Duration;

/// As long as they may stay. Code that waits for a child of its own has done so by then.
#[cfg(target_os = "linux")]
const EVERY: Duration = Duration::from_secs(1);

/// Asks after them; does nothing unless this is the first process.
#[cfg(target_os = "linux")]
pub async fn reap() {
    use crate::guardian::{children, proc::Stat};
    use nix::sys::wait::{WaitPidFlag, waitpid};

    if std::process::id() != 1 {
        return;
    }
    let mut before = Vec::new();
    loop {
        tokio::time::sleep(EVERY).await;
        let mut ended = children();
        ended.retain(|child| Stat::of(*child).is_some_and(|stat| stat.is_zombie()));
        for orphan in ended.iter().filter(|child| before.contains(*child)) {
            let _ = waitpid(*orphan, Some(WaitPidFlag::WNOHANG));
        }
        before = ended;
    }
}

#[cfg(not(target_os = "linux"))]
pub async fn reap() {}
