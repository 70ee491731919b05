//! What goes wrong in the simulated world, and how it ends.

use std::time::Duration;

use leader_election::ClaimId;
use leader_election::election::{Event, TaskExit};
use testkit::What;

use crate::election::bench::{secs, token};
use crate::election::host::Host;
use crate::election::world::{Happening, World};

impl World {
    pub fn mischief(&mut self) {
        if self.calm {
            return;
        }
        let any = self.random.within(0, self.hosts.len() as u64) as usize;
        let host = self.leader().filter(|_| self.random.chance(50)).unwrap_or(any);
        let long = self.random.pick(&[1_000, 8_000, 45_000]);
        let time = self.random.millis(100, long);
        match self.random.within(0, 100) {
            0..=17 => {
                self.say(host, "pauses");
                self.hosts[host].pause(self.now, time);
            }
            18..=25 => {
                self.say(host, "crashes");
                self.ends(host);
                self.after(time, Happening::Restarts(host));
            }
            26..=30 => self.tell(host, Event::Shutdown),
            31..=33 => self.tell(host, Event::Abandoned),
            34..=41 => {
                self.say(host, "finds that its clock jumped");
                self.hosts[host].jump(time * 2);
                if !self.hosts[host].is_paused(self.now) {
                    self.step(host);
                }
            }
            42..=51 => self.tell(host, Event::Changed),
            52..=55 => self.tell(host, Event::StepDown { token: token(1) }),
            56..=65 => self.down_until = self.now + time,
            66..=80 => self.hosts[host].cut_until = self.now + time,
            81..=88 => {
                self.hosts[host].task.iter_mut().for_each(|task| task.beats = false);
            }
            89..=90 => self.store.usurp(ClaimId::from_u128(0), None),
            91 => {
                self.say(host, "is copied");
                let of = self.hosts[host].who;
                let who = self.new_process(What::Copied { of });
                let mut copy = Box::new(self.hosts[host].clone());
                copy.who = who;
                // Less than that is no jump of its clock.
                self.after(secs(1) + time, Happening::Restored(copy, self.now));
            }
            92..=95 => {
                let per_mille = self.random.within(975, 1_026) as u32;
                self.hosts[host].clock.run_at(self.now, per_mille);
            }
            _ => {
                if let Some(task) = self.hosts[host].task {
                    self.task_ends(host, task.token, TaskExit::Failed);
                }
            }
        }
        let next = self.random.millis(50, self.weather.pause);
        self.after(next, Happening::Mischief);
    }

    pub fn restored(&mut self, copy: Host, taken_at: Duration) {
        if self.calm || copy.election.is_none() {
            return;
        }
        *self.tally.entry("copies").or_default() += 1;
        let host = self.hosts.len();
        self.live.enter(copy.who, 0, host);
        self.hosts.push(copy.restored(self.now, self.now - taken_at));
        self.say(host, "is restored from a copy");
        self.step(host);
    }

    /// What is on its way is lost; from here on everything answers.
    pub fn calm_down(&mut self) {
        self.calm = true;
        self.agenda.retain(|_, happening| !matches!(happening, Happening::Arrives(_) | Happening::Answered(..)));
        self.down_until = Duration::ZERO;
        for host in &mut self.hosts {
            host.cut_until = Duration::ZERO;
            host.paused_until = host.paused_until.min(self.now);
            host.wake_at = host.wake_at.min(self.now);
        }
    }
}
