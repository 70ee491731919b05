//! Everything that the parts of a schedule share.

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use testkit::store::LeaseService;
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::log::Log;
use super::monitor::Monitor;
use super::network::Network;
use super::plan::Plan;
use super::resource::Resources;
use super::store::{DocumentService, Service};
use testkit::random::Random;

#[derive(Debug)]
pub struct World {
    pub origin: Instant,
    pub plan: Plan,
    state: Mutex<State>,
    /// A task begins.
    pub turns: Notify,
    /// A lease was released, where the store tells.
    pub releases: Notify,
    background: Mutex<Vec<AbortHandle>>,
}

pub struct State {
    pub monitor: Monitor,
    pub service: Service,
    pub network: Network,
    pub resources: Resources,
    /// For the leaders' tasks.
    pub moods: Random,
    /// For what the product draws: each process gets a seed from it.
    pub seeds: Random,
    /// Mischief is over: everything answers, and soon.
    pub calm: bool,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("State")
    }
}

impl World {
    pub fn new(plan: Plan, random: &mut Random, seeds: Random, recording: bool, printing: bool) -> Arc<Self> {
        let service = if plan.document {
            Service::Document(DocumentService::default())
        } else {
            Service::Lease(LeaseService::new(plan.rules.service()))
        };
        let monitor = Monitor::new(plan.rules.clone(), plan.rollbacks, recording, printing);
        let state = State {
            monitor,
            service,
            network: Network::new(plan.weather.clone(), random.fork()),
            resources: Resources::default(),
            moods: random.fork(),
            seeds,
            calm: false,
        };
        Arc::new(Self {
            origin: Instant::now(),
            plan,
            state: Mutex::new(state),
            turns: Notify::new(),
            releases: Notify::new(),
            background: Mutex::default(),
        })
    }

    pub fn now(&self) -> Duration {
        self.origin.elapsed()
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn count(&self, what: &'static str) {
        self.state().monitor.log.count(what);
    }

    pub fn note(&self, who: &str, what: std::fmt::Arguments<'_>) {
        let now = self.now();
        self.state().monitor.log.note(now, who, what);
    }

    pub fn violation(&self, who: &str, what: std::fmt::Arguments<'_>) {
        let now = self.now();
        self.state().monitor.log.violation(now, who, what);
    }

    /// Something that comes to pass later, unless mischief is over before.
    pub fn later(&self, future: impl Future<Output = ()> + Send + 'static) {
        let handle = tokio::spawn(future).abort_handle();
        self.background.lock().unwrap_or_else(PoisonError::into_inner).push(handle);
    }

    /// From here on nothing goes wrong that is not yet done.
    pub fn calm_down(&self) {
        let background = std::mem::take(&mut *self.background.lock().unwrap_or_else(PoisonError::into_inner));
        background.into_iter().for_each(|handle| handle.abort());
        let mut state = self.state();
        state.calm = true;
        state.network.calm_down();
    }

    /// What is left when all is over.
    pub fn take_log(&self) -> Log {
        std::mem::take(&mut self.state().monitor.log)
    }
}
