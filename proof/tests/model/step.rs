//! What comes of whatever happens in a state.

use std::sync::Arc;

use leader_election::FencingToken;
use leader_election::election::{Event, Failure, TaskExit};

use super::action::{Act, Fate};
use super::config::Budget;
use super::ghost::{Look, Order};
use super::host::{Body, Host, Message};
use super::ids::ClaimNo;
use super::seen::{Seen, Tally};
use super::store::What;
use super::world::World;

impl World {
    /// The state after that.
    pub fn after(&self, act: Act, tally: &Tally) -> World {
        let mut next = self.clone();
        next.apply(act, tally);
        if next.broken.is_none() {
            next.broken = next.judge();
        }
        next
    }

    fn apply(&mut self, act: Act, tally: &Tally) {
        match act {
            Act::Pass { to } => self.pass(to),
            Act::Wake(host) => self.tell(host, None, tally),
            Act::Fate(host, fate) => self.meet(host, fate, tally),
            Act::Arrive(host, late) => self.arrive(host, late, tally),
            Act::TaskEnds(host) => self.task_ends(host, tally),
            Act::Overrun(host) => {
                spend(&mut self.left.overruns);
                self.host(host).ghost.task.iter_mut().for_each(|task| task.deaf = true);
            }
            Act::Pause(host) => {
                spend(&mut self.left.pauses);
                self.host(host).paused = true;
            }
            Act::Resume(host) => {
                let host = &self.hosts[usize::from(host)];
                if host.ghost.task.is_some() && !host.is_valid(self.now) {
                    tally.add(Seen::WokeInvalid);
                }
                let host = host.index;
                self.host(host).paused = false;
            }
            Act::Crash(host) => {
                spend(&mut self.left.crashes);
                self.host(host).end();
            }
            Act::Start(host) => {
                spend(&mut self.left.starts);
                let (config, now) = (self.config, self.now);
                self.host(host).start(config, now);
            }
            Act::Jump(host) => {
                spend(&mut self.left.jumps);
                let by = self.config.timing.lease().as_millis() as u64 / 3;
                let jumped = self.host(host);
                jumped.clock.ahead_ms += by;
                jumped.ghost.jumped();
                self.tell(host, Some(&Event::ClockJumped), tally);
            }
            Act::Shutdown(host) => {
                spend(&mut self.left.wishes);
                self.tell(host, Some(&Event::Shutdown), tally);
            }
            Act::StepDown(host) => {
                spend(&mut self.left.wishes);
                let token = self.hosts[usize::from(host)].ghost.task.map_or(0, |task| task.token);
                let token = FencingToken::new(token).expect("valid");
                self.tell(host, Some(&Event::StepDown { token }), tally);
            }
            Act::Break => {
                spend(&mut self.left.breaks);
                self.store.free();
            }
            Act::RollBack => {
                spend(&mut self.left.rollbacks);
                self.store.roll_back();
            }
        }
    }

    fn host(&mut self, host: u8) -> &mut Host {
        Arc::make_mut(&mut self.hosts[usize::from(host)])
    }

    fn pass(&mut self, to: u32) {
        self.now = to;
        for host in &mut self.hosts {
            if !host.ghost.over && host.valid_until().is_some_and(|until| until <= host.clock.at(to)) {
                Arc::make_mut(host).ghost.over = true;
            }
        }
    }

    fn tell(&mut self, index: u8, event: Option<&Event>, tally: &Tally) {
        let (config, now, store_now) = (self.config, self.now, self.store_now());
        let store = &self.store;
        let host = Arc::make_mut(&mut self.hosts[usize::from(index)]);
        let held = |number: u32| store.runs_for(config, store_now, ClaimNo { host: index, number });
        let mut look = Look::new(config, host.clock.at(now), self.started);
        look.held = &held;
        host.pump(&mut look, event);
        look.seen.iter().for_each(|seen| tally.add(*seen));
        (self.started, self.broken) = (look.started, look.broken);
    }

    fn task_ends(&mut self, host: u8, tally: &Tally) {
        let task = self.hosts[usize::from(host)].ghost.task;
        let exit = match task.map(|task| task.order) {
            Some(Order::Run) => {
                spend(&mut self.left.wishes);
                TaskExit::Failed
            }
            Some(Order::Abort) => TaskExit::Aborted,
            _ => TaskExit::Succeeded,
        };
        self.host(host).ghost.task_gone();
        self.tell(host, Some(&Event::TaskExited { exit }), tally);
    }

    fn meet(&mut self, host: u8, fate: Fate, tally: &Tally) {
        let sender = self.host(host);
        let Some(fresh) = sender.fresh() else { return };
        let awaited = sender.awaits(&sender.net[fresh]);
        let message = sender.net.remove(fresh);
        let Budget { losses, failures, delays, doubles, .. } = &mut self.left;
        match fate {
            Fate::Prompt => {}
            Fate::LoseRequest if !awaited => {}
            Fate::LoseRequest | Fate::LoseAnswer => spend(losses),
            Fate::Fail { .. } => spend(failures),
            Fate::DelayRequest | Fate::DelayAnswer => spend(delays),
            Fate::DoubleRequest | Fate::DoubleAnswer => spend(doubles),
        }
        let late = |body: Body| Message { body, late: true, ..message.clone() };
        let attempt = message.attempt;
        let failed = Event::Failed { attempt, failure: Failure::Unknown { retry_after: None } };
        match fate {
            Fate::LoseRequest => {}
            Fate::DelayRequest => self.host(host).net.push(late(message.body.clone())),
            Fate::Fail { carried_out: false } => self.tell(host, Some(&failed), tally),
            Fate::Fail { carried_out: true } => {
                self.serve(&message);
                self.tell(host, Some(&failed), tally);
            }
            Fate::LoseAnswer => {
                self.serve(&message);
            }
            Fate::DelayAnswer => {
                let answer = self.serve(&message);
                self.host(host).net.push(late(Body::Answer(answer)));
            }
            Fate::Prompt | Fate::DoubleRequest | Fate::DoubleAnswer => {
                let answer = self.serve(&message);
                match fate {
                    Fate::DoubleRequest => self.host(host).net.push(late(message.body.clone())),
                    Fate::DoubleAnswer => self.host(host).net.push(late(Body::Answer(answer.clone()))),
                    _ => {}
                }
                self.tell(host, Some(&answer), tally);
            }
        }
    }

    /// A late request reaches the store, and its answer the sender at once; or a late answer reaches its sender.
    fn arrive(&mut self, index: u8, late: u8, tally: &Tally) {
        let host = self.host(index);
        let message = host.net.remove(usize::from(late));
        let awaited = host.awaits(&message);
        let (up, orphan) = (host.is_up(), message.orphan);
        let answer = match &message.body {
            Body::Answer(answer) => answer.clone(),
            Body::Request(request) => {
                if request.what == What::Acquire && !awaited {
                    host.ghost.haunted(request.claim.number);
                }
                self.serve(&message)
            }
        };
        if !awaited && matches!(answer, Event::Acquired { .. }) && matches!(message.body, Body::Request(_)) {
            tally.add(Seen::ZombieGranted);
        }
        if up && !orphan {
            self.tell(index, Some(&answer), tally);
        } else if !orphan && self.hosts[usize::from(index)].election.is_some() {
            self.host(index).net.push(Message { body: Body::Answer(answer), ..message });
        }
    }

    fn serve(&mut self, message: &Message) -> Event {
        let now = self.store_now();
        match &message.body {
            Body::Request(request) => self.store.serve(self.config, now, message.attempt, request),
            Body::Answer(answer) => answer.clone(),
        }
    }
}

fn spend(left: &mut u8) {
    *left -= 1;
}
