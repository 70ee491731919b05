//! What happens in the world, one thing after another.

use std::time::Duration;

use tokio::time::sleep;

use crate::referee::Referee;
use crate::weather::{Condition, Trap};
use crate::worker::{BLOB, CONTAINER_URL, Worker};
use testbed::oracle::message::Request;
use testbed::oracle::network::{Fate, Network};
use testbed::random::Random;

const WORKERS: usize = 3;

pub struct World {
    pub referee: Referee,
    network: Network,
    workers: Vec<Worker>,
    random: Random,
    trap: Trap,
    started: usize,
}

impl World {
    pub fn new(seed: u64) -> Self {
        let (referee, network) = (Referee::new(), Network::new());
        let (workers, random, trap) = (Vec::new(), Random::new(seed), Trap::default());
        let mut world = Self { referee, network, workers, random, trap, started: 0 };
        for _ in 0..WORKERS {
            world.start();
        }
        world
    }

    /// A while of fair weather, and then something.
    pub async fn episode(&mut self) {
        sleep(self.random.millis(90_000, 900_000)).await;
        match self.random.below(19) {
            0..=3 => self.crash(true).await,
            4 => self.crash(false).await,
            5 | 6 => self.cut_off_the_leader().await,
            7 | 8 => self.step_down().await,
            9 | 10 => self.restart().await,
            11 => self.for_all(Condition::OutOfOrder, 2_000, 90_000).await,
            12 => self.for_all(Condition::CutOff, 2_000, 60_000).await,
            13 => self.for_all(Condition::Throttled, 10_000, 60_000).await,
            14 | 15 => self.lose_the_next_acquire().await,
            16 => self.for_all(Condition::Storm, 30_000, 300_000).await,
            _ => self.break_the_lease().await,
        }
    }

    /// Shuts all workers down, one after the other.
    pub async fn stop(self) -> Referee {
        for worker in self.workers {
            worker.stop().await;
        }
        self.referee
    }

    fn start(&mut self) {
        let seed = self.random.below(u64::MAX);
        self.workers.push(Worker::start(self.started, &self.network, &self.referee, &self.trap, seed));
        self.started += 1;
    }

    /// The leader's place in the list, if anybody leads.
    fn leader(&self) -> Option<usize> {
        let (leader, _) = self.referee.leader()?;
        self.workers.iter().position(|worker| worker.id == leader)
    }

    async fn crash(&mut self, the_leader: bool) {
        let other = self.random.below(WORKERS as u64) as usize;
        let which = self.leader().filter(|_| the_leader).unwrap_or(other);
        self.workers.remove(which).crash();
        sleep(self.random.millis(1_000, 120_000)).await;
        self.start();
    }

    async fn cut_off_the_leader(&mut self) {
        let Some(leader) = self.leader() else { return };
        let worker = &self.workers[leader];
        let time = self.random.millis(1_000, 60_000);
        worker.weather.change(Condition::CutOff);
        // For less than that it may stay the leader.
        if time > Duration::from_secs(16) {
            self.referee.strikes(worker.id);
        }
        sleep(time).await;
        self.workers[leader].weather.change(Condition::Fair);
    }

    async fn step_down(&mut self) {
        if let Some((_, leader)) = self.referee.leader() {
            leader.step_down();
        }
    }

    /// The lease is taken, and the candidate does not hear of it, or only late: it has to ask again.
    async fn lose_the_next_acquire(&mut self) {
        let soon = self.random.millis(1, 15);
        let fate = match self.random.below(3) {
            0 => Fate::reply_lost(soon),
            1 => Fate::black_hole(Some(soon)),
            _ => Fate::slow(soon, self.random.millis(3_000, 9_000)),
        };
        *self.trap.lock().expect("no panic under this lock") = Some(fate);
        if self.random.below(2) == 0 {
            self.step_down().await;
        } else {
            self.crash(true).await;
        }
    }

    /// As a deployment does: the old one ends, the new one begins.
    async fn restart(&mut self) {
        let other = self.random.below(WORKERS as u64) as usize;
        let which = self.leader().unwrap_or(other);
        self.workers.remove(which).stop().await;
        sleep(self.random.millis(0, 30_000)).await;
        self.start();
    }

    async fn for_all(&mut self, condition: Condition, least: u64, most: u64) {
        let time = self.random.millis(least, most);
        for worker in &self.workers {
            worker.weather.change(condition);
        }
        sleep(time).await;
        for worker in &self.workers {
            worker.weather.change(Condition::Fair);
        }
    }

    /// As an operator should: with a period of a lease, in which the leader learns of it and stops.
    async fn break_the_lease(&mut self) {
        let referee = self.referee.clone();
        let operator = self.network.another(move |now, request, response| {
            referee.carried_out(now, usize::MAX, request, response);
        });
        let headers = [("x-ms-lease-action", "break"), ("x-ms-lease-break-period", "15")];
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let url = format!("{CONTAINER_URL}/{BLOB}?comp=lease").parse().expect("a URL");
        operator.exchange(Request::new("PUT", &url, headers, "")).await.expect("no fault is ordered for it");
    }
}
