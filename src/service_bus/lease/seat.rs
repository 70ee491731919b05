//! What a worker has at the service: a connection, perhaps the session, and what it knows of the record there.
//!
//! # Why one leads
//!
//! Every grant follows an accept of the session. An older holder's renewals succeed only while it has the session, so the last of them
//! came before that accept, and it may act for a lease from then on. A record that it has not released is watched by whoever has the
//! session: from after the accept, for a whole lease, by one link. When that link falls the watch is void, as the version has the link's
//! name, since the older holder may have had the session again meanwhile. A released record its leader wrote itself.
//!
//! And whoever has written the record makes sure, by a renewal after it, that it still has the session: whether the service takes a
//! state from one that has lost it then does not matter.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::call::limit;
use super::election::Bells;
use super::waiting::Waiting;
use crate::service_bus::address::Address;
use crate::service_bus::connection::{Connection, Way};
use crate::service_bus::errors::Fault;
use crate::service_bus::requests;
use crate::service_bus::session::{self, HeldSession};
use crate::service_bus::wire::{Stored, read_card};
use leader_election::kit::patience::within_an_attempt;
use leader_election::kit::record::next_token;
use leader_election::{
    Acquire, AcquireRequest, Claim, Error, FencingToken, Grant, Held, LeaderData, Loss, Renew, Result, Version,
};

/// For how long a candidate leaves the session to a leader whose link may just have fallen, when it meets its record for the first time.
const COURTESY: Duration = Duration::from_millis(500);
/// How often a leader tries to take the session back at once, and the pause between: a candidate's courtesy takes some milliseconds.
const RECLAIMS: u32 = 4;
const RECLAIM_PAUSE: Duration = Duration::from_millis(40);
/// So many old cards are completed at a time.
const CARDS: usize = 50;

pub(super) struct Seat {
    way: Arc<Way>,
    address: Address,
    bells: Arc<Bells>,
    push: bool,
    // In this order, so that a session is closed before its connection.
    held: Option<Sitting>,
    waiting: Option<Waiting>,
    connection: Option<Connection>,
    /// The record of a leader that was met without its session, by the number of its write.
    met: Option<String>,
    /// The term that this process holds, as far as it knows.
    term: Option<Term>,
    /// Whether the queue's lock was found to be long enough.
    checked: bool,
}

/// The session in hand.
struct Sitting {
    session: HeldSession,
    stored: Option<Stored>,
    /// How often a claim of this process has renewed over this link.
    renewals: u64,
}

struct Term {
    stored: Stored,
    renewed_at: Instant,
    /// The card was taken.
    told: bool,
    /// Older cards were completed.
    tidy: bool,
}

/// A request that outlives its caller.
pub(super) struct Asked {
    claim: Claim,
    lapsed: Option<Version>,
    floor: Option<FencingToken>,
    data: Option<LeaderData>,
}

impl Asked {
    pub(super) fn of(request: AcquireRequest<'_>) -> Self {
        Self {
            claim: request.claim.clone(),
            lapsed: request.lapsed.cloned(),
            floor: request.floor,
            data: request.data.cloned(),
        }
    }

    fn request(&self) -> AcquireRequest<'_> {
        AcquireRequest::new(&self.claim).with_floor(self.floor).with_data(self.data.as_ref())
    }
}

impl Seat {
    pub(super) fn new(way: Arc<Way>, address: Address, bells: Arc<Bells>, push: bool) -> Self {
        Self {
            way,
            address,
            bells,
            push,
            held: None,
            waiting: None,
            connection: None,
            met: None,
            term: None,
            checked: false,
        }
    }

    pub(super) fn limit(&self) -> Duration {
        limit(self.term.as_ref().map_or(Duration::ZERO, |term| term.stored.record.lease))
    }

    /// After a call without an answer: what was sent may still be on its way, and nothing that hangs on this connection can be trusted.
    pub(super) fn throw_away(&mut self) {
        self.held = None;
        self.waiting = None;
        self.connection = None;
    }

    pub(super) fn after(&mut self, fault: &Fault) {
        if fault.spoils_connection() {
            self.throw_away();
        } else if !self.leads() {
            // Kept, it would keep all others out.
            self.held = None;
        }
    }

    pub(super) async fn try_acquire(&mut self, asked: Asked) -> Result<Acquire, Fault> {
        let request = asked.request();
        let claim = &asked.claim;
        self.connect(claim).await?;
        let fresh = match self.look_again().await? {
            true => false,
            false if self.accept().await? => true,
            false => {
                // The leader may be back: when its link falls once more, it is left the session once more.
                self.met = None;
                return Ok(Acquire::Held(self.held_elsewhere().await));
            }
        };
        let Some(sitting) = &mut self.held else { return Ok(Acquire::Held(Held::by_unknown())) };
        match &sitting.stored {
            Some(stored) if stored.is_held_by(claim) && request.is_above_floor(stored.record.fencing_token) => {
                sitting.renewals += 1;
                let stored = stored.clone();
                let token = stored.record.fencing_token;
                self.begin_term(stored);
                Ok(Acquire::Granted(Grant::new(token, claim.lease)))
            }
            Some(stored) if stored.record.holder.is_some() && !stored.is_held_by(claim) => {
                let version = stored.version(&sitting.session.link, sitting.renewals)?;
                if asked.lapsed.as_ref() == Some(&version) {
                    return self.grant(&asked).await;
                }
                let held = stored.leader().map_or_else(Held::by_unknown, Held::by);
                let write = stored.record.write.clone();
                if fresh && self.met.as_ref() != Some(&write) {
                    self.met = Some(write);
                    self.leave().await;
                    return Ok(Acquire::Held(held.with_retry_after(Some(COURTESY))));
                }
                Ok(Acquire::Held(held.with_version(Some(version))))
            }
            _ => self.grant(&asked).await,
        }
    }

    /// Writes the next term's record, and tells of it.
    async fn grant(&mut self, asked: &Asked) -> Result<Acquire, Fault> {
        let (Some(connection), Some(sitting)) = (&mut self.connection, &mut self.held) else {
            return Ok(Acquire::Held(Held::by_unknown()));
        };
        let before = sitting.stored.as_ref();
        let what = format!("the state of {}", self.address);
        let on_record = before.map(|before| before.record.fencing_token);
        let token = next_token(on_record, sitting.session.locked_until_ms, asked.floor, &what)?;
        let stored = Stored::held_by(before, asked.request(), token);
        let written = requests::set_state(connection, &sitting.session, stored.state()).await;
        let confirmed = match written {
            Ok(()) => {
                let sent = requests::renew_and_send(connection, &sitting.session, &stored.record.write, stored.card());
                sent.await
            }
            Err(fault) => Err(fault),
        };
        let (ends_ms, told) = match confirmed {
            // Told by the service, or by the fall of the link, which came before this answer.
            Ok(_) if !sitting.session.is_alive() => return self.lost_it(),
            Err(fault) if fault.is_lock_lost() => return self.lost_it(),
            confirmed => confirmed?,
        };
        sitting.renewals += 1;
        sitting.stored = Some(stored.clone());
        self.begin_term(stored);
        if let Some(term) = &mut self.term {
            term.told = told;
        }
        if !self.checked && told {
            self.check_lock(&asked.claim, ends_ms).await?;
        }
        Ok(Acquire::Granted(Grant::new(token, asked.claim.lease)))
    }

    fn lost_it(&mut self) -> Result<Acquire, Fault> {
        self.held = None;
        Ok(Acquire::Held(Held::by_unknown()))
    }

    fn begin_term(&mut self, stored: Stored) {
        let told = self.term.as_ref().is_some_and(|term| term.told && term.stored.record.write == stored.record.write);
        self.term = Some(Term { stored, renewed_at: Instant::now(), told, tidy: false });
        self.waiting = None;
        self.met = None;
    }

    /// A lock that lapses between two renewals leaves the session to others under a leader that does all it should.
    async fn check_lock(&mut self, claim: &Claim, ends_ms: u64) -> Result<(), Fault> {
        let Some(connection) = &mut self.connection else { return Ok(()) };
        let (_, Some(card)) = requests::look(connection, &self.address.session).await? else { return Ok(()) };
        let Some(lock) = requests::lock_duration(ends_ms, &card) else { return Ok(()) };
        if lock >= claim.renew_every {
            if lock < claim.renew_every + limit(claim.lease) {
                let queue = &self.address.queue;
                tracing::warn!(target: leader_election::kit::TARGET, ?lock, renew_every = ?claim.renew_every, %queue, "the queue's lockDuration leaves no time for a late renewal");
            }
            self.checked = true;
            return Ok(());
        }
        self.release(claim.clone()).await?;
        Err(Fault::Told(Error::setting(format!(
            "{} locks a session for {lock:?}, and the leader would renew every {:?}: set the queue's lockDuration above that, or take a \
             shorter lease",
            self.address.queue, claim.renew_every
        ))))
    }

    pub(super) async fn renew(&mut self, claim: Claim) -> Result<Renew, Fault> {
        self.connect(&claim).await?;
        if let (Some(connection), Some(sitting)) = (&mut self.connection, &mut self.held) {
            match &sitting.stored {
                Some(stored) if stored.is_held_by(&claim) => {
                    match requests::renew(connection, &sitting.session).await {
                        Ok(_) if sitting.session.is_alive() => {
                            sitting.renewals += 1;
                            self.renewed(&claim).await;
                            return Ok(Renew::Renewed);
                        }
                        Err(fault) if !fault.is_lock_lost() => return Err(fault),
                        // The session may be free, and the record ours still.
                        _ => self.held = None,
                    }
                }
                Some(_) => return Ok(Renew::Lost(Loss::Taken)),
                None => return Ok(Renew::Lost(Loss::Missing)),
            }
        }
        match self.accept_ours(&claim).await? {
            Ours::Yes => {
                if let Some(sitting) = &mut self.held {
                    sitting.renewals += 1;
                }
                self.renewed(&claim).await;
                Ok(Renew::Renewed)
            }
            Ours::No(loss) => Ok(Renew::Lost(loss)),
            Ours::Unknown => Err(Fault::refused("com.microsoft:session-cannot-be-locked", "")),
        }
    }

    async fn renewed(&mut self, claim: &Claim) {
        let told = match &mut self.term {
            Some(term) => {
                term.renewed_at = Instant::now();
                term.told && term.tidy
            }
            None => false,
        };
        if !told {
            // Who leads is for people; it must not cost a renewal.
            let _ = tokio::time::timeout(within_an_attempt(claim.lease), self.tell()).await;
        }
    }

    /// Sends the card, if that has not been done, and completes older ones.
    async fn tell(&mut self) -> Result<(), Fault> {
        let (Some(connection), Some(sitting), Some(term)) = (&mut self.connection, &self.held, &mut self.term) else {
            return Ok(());
        };
        if !term.told {
            let id = &term.stored.record.write;
            term.told = requests::send(connection, &sitting.session, id, term.stored.card()).await?;
        }
        let (cards, _) = requests::look(connection, &self.address.session).await?;
        let old = cards.saturating_sub(1).min(CARDS);
        if old > 0 && term.told {
            sitting.session.complete(u32::try_from(old).unwrap_or(u32::MAX)).await;
        }
        term.tidy = true;
        Ok(())
    }

    pub(super) async fn release(&mut self, claim: Claim) -> Result<(), Fault> {
        self.connect(&claim).await?;
        let ours = match &self.held {
            Some(sitting) if sitting.stored.as_ref().is_some_and(|stored| stored.is_held_by(&claim)) => Ours::Yes,
            Some(_) => Ours::No(Loss::Taken),
            None => self.accept_ours(&claim).await?,
        };
        match ours {
            Ours::Yes => {}
            Ours::No(_) => return Ok(()),
            Ours::Unknown => return Err(Fault::refused("com.microsoft:session-cannot-be-locked", "")),
        }
        self.term = None;
        let (Some(connection), Some(sitting)) = (&mut self.connection, &mut self.held) else { return Ok(()) };
        let Some(released) = sitting.stored.as_ref().map(Stored::released) else { return Ok(()) };
        // Written before the session is closed: whoever gets one that was not released waits for a whole lease.
        let written = requests::set_state(connection, &sitting.session, released.state()).await;
        if let Err(fault) = written {
            self.held = None;
            return Err(fault);
        }
        sitting.stored = Some(released.clone());
        self.term = Some(Term { stored: released, renewed_at: Instant::now(), told: false, tidy: false });
        let told = tokio::time::timeout(limit(claim.lease) / 2, self.tell()).await;
        self.term = None;
        self.leave().await;
        match told {
            // It is free; only the connection is of no more use.
            Ok(Err(fault)) if fault.spoils_connection() => self.throw_away(),
            Err(_) => self.throw_away(),
            _ => {}
        }
        Ok(())
    }

    /// After a link has fallen: takes the session back, if this process leads and somebody else did not come first.
    pub(super) async fn reclaim(&mut self) -> Result<(), Fault> {
        for _ in 0..RECLAIMS {
            let Some(term) = &self.term else { return Ok(()) };
            if !self.leads() || self.held.as_ref().is_some_and(|sitting| sitting.session.is_alive()) {
                return Ok(());
            }
            let write = term.stored.record.write.clone();
            self.held = None;
            self.reconnect(term.stored.record.lease).await?;
            if self.accept().await? {
                let still = self.held.as_ref().and_then(|sitting| sitting.stored.as_ref());
                if still.is_none_or(|stored| stored.record.write != write) {
                    self.leave().await;
                }
                return Ok(());
            }
            tokio::time::sleep(RECLAIM_PAUSE).await;
        }
        Ok(())
    }

    /// Whether a term is held whose lease has not run out since its last renewal: for as long the session is worth keeping. A process that
    /// renews no more must not keep others out.
    fn leads(&self) -> bool {
        self.term.as_ref().is_some_and(|term| term.renewed_at.elapsed() < term.stored.record.lease)
    }

    /// Accepts the session for a claim that may hold the lease.
    async fn accept_ours(&mut self, claim: &Claim) -> Result<Ours, Fault> {
        self.waiting = None;
        if !self.accept_named().await? {
            return Ok(self.whose(claim).await);
        }
        let ours = match self.held.as_ref().and_then(|sitting| sitting.stored.as_ref()) {
            Some(stored) if stored.is_held_by(claim) => return Ok(Ours::Yes),
            Some(_) => Ours::No(Loss::Taken),
            None => Ours::No(Loss::Missing),
        };
        self.term = None;
        self.leave().await;
        Ok(ours)
    }

    /// Somebody else has the session: a candidate that looks, or waits; or the next leader. The card tells.
    async fn whose(&mut self, claim: &Claim) -> Ours {
        let Some(connection) = &mut self.connection else { return Ours::Unknown };
        let Ok((_, Some(card))) = requests::look(connection, &self.address.session).await else { return Ours::Unknown };
        let Ok(card) = read_card(&card.body, &self.address) else { return Ours::Unknown };
        let newer = match &self.term {
            Some(term) => card.record.fencing_token > term.stored.record.fencing_token,
            None => card.record.claim != claim.id.fingerprint(),
        };
        if newer { Ours::No(Loss::Taken) } else { Ours::Unknown }
    }

    async fn held_elsewhere(&mut self) -> Held {
        let Some(connection) = &mut self.connection else { return Held::by_unknown() };
        // For the card of the next term, which is then a round trip less. Whether that may be sent is told when it is.
        let _ = connection.cards().await;
        let Ok((_, Some(card))) = requests::look(connection, &self.address.session).await else {
            return Held::by_unknown();
        };
        let stored = read_card(&card.body, &self.address).ok().filter(|stored| stored.record.holder.is_some());
        stored.and_then(|stored| stored.leader()).map_or_else(Held::by_unknown, Held::by)
    }

    async fn connect(&mut self, claim: &Claim) -> Result<(), Fault> {
        self.reconnect(claim.lease).await
    }

    async fn reconnect(&mut self, lease: Duration) -> Result<(), Fault> {
        let patience = within_an_attempt(lease);
        if self.connection.as_ref().is_some_and(|connection| !connection.is_open()) {
            self.throw_away();
        }
        if self.held.as_ref().is_some_and(|sitting| !sitting.session.is_alive()) {
            self.held = None;
        }
        match &mut self.connection {
            Some(connection) => connection.keep_signed_in(patience).await,
            empty => {
                *empty = Some(Connection::open(&self.way, patience).await?);
                Ok(())
            }
        }
    }

    /// With the session in hand: renews its lock and reads its state. `false` when it is not, or not any more.
    async fn look_again(&mut self) -> Result<bool, Fault> {
        let (Some(connection), Some(sitting)) = (&mut self.connection, &mut self.held) else { return Ok(false) };
        match requests::renew_and_read(connection, &sitting.session).await {
            Ok(_) if !sitting.session.is_alive() => {}
            Ok(state) => {
                sitting.stored = state.map(|state| Stored::read(&state, &self.address)).transpose()?;
                return Ok(true);
            }
            Err(fault) if fault.is_lock_lost() => {}
            Err(fault) => return Err(fault),
        }
        self.held = None;
        Ok(false)
    }

    /// Accepts the session, or takes it from a wait that is over. `false` when somebody else has it.
    async fn accept(&mut self) -> Result<bool, Fault> {
        if let Some(waiting) = &mut self.waiting {
            let Some(outcome) = waiting.over() else { return Ok(false) };
            self.waiting = None;
            // A wait that brought nothing is followed by a try, which tells why.
            if let Ok(session) = outcome {
                return self.sit_down(session).await;
            }
        }
        let accepted = self.accept_named().await?;
        if !accepted && self.push && !self.leads() {
            self.wait().await?;
        }
        Ok(accepted)
    }

    async fn accept_named(&mut self) -> Result<bool, Fault> {
        let Some(connection) = &mut self.connection else { return Ok(false) };
        match session::accept_named(&mut connection.amqp, &self.address, fallen(&self.bells)).await? {
            Some(session) => self.sit_down(session).await,
            None => Ok(false),
        }
    }

    async fn sit_down(&mut self, session: HeldSession) -> Result<bool, Fault> {
        if session.id != self.address.session {
            session.close().await;
            return Err(Fault::Told(Error::setting(format!(
                "{} has other sessions than this election's, and the option `push` needs a queue for one election alone",
                self.address.queue
            ))));
        }
        let Some(connection) = &mut self.connection else { return Ok(false) };
        match requests::state(connection, &session).await {
            Ok(state) => {
                let read = state.map(|state| Stored::read(&state, &self.address)).transpose();
                let Ok(stored) = read else {
                    session.close().await;
                    return read.map(|_| false).map_err(Fault::Told);
                };
                self.held = Some(Sitting { session, stored, renewals: 0 });
                Ok(true)
            }
            Err(fault) if fault.is_lock_lost() => Ok(false),
            Err(fault) => Err(fault),
        }
    }

    async fn wait(&mut self) -> Result<(), Fault> {
        let Some(connection) = &mut self.connection else { return Ok(()) };
        let amqp = session::begin(&mut connection.amqp).await?;
        let queue = self.address.queue.queue().to_owned();
        self.waiting = Some(Waiting::start(amqp, queue, Arc::clone(&self.bells), fallen(&self.bells)));
        Ok(())
    }

    /// Leaves the session to others.
    async fn leave(&mut self) {
        if let Some(sitting) = self.held.take() {
            sitting.session.close().await;
        }
    }
}

enum Ours {
    Yes,
    No(Loss),
    /// Nobody can tell while somebody else has the session.
    Unknown,
}

fn fallen(bells: &Arc<Bells>) -> Arc<dyn Fn() + Send + Sync> {
    let bells = Arc::clone(bells);
    Arc::new(move || bells.fallen.notify_one())
}
