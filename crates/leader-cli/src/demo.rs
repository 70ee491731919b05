//! `leader demo`: three worker processes on this machine; the leader is killed, and then one hands over.

mod ledger;
mod screen;
mod workers;

use std::io::Write;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::json;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::{Instant, timeout_at};

use crate::clock;
use crate::exit::{Failure, INTERNAL};
use crate::output::words;
use ledger::Ledger;
use screen::Stage;
use workers::{Crew, Event};

/// Of the election that is shown.
const LEASE: Duration = Duration::from_secs(3);
/// How long each leader is watched at work before something happens to it.
const SHOW: Duration = Duration::from_secs(2);
/// Far longer than any takeover.
const PATIENCE: Duration = Duration::from_secs(15);
/// What the workers do while they lead: a step of work this often.
const PACE: Duration = Duration::from_millis(20);

pub async fn demo(json: bool) -> Result<u8, Failure> {
    let directory = tempfile::tempdir()?;
    let (events, inbox) = unbounded_channel();
    let crew = Crew::start(directory.path(), LEASE, events)?;
    let mut play = Play { crew, inbox, ledger: Ledger::default(), stage: Stage::new(json) };
    play.stage.tell(
        "start",
        json!({ "lease_ms": LEASE.as_millis() }),
        &format!(
            "three workers contend for one lead, on files in {}; the lease is {}",
            directory.path().display(),
            words(LEASE)
        ),
    );
    let outcome = play.perform().await;
    // Also after a failure, so that no process stays behind.
    play.crew.end().await?;
    outcome
}

/// The command of the demo's workers: a step of work every now and then, until it is ended.
pub fn work() -> Result<u8, Failure> {
    let token = std::env::var("LEADER_FENCING_TOKEN").unwrap_or_default();
    loop {
        let step = format!("{token} {}\n", clock::now()?.as_nanos());
        if std::io::stdout().write_all(step.as_bytes()).is_err() {
            return Ok(0);
        }
        std::thread::sleep(PACE);
    }
}

struct Play {
    crew: Crew,
    inbox: UnboundedReceiver<Event>,
    ledger: Ledger,
    stage: Stage,
}

impl Play {
    async fn perform(&mut self) -> Result<u8, Failure> {
        self.next_leader(0).await?;
        self.go_on(SHOW).await;

        let (killed, at, token) = self.strike(Signal::SIGKILL)?;
        self.stage.tell(
            "killed",
            json!({ "worker": self.crew.name(killed) }),
            &format!("{} is killed by SIGKILL", self.crew.name(killed)),
        );
        let took_over = self.next_leader(token).await?;
        let takeover = self.ledger.first_step(took_over).saturating_sub(at);
        let outlived = self.ledger.last_step(token).saturating_sub(at);
        self.crew.restart(killed)?;
        self.go_on(SHOW).await;

        let (stopped, at, token) = self.strike(Signal::SIGTERM)?;
        self.stage.tell(
            "stopped",
            json!({ "worker": self.crew.name(stopped) }),
            &format!("{} is told to end, by SIGTERM", self.crew.name(stopped)),
        );
        let took_over = self.next_leader(token).await?;
        let hand_over = self.ledger.first_step(took_over).saturating_sub(at);
        self.go_on(SHOW / 2).await;

        let overlaps = self.ledger.overlaps();
        let measured = json!({
            "lease_ms": LEASE.as_millis(),
            "takeover_ms": takeover.as_millis(),
            "work_after_kill_ms": outlived.as_millis(),
            "hand_over_ms": hand_over.as_millis(),
            "steps": self.ledger.steps(),
            "overlaps": overlaps,
        });
        self.stage.tell("measured", measured, &format!(
            "takeover after SIGKILL: {:.2} s, with a lease of {}; what the killed leader ran was gone after {:.2} s\n\
             hand-over after SIGTERM: {:.2} s\n\
             steps of work: {}, by two leaders at once: {overlaps}",
            takeover.as_secs_f64(), words(LEASE), outlived.as_secs_f64(), hand_over.as_secs_f64(), self.ledger.steps(),
        ));
        Ok(if overlaps == 0 { 0 } else { INTERNAL })
    }

    /// Waits until a leader with a higher token works; returns its token.
    async fn next_leader(&mut self, token: u64) -> Result<u64, Failure> {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(next) = self.ledger.latest().filter(|latest| *latest > token) {
                return Ok(next);
            }
            if !self.hear(end).await {
                return Err(Failure::new(INTERNAL, format!("nobody took over within {}", words(PATIENCE))));
            }
        }
    }

    async fn go_on(&mut self, time: Duration) {
        let end = Instant::now() + time;
        while self.hear(end).await {}
    }

    /// Takes in what a worker says; `false` when nothing came until then.
    async fn hear(&mut self, end: Instant) -> bool {
        match timeout_at(end, self.inbox.recv()).await {
            Ok(Some(Event::Step { worker, token, at })) => {
                if self.ledger.note(token, at) {
                    let name = self.crew.name(worker);
                    self.stage.tell(
                        "works",
                        json!({ "worker": name, "fencing_token": token }),
                        &format!("{name} leads and works, with token {token}"),
                    );
                }
            }
            Ok(Some(Event::Said { worker, event })) => self.crew.note(worker, &event),
            Ok(None) | Err(_) => return false,
        }
        self.stage.draw(&self.crew, &self.ledger);
        true
    }

    /// Sends a signal to the worker that leads; returns which, when, and its token.
    fn strike(&mut self, signal: Signal) -> Result<(usize, Duration, u64), Failure> {
        let token = self.ledger.latest().unwrap_or_default();
        let leader = self.crew.leader(token).ok_or_else(|| Failure::new(INTERNAL, "nobody leads"))?;
        let at = clock::now()?;
        self.crew.signal(leader, signal)?;
        Ok((leader, at, token))
    }
}
