//! What happens to one worker's requests: mostly nothing, now and then a fault, and at times worse.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use testbed::oracle::message::Request;
use testbed::oracle::network::Fate;
use testbed::random::Random;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// One request in some hundreds meets a fault.
    Fair,
    /// One in three does.
    Storm,
    /// Nothing arrives, and nothing comes back.
    CutOff,
    /// The service's front door refuses everything.
    OutOfOrder,
    /// It refuses every second request.
    Throttled,
}

/// Waits for the next request for the lease, of whichever worker.
pub type Trap = Arc<Mutex<Option<Fate>>>;

#[derive(Debug, Clone)]
pub struct Weather {
    state: Arc<Mutex<State>>,
    trap: Trap,
}

#[derive(Debug)]
struct State {
    random: Random,
    condition: Condition,
    for_good: bool,
}

impl Weather {
    pub fn new(seed: u64, trap: Trap) -> Self {
        let state = State { random: Random::new(seed), condition: Condition::Fair, for_good: false };
        Self { state: Arc::new(Mutex::new(state)), trap }
    }

    pub fn change(&self, condition: Condition) {
        let mut state = self.state();
        if !state.for_good {
            state.condition = condition;
        }
    }

    pub fn cut_off(&self) {
        let mut state = self.state();
        (state.condition, state.for_good) = (Condition::CutOff, true);
    }

    pub fn fate(&self, request: &Request) -> Fate {
        let asks = request.is_lease("acquire");
        let trapped = self.trap.lock().expect("no panic under this lock").take_if(|_| asks);
        if let Some(fate) = trapped {
            return fate;
        }
        let State { random, condition, .. } = &mut *self.state();
        match condition {
            Condition::Fair if random.below(400) == 0 => fault(random),
            Condition::Storm if random.below(3) == 0 => fault(random),
            Condition::CutOff => Fate::black_hole(None),
            Condition::OutOfOrder => Fate::unavailable(),
            Condition::Throttled if random.below(2) == 0 => Fate::throttled(Duration::from_secs(random.below(8))),
            _ => Fate::slow(random.millis(1, 15), random.millis(1, 15)),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no panic under this lock")
    }
}

fn fault(random: &mut Random) -> Fate {
    let there = random.millis(1, 15);
    match random.below(10) {
        0 => Fate::dropped(),
        1 | 2 => Fate::reply_lost(there),
        3 => Fate::repeated(there, random.millis(1, 40_000)),
        4 => Fate::unavailable(),
        5 => Fate::throttled(Duration::from_secs(random.below(8))),
        6 => Fate::slow(random.millis(1, 5_000), random.millis(1, 5_000)),
        // Carried out when nobody waits for it any more.
        7 => Fate::black_hole(Some(random.millis(1, 40_000))),
        8 => Fate::black_hole(Some(there)),
        _ => Fate::black_hole(None),
    }
}
