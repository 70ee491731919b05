//! Starts the endpoint and the workers, strikes at the leaders, and counts what each customer was charged.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use azure_leader_election::{FencingToken, TaskError};
use tokio::sync::mpsc::unbounded_channel;

use crate::crew::Crew;
use crate::endpoint::Endpoint;
use crate::saying::Saying;

pub struct Plan {
    pub subscriptions: usize,
    pub kills: usize,
    pub pauses: usize,
    pub fencing: bool,
}

/// What the director hears, in the order in which it happened.
pub enum Event {
    /// A worker process wrote a line.
    Said { process: u32, line: String },
    /// Its output has ended.
    Silent { process: u32 },
    /// The endpoint has booked a charge, and not yet answered.
    Booked { token: FencingToken, subscription: String },
    /// It has refused a charge of an older leader.
    Refused,
}

/// Far longer than any takeover; so long may nothing happen.
const PATIENCE: Duration = Duration::from_secs(30);

/// Whether the run kept what its mode promises.
pub async fn run(plan: Plan) -> Result<bool, TaskError> {
    let (events, mut inbox) = unbounded_channel();
    let subscriptions: BTreeSet<_> = (1..=plan.subscriptions).map(|number| format!("sub-{number:02}")).collect();
    let endpoint = Endpoint::new(subscriptions.clone(), plan.fencing, events.clone()).serve().await?;
    let mut play = Play::new(plan, subscriptions, Crew::new(endpoint, events)?);
    for name in ["worker-1", "worker-2", "worker-3"] {
        play.crew.start(name)?;
    }
    while !play.is_over() {
        match tokio::time::timeout(PATIENCE, inbox.recv()).await {
            Ok(Some(event)) => play.handle(event).await?,
            _ if play.give_up_pause()? => {}
            _ => {
                play.tell("nothing happens any more");
                break;
            }
        }
    }
    let Play { crew, mut outcome, .. } = play;
    crew.end().await?;
    while let Ok(event) = inbox.try_recv() {
        if let Event::Booked { subscription, .. } = event {
            outcome.book(&subscription);
        }
    }
    Ok(outcome.report())
}

struct Play {
    began: Instant,
    crew: Crew,
    outcome: Outcome,
    /// The process that leads, and its token.
    leader: Option<(u32, FencingToken)>,
    paused: Option<Paused>,
}

/// A leader that was paused while a charge of its own is on its way.
struct Paused {
    process: u32,
    token: FencingToken,
    subscription: String,
    woken: bool,
}

impl Play {
    fn new(plan: Plan, subscriptions: BTreeSet<String>, crew: Crew) -> Self {
        Self { began: Instant::now(), crew, outcome: Outcome::new(plan, subscriptions), leader: None, paused: None }
    }

    fn is_over(&self) -> bool {
        self.paused.is_none() && self.outcome.missed() == 0
    }

    async fn handle(&mut self, event: Event) -> Result<(), TaskError> {
        match event {
            Event::Said { process, line } => {
                // What a worker said before it was killed may be heard afterwards.
                let Some(name) = self.crew.name(process).map(str::to_owned) else { return Ok(()) };
                self.hear(process, &name, line.parse()?).await
            }
            Event::Silent { process } => match self.crew.name(process) {
                Some(name) => Err(format!("{name} has ended by itself").into()),
                None => Ok(()),
            },
            Event::Booked { token, subscription } => self.booked(token, &subscription).await,
            Event::Refused => {
                self.outcome.refused += 1;
                Ok(())
            }
        }
    }

    async fn hear(&mut self, process: u32, name: &str, saying: Saying) -> Result<(), TaskError> {
        match saying {
            Saying::Leads { token, due } => {
                self.tell(&format!("{name} leads with token {token}: {due} subscriptions are due"));
                self.leader = Some((process, token));
                self.wake_the_older(token)
            }
            Saying::Charges { token, subscription } if self.leader == Some((process, token)) => {
                match self.outcome.next_strike() {
                    Some(Strike::Pause) if self.paused.is_none() => self.pause(process, token, name, subscription),
                    Some(Strike::KillBeforeCharge) => {
                        self.kill(process, &format!("{name} is killed as it is about to charge {subscription}")).await
                    }
                    _ => Ok(()),
                }
            }
            Saying::Settled { token, subscription, outcome } => {
                if self.paused.take_if(|paused| paused.token == token && paused.subscription == subscription).is_some()
                {
                    self.tell(&format!("{name} hears of its old charge of {subscription}: {outcome}"));
                }
                Ok(())
            }
            Saying::Ended { token, reason } => {
                self.tell(&format!("{name} stops leading with token {token}: {reason}"));
                Ok(())
            }
            Saying::Charges { .. } => Ok(()),
        }
    }

    async fn booked(&mut self, token: FencingToken, subscription: &str) -> Result<(), TaskError> {
        if self.outcome.book(subscription) > 1 {
            self.tell(&format!("{subscription} IS CHARGED AGAIN, by token {token}"));
        }
        let came_too_late =
            |paused: &mut Paused| !paused.woken && paused.token == token && paused.subscription == subscription;
        if let Some(paused) = self.paused.take_if(came_too_late) {
            self.tell("the pause came too late, the charge is booked already; another leader will be paused");
            self.crew.wake(paused.process)?;
        }
        match (self.outcome.next_strike(), self.leader) {
            (Some(Strike::KillAfterCharge), Some((process, leads))) if leads == token => {
                let name = self.crew.name(process).unwrap_or_default();
                let what = format!("{name} is killed when {subscription} is charged, before it hears of it");
                self.kill(process, &what).await
            }
            _ => Ok(()),
        }
    }

    async fn kill(&mut self, process: u32, what: &str) -> Result<(), TaskError> {
        self.crew.kill_and_restart(process).await?;
        self.tell(what);
        self.outcome.struck();
        self.leader = None;
        Ok(())
    }

    fn pause(&mut self, process: u32, token: FencingToken, name: &str, subscription: String) -> Result<(), TaskError> {
        self.crew.pause(process)?;
        self.tell(&format!("{name} is paused as it is about to charge {subscription}"));
        self.paused = Some(Paused { process, token, subscription, woken: false });
        Ok(())
    }

    /// The pause was longer than the lease, as another one leads, and has read what is due.
    fn wake_the_older(&mut self, newer: FencingToken) -> Result<(), TaskError> {
        let Some(paused) = self.paused.as_mut().filter(|paused| !paused.woken && paused.token < newer) else {
            return Ok(());
        };
        paused.woken = true;
        let process = paused.process;
        self.outcome.struck();
        self.tell(&format!("{} goes on", self.crew.name(process).unwrap_or_default()));
        self.crew.wake(process)
    }

    /// Nobody takes over from a leader that was paused in the instant of a write to the election's file, with its lock held.
    fn give_up_pause(&mut self) -> Result<bool, TaskError> {
        let Some(paused) = self.paused.take_if(|paused| !paused.woken) else { return Ok(false) };
        self.tell("nobody takes over, so the paused one goes on; another leader will be paused");
        self.crew.wake(paused.process)?;
        Ok(true)
    }

    fn tell(&self, what: &str) {
        println!("{:6.1} s  {what}", self.began.elapsed().as_secs_f64());
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Strike {
    Pause,
    KillBeforeCharge,
    KillAfterCharge,
}

/// What was done, and what came of it: the customers' view.
struct Outcome {
    plan: Plan,
    /// How often each subscription was charged.
    charged: BTreeMap<String, usize>,
    strikes: VecDeque<Strike>,
    refused: usize,
}

impl Outcome {
    fn new(plan: Plan, subscriptions: BTreeSet<String>) -> Self {
        let kills = [Strike::KillAfterCharge, Strike::KillBeforeCharge].into_iter().cycle().take(plan.kills);
        let mut strikes = VecDeque::from(vec![Strike::Pause; plan.pauses]);
        for (number, kill) in kills.enumerate() {
            strikes.insert(strikes.len().min(2 * number + 1), kill);
        }
        let charged = subscriptions.into_iter().map(|subscription| (subscription, 0)).collect();
        Self { plan, charged, strikes, refused: 0 }
    }

    /// Counts a charge; returns which one of that subscription it is.
    fn book(&mut self, subscription: &str) -> usize {
        let count = self.charged.entry(subscription.to_owned()).or_default();
        *count += 1;
        *count
    }

    fn missed(&self) -> usize {
        self.charged.values().filter(|count| **count == 0).count()
    }

    /// The next strike, once its time has come: they are spread evenly over the subscriptions.
    fn next_strike(&self) -> Option<Strike> {
        let planned = self.plan.kills + self.plan.pauses;
        let number = planned - self.strikes.len() + 1;
        let charged = self.plan.subscriptions - self.missed();
        self.strikes.front().copied().filter(|_| charged >= number * self.plan.subscriptions / (planned + 1))
    }

    fn struck(&mut self) {
        self.strikes.pop_front();
    }

    /// Prints it; returns whether it is what was promised.
    fn report(&self) -> bool {
        let left = |wanted: fn(&Strike) -> bool| self.strikes.iter().filter(|strike| wanted(strike)).count();
        let unpaused = left(|strike| *strike == Strike::Pause);
        let unkilled = self.strikes.len() - unpaused;
        let count = |wanted: fn(usize) -> bool| self.charged.values().filter(|count| wanted(**count)).count();
        let (once, twice, missed) = (count(|n| n == 1), count(|n| n > 1), self.missed());

        println!();
        println!("leaders killed: {}, paused: {}", self.plan.kills - unkilled, self.plan.pauses - unpaused);
        if self.plan.fencing {
            println!("charges of older leaders that the endpoint refused: {}", self.refused);
        } else {
            println!("the endpoint ignored the fencing token: {twice} customers were charged again by an older leader");
        }
        if !self.strikes.is_empty() {
            println!("all was charged before every strike had its turn: give it more subscriptions");
        }
        println!("charged_once={once} charged_twice={twice} missed={missed}");
        !self.plan.fencing || (self.strikes.is_empty() && twice == 0 && missed == 0)
    }
}
