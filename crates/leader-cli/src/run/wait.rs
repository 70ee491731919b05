//! `--wait`: how long this worker waits for the lead, and whether anybody was seen to lead meanwhile.
//!
//! In a file or a document, a leader that has died stays on record until somebody has watched the record stand still for its
//! whole lease. If all gave up before that, a job that is started every hour would never run again. So a worker whose time is
//! up still watches until it knows: the record changes, and there is a leader; or it does not, and this worker takes over.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use azure_leader_election::{
    Acquire, AcquireRequest, CancellationToken, Claim, DistributedMutex, Error, Held, LeaderEvent, LeaderEvents,
    Observation, Operation, Operator, Renew, Result, SideName, SideRecord, Store, Timing, async_trait,
};
use tokio::sync::watch;

use crate::exit::{Failure, TRY_AGAIN, UNAVAILABLE};

/// How long a worker waits; ends its run if it does not lead in time.
pub struct Wait {
    /// When the time is up; `None` of one that is longer than any clock goes.
    until: Option<Instant>,
    /// At least one attempt is made, however short the time is.
    first_answer_by: Instant,
    /// This worker's own.
    lease: Duration,
    heard: watch::Sender<Heard>,
}

/// What the store has answered so far.
#[derive(Debug, Clone, Default)]
struct Heard {
    answered: bool,
    /// Of a document store: the record that names a leader, in the version that was seen last.
    record: Option<Held>,
    /// From when on it can be taken, unless it changes.
    free_from: Option<Instant>,
    /// The lease of a leader that was seen alive.
    leads_until: Option<Instant>,
}

impl Wait {
    pub fn new(time: Duration, timing: &Timing) -> Self {
        let now = Instant::now();
        Self {
            until: now.checked_add(time),
            first_answer_by: now + timing.attempt_timeout() + timing.poll_every(),
            lease: timing.lease(),
            heard: watch::Sender::new(Heard::default()),
        }
    }

    /// The same store, whose answers this one hears from now on.
    pub fn overhear(&self, store: Store) -> Overheard {
        Overheard { store, until: self.until, lease: self.lease, heard: self.heard.clone() }
    }

    /// Ends the run when this worker does not lead in time; returns why. `None` when it leads, or has ended for another reason.
    pub async fn give_up(self, mut events: LeaderEvents, shutdown: CancellationToken) -> Option<Failure> {
        let mut answers = self.heard.subscribe();
        let mut last_error = None;
        loop {
            let now = Instant::now();
            let due = self.due(&answers.borrow_and_update(), now);
            if due.is_some_and(|due| now >= due) {
                shutdown.cancel();
                return Some(self.heard.borrow().verdict(now, last_error));
            }
            tokio::select! {
                event = events.recv() => match event {
                    Some(LeaderEvent::Elected { .. }) | None => return None,
                    Some(LeaderEvent::AttemptFailed { operation: Operation::Acquire, error }) => last_error = Some(error),
                    Some(_) => {}
                },
                Ok(()) = answers.changed() => last_error = None,
                () = sleep_until(due) => {}
            }
        }
    }

    fn due(&self, heard: &Heard, now: Instant) -> Option<Instant> {
        let up = self.until?;
        Some(match heard.free_from {
            _ if heard.somebody_leads(now) => up,
            // A lease more to take it, should the store be slow.
            Some(free_from) => up.max(free_from + self.lease),
            None => up.max(self.first_answer_by),
        })
    }
}

async fn sleep_until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due.into()).await,
        None => std::future::pending().await,
    }
}

impl Heard {
    fn somebody_leads(&self, now: Instant) -> bool {
        self.leads_until.is_some_and(|until| now < until)
    }

    fn verdict(&self, now: Instant, last_error: Option<Error>) -> Failure {
        match last_error {
            _ if self.somebody_leads(now) => Failure::new(TRY_AGAIN, "another worker leads: this one gave up waiting"),
            Some(error) => Failure::from(error).at("gave up waiting, as the last attempt failed"),
            None if self.answered => Failure::new(TRY_AGAIN, "gave up waiting: this worker did not lead in time"),
            None => Failure::new(UNAVAILABLE, "gave up waiting: the store gave no answer"),
        }
    }

    /// Takes in that somebody holds the lease.
    fn note(&mut self, held: &Held, own_lease: Duration) {
        // As candidates reckon with it.
        let lease = held.lease.unwrap_or_default().min(Timing::MAX_LEASE).max(own_lease);
        let ends = Instant::now() + lease;
        let changed = self.record.as_ref().map(|record| record.version != held.version);
        if held.version.is_none() && self.record.is_none() {
            // A store that gives no versions would not say so of a lease that has run out.
            self.leads_until = Some(ends);
        } else if held.version.is_some() && changed != Some(false) {
            // One that is seen for the first time may have stood still for long.
            self.leads_until = changed.map(|_| ends);
            self.free_from = Some(ends);
            self.record = Some(held.clone());
        }
    }
}

/// A store whose answers are heard by a [`Wait`].
pub struct Overheard {
    store: Store,
    until: Option<Instant>,
    lease: Duration,
    heard: watch::Sender<Heard>,
}

impl Overheard {
    /// When the time is up and there is a leader on record, nothing is taken any more but what has lapsed: that leader may
    /// release its lease meanwhile, with the job done that only one worker was to do.
    async fn look(&self) -> Result<Option<Held>> {
        let time_is_up = self.until.is_some_and(|until| Instant::now() >= until);
        let record = self.heard.borrow().record.clone().filter(|_| time_is_up);
        let Some(record) = record else { return Ok(None) };
        // A record that was deleted names nobody any more.
        let seen = self.store.observe().await?;
        Ok(seen.version.map(|version| record.with_version(Some(version))))
    }

    fn note(&self, answer: &Acquire) {
        self.heard.send_modify(|heard| {
            heard.answered = true;
            match answer {
                // The host is about to say so itself, unless it came too late.
                Acquire::Granted(_) => {
                    *heard = Heard { answered: true, free_from: Some(Instant::now()), ..Heard::default() };
                }
                Acquire::Held(held) => heard.note(held, self.lease),
            }
        });
    }
}

#[async_trait]
impl DistributedMutex for Overheard {
    async fn try_acquire(&self, request: AcquireRequest<'_>) -> Result<Acquire> {
        let lapsed = request.lapsed;
        // What was to replace the lapsed record may have been carried out without an answer: it is then this worker's own.
        let looked = if request.unsettled && lapsed.is_some() { None } else { self.look().await? };
        let answer = match looked.filter(|held| held.version.as_ref() != lapsed) {
            Some(held) => Acquire::Held(held),
            None => self.store.try_acquire(request).await?,
        };
        self.note(&answer);
        Ok(answer)
    }

    async fn renew(&self, claim: &Claim) -> Result<Renew> {
        self.store.renew(claim).await
    }

    async fn release(&self, claim: &Claim) -> Result<()> {
        self.store.release(claim).await
    }

    async fn observe(&self) -> Result<Observation> {
        self.store.observe().await
    }

    fn election(&self) -> &str {
        self.store.election()
    }

    fn check_lease(&self, lease: Duration) -> Result<()> {
        self.store.check_lease(lease)
    }

    fn operator(&self) -> Option<Arc<dyn Operator>> {
        self.store.operator()
    }

    fn side(&self, name: SideName) -> Option<Arc<dyn SideRecord>> {
        self.store.side(name)
    }

    async fn changed(&self) {
        self.store.changed().await;
    }
}

impl fmt::Debug for Overheard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.store.fmt(f)
    }
}
