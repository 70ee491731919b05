//! What befalls the hosts and the store.

use std::sync::Arc;
use std::time::Duration;

use leader_election::ClaimId;

use super::process::{Process, pause};
use super::world::World;
use testkit::random::Random;

/// For how long.
const MISCHIEF: Duration = Duration::from_secs(120);

/// The workers of a schedule: where a process ended, another one starts after a while.
pub struct Crowd {
    pub world: Arc<World>,
    pub random: Random,
    pub places: Vec<Place>,
    /// How many processes there were.
    born: u64,
}

pub struct Place {
    pub process: Process,
    /// When another process starts in its place.
    restarts_at: Option<Duration>,
    /// When its host runs again.
    runs_again_at: Option<Duration>,
}

impl Crowd {
    pub fn new(world: Arc<World>, random: Random) -> Self {
        Self { world, random, places: vec![], born: 0 }
    }

    /// One more worker.
    pub fn join(&mut self) -> usize {
        let name = self.new_name();
        let process = Process::start(&self.world, &mut self.random, name);
        self.places.push(Place { process, restarts_at: None, runs_again_at: None });
        self.places.len() - 1
    }

    fn new_name(&mut self) -> String {
        self.born += 1;
        format!("w{}", self.born)
    }

    pub async fn mischief(&mut self) {
        while self.world.now() < MISCHIEF {
            let longest = self.world.plan.weather.pause;
            tokio::time::sleep(self.random.millis(20, longest)).await;
            self.supervise();
            self.one_piece();
        }
    }

    /// Starts what is to start.
    fn supervise(&mut self) {
        let now = self.world.now();
        for place in 0..self.places.len() {
            if self.places[place].runs_again_at.is_some_and(|at| now >= at) {
                self.places[place].runs_again_at = None;
                self.places[place].process.run_again();
            }
            let idle = self.places[place].process.is_over() && self.places[place].runs_again_at.is_none();
            match self.places[place].restarts_at {
                Some(_) if !idle => self.places[place].restarts_at = None,
                Some(at) if now >= at => self.restart(place),
                None if idle => self.places[place].restarts_at = Some(now + self.random.millis(0, 15_000)),
                _ => {}
            }
        }
    }

    fn restart(&mut self, place: usize) {
        let name = if self.random.chance(50) { self.places[place].process.name.clone() } else { self.new_name() };
        self.world.count("restarts");
        let process = Process::start(&self.world, &mut self.random, name);
        self.places[place] = Place { process, restarts_at: None, runs_again_at: None };
    }

    fn one_piece(&mut self) {
        let any = self.random.within(0, self.places.len() as u64) as usize;
        let leader = self.world.state().monitor.leader();
        let leading = self.places.iter().position(|place| Some(place.process.index) == leader);
        let place = leading.filter(|_| self.random.chance(50)).unwrap_or(any);
        let long = self.random.pick(&[1_000, 8_000, 45_000]);
        let time = self.random.millis(50, long);
        let now = self.world.now();
        let kinds = self.world.plan.weather.kinds;
        let mut draw = self.random.within(0, kinds.iter().sum::<u64>().max(1));
        let kind = kinds.iter().position(|weight| {
            let falls = draw < *weight;
            draw = draw.saturating_sub(*weight);
            falls
        });
        let world = Arc::clone(&self.world);
        let process = &mut self.places[place].process;
        match kind {
            Some(0) => pause(&world, process.index, &process.clock, time, true),
            Some(1) => pause(&world, process.index, &process.clock, time, false),
            Some(2) => {
                process.kill();
                self.places[place].restarts_at.get_or_insert(now + time);
            }
            Some(3) => {
                process.shut_down();
            }
            Some(4) => {
                let drop_host = self.random.chance(50);
                process.abandon(drop_host);
                if !drop_host {
                    self.places[place].runs_again_at.get_or_insert(now + time / 4);
                }
            }
            Some(5) => process.step_down(),
            Some(6) => {
                let millis = i64::try_from(time.as_millis()).expect("short");
                let millis = if self.random.chance(30) { self.random.within(1, 300) as i64 } else { millis };
                process.step_wall(if self.random.chance(50) { millis } else { -millis });
            }
            Some(7) => {
                world.count("clock runs at another rate");
                process.change_rate(&mut self.random);
            }
            Some(8) => {
                world.count("outage");
                world.note("store", format_args!("is down for {time:?}"));
                world.state().network.take_down(now + time);
            }
            Some(9) => {
                let mut state = world.state();
                state.monitor.log.count("partition");
                state.monitor.note(now, process.index, format_args!("is cut off for {time:?}"));
                state.network.cut_off(process.index, now + time);
            }
            Some(10) => self.meddle("lease broken"),
            Some(11) => self.meddle("lease usurped"),
            // A counter alone would begin anew.
            Some(12) if world.plan.document || world.plan.rules.server_clock => self.meddle("record deleted"),
            Some(13) if world.plan.rollbacks => self.meddle("store rolled back"),
            _ => {}
        }
    }

    /// Somebody else does something to the store that no promise covers.
    fn meddle(&mut self, what: &'static str) {
        // Seldom: it ends a term each time.
        if !self.random.chance(40) {
            return;
        }
        let now = self.world.now();
        let mut state = self.world.state();
        state.monitor.look(now);
        state.monitor.log.count(what);
        state.monitor.log.note(now, "store", format_args!("{what}"));
        let owner = state.service.owner();
        state.monitor.taint(now, owner.as_ref());
        match what {
            "lease broken" => state.service.break_lease(),
            "lease usurped" => {
                let intruder = ClaimId::from_u128(u128::from(self.random.next()));
                state.service.usurp(now, intruder);
            }
            "record deleted" => state.service.delete(),
            _ => {
                let writes = self.random.within(1, 8);
                state.service.roll_back(writes);
            }
        }
        let owner = state.service.owner();
        state.monitor.taint(now, owner.as_ref());
    }
}
