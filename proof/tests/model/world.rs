//! A state of the model: the candidates, the store, what is under way between them, and what trouble is left.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use super::canon::Digest;
use super::clock::{Clock, Tick};
use super::config::{Budget, Config};
use super::ghost::{Look, Order};
use super::host::{Body, Host};
use super::store::Store;
use leader_election::election::Event;
use testkit::Rule;

#[derive(Debug, Clone, PartialEq)]
pub struct World {
    pub config: &'static Config,
    pub now: Tick,
    pub store: Store,
    /// The store's clock.
    pub clock: Clock,
    pub hosts: Vec<Arc<Host>>,
    pub left: Budget,
    /// The highest token under which a task was started.
    pub started: u64,
    pub broken: Option<Rule>,
}

impl World {
    /// All worlds that a configuration begins with.
    pub fn first(config: &'static Config) -> Vec<Self> {
        let chances = |percent: &u8| {
            let percent = *percent;
            config.rates.iter().map(move |(candidates, store)| Self::new(config, candidates, *store, percent))
        };
        config.percents.iter().flat_map(chances).collect()
    }

    fn new(config: &'static Config, candidates: &[u32], store: u32, percent: u8) -> Self {
        // Not zero, or nothing could lie in the past.
        let now = 1_000;
        let host = |(index, rate): (usize, &u32)| {
            let mut host = Host::new(index as u8, Clock::new(*rate, config.tick_ms), percent);
            if index < config.up_first {
                host.start(config, now);
            }
            Arc::new(host)
        };
        Self {
            config,
            now,
            store: Store::new(),
            clock: Clock::new(store, config.tick_ms),
            hosts: candidates.iter().enumerate().map(host).collect(),
            left: config.budget,
            started: 0,
            broken: None,
        }
    }

    pub fn store_now(&self) -> u64 {
        self.clock.millis(self.now)
    }

    /// Whether something may happen at any instant, and not only when a timer is due.
    fn is_loose(&self) -> bool {
        self.hosts.iter().any(|host| {
            let dead = host.election.is_none();
            let draining = host.ghost.task.is_some_and(|task| task.order > Order::Run);
            (dead && self.left.starts > 0) || host.paused || draining || !host.net.is_empty()
        })
    }

    /// Until when time may pass; `None` while something is to be done first, or if nothing will ever happen again.
    pub fn next_tick(&self) -> Option<Tick> {
        let now = self.now;
        if self.hosts.iter().any(|host| host.is_up() && (host.is_behind(now) || host.ghost.is_going())) {
            return None;
        }
        let up = self.hosts.iter().filter(|host| host.is_up());
        let timers = up.filter_map(|host| host.wakes_at().map(|due| host.clock.tick_of(due, now)));
        let step = self.is_loose().then(|| now + self.config.stride);
        timers.chain(step).min()
    }

    /// Judges this instant.
    pub fn judge(&self) -> Option<Rule> {
        for host in &self.hosts {
            let mut look = Look::new(self.config, host.clock.at(self.now), self.started);
            host.judge(&mut look, self.now);
            if look.broken.is_some() {
                return look.broken;
            }
        }
        if self.store.repeats && self.config.rising {
            return Some(Rule::TokensRise);
        }
        if !self.config.exclusive {
            return None;
        }
        let valid = || self.hosts.iter().filter(|host| host.is_valid(self.now));
        let runs = |host: &&Arc<Host>| {
            let punctual = host.is_up() && !host.is_behind(self.now);
            punctual && host.ghost.task.is_some_and(|task| task.order < Order::Abort)
        };
        let covered = |host: &Arc<Host>| self.store.runs_for(self.config, self.store_now(), host.claim());
        if valid().count() > 1 || self.hosts.iter().filter(runs).count() > 1 {
            Some(Rule::OneLeader)
        } else if !valid().all(covered) {
            Some(Rule::Covered)
        } else {
            None
        }
    }

    /// All tokens that anything still knows, the highest first.
    fn tokens(&self) -> Vec<u64> {
        let of_store = [self.store.record, self.store.older].into_iter().flatten().map(|record| record.token);
        let mut tokens: Vec<_> = of_store.chain([self.store.highest, self.started]).collect();
        for host in &self.hosts {
            tokens.extend(host.ghost.tokens());
            tokens.extend(host.net.iter().filter_map(|message| match &message.body {
                Body::Answer(Event::Acquired { grant, .. }) => Some(grant.fencing_token.get()),
                _ => None,
            }));
        }
        tokens.sort_unstable_by(|one, other| other.cmp(one));
        tokens.dedup();
        tokens
    }
}

/// States that behave alike have the same hash: whatever is said of time is said relative to now, and candidates with
/// clocks of the same rate are told apart by nothing but what they do.
impl Hash for World {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let tokens = self.tokens();
        let rank = |token: u64| tokens.iter().position(|known| *known == token).unwrap_or(tokens.len()) as u64;
        let mut hosts: Vec<_> =
            self.hosts.iter().map(|host| host.digest(self.config, self.now, &self.store, &tokens)).collect();
        hosts.sort_unstable();

        let mut digest = Digest::default();
        hosts.into_iter().for_each(|host| digest.add(host));
        let record = self.store.record;
        let left = record.map(|record| record.until.map_or(1, |until| 2 + until.saturating_sub(self.store_now())));
        digest.add(left.unwrap_or(0));
        digest.add(record.map_or(u64::MAX, |record| rank(record.token)));
        digest.add(self.store.older.map_or(u64::MAX, |record| rank(record.token)));
        digest.add(rank(self.store.highest));
        digest.add(rank(self.started));
        if !self.config.server_time {
            digest.add(self.store.highest - record.map_or(0, |record| record.token));
        }
        digest.add(u64::from(self.clock.rate));
        state.write_u64(digest.0);
        self.left.hash(state);
        self.broken.hash(state);
    }
}
