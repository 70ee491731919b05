//! How the leaders' tasks of the simulated hosts behave: well, badly, and not at all.

use leader_election::FencingToken;
use leader_election::election::{Event, Moment, TaskExit};

use crate::election::bench::secs;
use crate::election::host::Task;
use crate::election::world::{Happening, World};

impl World {
    pub fn task_of(&mut self, host: usize, token: FencingToken) -> Option<&mut Task> {
        self.hosts[host].task.as_mut().filter(|task| task.token == token)
    }

    pub fn start_task(&mut self, host: usize, token: FencingToken) {
        self.live.enter(self.hosts[host].who, token.get(), host);
        self.highest = Some(token);
        self.hosts[host].task = Some(Task { token, cancelled: false, beats: true });
        self.after(secs(1), Happening::Beats(host, token));
        if self.random.chance(35) {
            let (after, exit) = (self.random.millis(0, 40_000), self.any_exit());
            self.after(after, Happening::TaskEnds(host, token, exit));
        }
        if self.random.chance(20) {
            let after = self.random.millis(0, 40_000);
            self.after(after, Happening::StepsDown(host, token));
        }
    }

    pub fn any_exit(&mut self) -> TaskExit {
        self.random.pick(&[TaskExit::Succeeded, TaskExit::Failed, TaskExit::Aborted])
    }

    pub fn cancel_task(&mut self, host: usize) {
        let Some(task) = &mut self.hosts[host].task else { return };
        task.cancelled = true;
        let token = task.token;
        let drain = match self.random.within(0, 10) {
            _ if self.calm => self.random.millis(0, 200),
            0..=6 => self.random.millis(0, 3_000),
            7 => self.random.millis(3_000, 12_000),
            // It does not look at its token.
            _ => return,
        };
        let exit = self.any_exit();
        self.after(drain, Happening::TaskEnds(host, token, exit));
    }

    pub fn abort_task(&mut self, host: usize) {
        let Some(task) = self.hosts[host].task else { return };
        let delay = match self.random.within(0, 20) {
            0..=16 => self.random.millis(0, 50),
            17 | 18 => self.random.millis(1_000, 60_000),
            // It blocks its thread for ever.
            _ => return,
        };
        self.after(delay, Happening::TaskEnds(host, task.token, TaskExit::Aborted));
    }

    pub fn task_ends(&mut self, host: usize, token: FencingToken, exit: TaskExit) {
        let Some(task) = self.task_of(host, token).copied() else { return };
        if self.calm && !task.cancelled {
            return;
        }
        let paused_until = self.hosts[host].paused_until;
        if self.now < paused_until {
            // A process that stands still ends no task.
            self.after(paused_until - self.now, Happening::TaskEnds(host, token, exit));
            return;
        }
        self.hosts[host].task = None;
        self.tell(host, Event::TaskExited { exit });
    }

    pub fn beats(&mut self, host: usize, token: FencingToken) {
        let paused = self.hosts[host].is_paused(self.now);
        let Some(task) = self.task_of(host, token).copied() else { return };
        self.after(secs(1), Happening::Beats(host, token));
        if !paused && (task.beats || self.calm) {
            let at: Moment = self.hosts[host].clock.at(self.now);
            self.tell(host, Event::Heartbeat { at });
            self.tell(host, Event::RuntimeAlive { at });
        }
    }
}
