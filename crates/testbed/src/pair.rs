//! Two worker processes, and how the one takes over from the other.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::figures::{MANY, print_last_line};
use super::proxy::{Carried, Proxy, Weather};
use super::worker::Worker;

/// How long a test waits for what must come: generous, as the machine may be busy. What is asserted is the order.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// How much the clocks of two processes of one machine may differ, in which one rounds to milliseconds.
const ROUNDING: Duration = Duration::from_millis(50);

#[derive(Debug)]
pub struct Pair {
    pub leader: Worker,
    pub standby: Worker,
    /// The leader's.
    pub token: u64,
    ways: [Proxy; 2],
}

/// How the standby took over.
#[derive(Debug)]
pub struct Takeover {
    /// From what was done to the leader on.
    pub took: Duration,
    /// From the last request on that took or prolonged the leader's lease.
    pub since_kept: Duration,
    /// How often the standby looked since the leader's last request about its lease: a busy machine makes no look more of it.
    pub looks: usize,
    /// How often the old leader worked when the new one did.
    pub stale: usize,
}

impl Pair {
    /// Starts the one, and when it leads the other. `worker` starts one of that name, with that `host:port` in place of the
    /// server's: a clear way, which shows what passes.
    pub fn start(server: &str, own_names: &[String], worker: impl Fn(&str, &str) -> Worker) -> Self {
        let ways = [(); 2].map(|()| Proxy::start(server, own_names, Weather::CLEAR));
        let leader = worker("first", &ways[0].address());
        let (_, started) = leader.wait_for(0, "task started", PATIENCE);
        let standby = worker("second", &ways[1].address());
        standby.wait_for(0, "standby, first", PATIENCE);
        Self { leader, standby, token: started.token(), ways }
    }

    pub fn kill_the_leader(self) -> Takeover {
        let killed_at = Instant::now();
        self.leader.signal(Signal::SIGKILL);
        self.takeover(killed_at)
    }

    /// By a hand-over.
    pub fn tell_the_leader_to_end(self) -> Takeover {
        let told_at = Instant::now();
        self.leader.signal(Signal::SIGTERM);
        let takeover = self.takeover(told_at);
        let (_, started) = self.standby.wait_for(0, "task started", PATIENCE);
        let (_, cancelled) = self.leader.wait_for(0, "task cancelled", PATIENCE);
        assert!(cancelled.at <= started.at, "the old task is gone before the new one starts");
        assert!(self.leader.ended().success(), "it ends well");
        takeover
    }

    /// Waits for it; it was brought about then.
    pub fn takeover(&self, brought_about: Instant) -> Takeover {
        let (_, started) = self.standby.wait_for(0, "task started", PATIENCE);
        assert!(started.token() > self.token, "tokens rise");
        let [leaders, standbys] = [0, 1].map(|way: usize| self.ways[way].carried());
        let last = |is_so: fn(&Carried) -> bool| leaders.iter().rfind(|request| is_so(request)).cloned();
        let kept = last(Carried::keeps_lease).expect("it led");
        let settled = last(Carried::concerns_lease).expect("it led").answered;
        let looks = standbys.iter().filter(|request| request.is_look() && settled <= request.sent);
        Takeover {
            took: started.read_at.saturating_duration_since(brought_about),
            since_kept: started.read_at.saturating_duration_since(kept.sent),
            looks: looks.filter(|look| look.sent <= started.read_at).count(),
            stale: self.stale(),
        }
    }

    /// How often the old leader worked when the new one did.
    pub fn stale(&self) -> usize {
        let (_, started) = self.standby.wait_for(0, "task started", PATIENCE);
        let lines = self.leader.lines().into_iter();
        lines.filter(|line| line.at > started.at && line.text.contains("coordinating")).count()
    }
}

/// Prints how the rounds of one kind went, and judges what holds however busy the machine is.
pub fn report(kind: &str, takeovers: &[Takeover]) {
    let times: Vec<_> = takeovers.iter().map(|takeover| takeover.took).collect();
    let (least, most) = (times.iter().min().expect("a round"), times.iter().max().expect("a round"));
    let looks = takeovers.iter().map(|takeover| takeover.looks).max().unwrap_or_default();
    let stale = takeovers.iter().map(|takeover| takeover.stale).sum();
    println!("{kind}: takeover min={:.2}s max={:.2}s looks<={looks}", least.as_secs_f64(), most.as_secs_f64());
    print_last_line(&times, stale);
    assert_eq!(stale, 0, "an old leader worked beside the new one: {takeovers:?}");
}

/// Of leaders that are gone without a word: the lease runs out, and is not taken for longer than it is.
pub fn judge_after_the_lease(takeovers: &[Takeover], lease: Duration, poll: Duration) {
    for takeover in takeovers {
        assert!(takeover.since_kept + ROUNDING >= lease, "nobody takes over while the lease runs: {takeovers:?}");
        let looks = 1.5 * lease.as_secs_f64() / poll.as_secs_f64() + 2.0;
        assert!((takeover.looks as f64) < looks, "no second lease of vacancy: {takeovers:?}");
        if takeovers.len() >= MANY {
            assert!(takeover.took < lease * 2, "no second lease of vacancy: {takeovers:?}");
        }
    }
}

/// Of leaders that have released it: the next look finds the lease free.
pub fn judge_after_the_release(takeovers: &[Takeover], lease: Duration, poll: Duration) {
    for takeover in takeovers {
        let looks = lease.as_secs_f64() / poll.as_secs_f64() / 2.0;
        assert!((takeover.looks as f64) < looks, "a hand-over does not wait for the lease: {takeovers:?}");
        if takeovers.len() >= MANY {
            assert!(takeover.took < lease, "a hand-over does not wait for the lease: {takeovers:?}");
        }
    }
}
