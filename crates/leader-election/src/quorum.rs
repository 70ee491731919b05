//! One election at a majority of stores: what is known as Redlock, for any stores, and with a fencing token that rises.
//!
//! A [`QuorumMutex`] over three blobs in three regions, or three Redis servers without replicas, elects as long as two of them answer. Each
//! member is a [`DistributedMutex`] of its own and knows of no other one. Whoever has a majority of them leads, as two majorities share
//! a member and that grants one claim at a time.
//!
//! ```
//! use leader_election::{DistributedMutex, LeaderHost, MemoryMutex, QuorumMutex};
//! use std::sync::Arc;
//!
//! // In production: one store in each of three regions, of one kind or of several.
//! let region = |_| Arc::new(MemoryMutex::named("nightly")) as Arc<dyn DistributedMutex>;
//! let host = LeaderHost::new(QuorumMutex::new((0..3).map(region))?);
//! # Ok::<(), leader_election::Error>(())
//! ```
//!
//! # How it elects
//!
//! 1. **Look** at all members. A candidate that sees no majority to be had asks nobody, so a standby keeps no member from a leader.
//! 2. **Ask** all that are free for their lease, above the highest token that any has told: the
//!    [floor](crate::AcquireRequest::floor). So they grant one and the same token.
//! 3. **Raise**, if they have not: those below the highest token that was granted are asked again, above its predecessor. Elected is whom
//!    a majority has granted *one* token. Anything less is given back.
//!
//! A renewal goes to all members; the leader stands on those that renew. With a majority it takes back those that it has not, so that it does not stay on
//! two of three. Every call is decided by the first majority that answers. No member can hold up the rest: one that left its last request without
//! an answer is not waited for at all once a majority has answered.
//!
//! It reads no clock to decide: the host counts a grant from before the first request, as of any store, and each member counts its own lease.
//!
//! # Why the token rises
//!
//! Let A be granted `T` and B later `U`. A majority held `T` for A, a majority granted `U` to B, and they share a member. That member
//! granted to B after it granted to A, or A would not have been elected; its own tokens rise, so `U > T`. It takes that `U` is one token on
//! a whole majority: no function of tokens that differ rises (the decisions in the repository have the proof).
//!
//! # Objections to Redlock, and what is done about each
//!
//! Martin Kleppmann's ["How to do distributed locking"](https://martin.kleppmann.com/2016/02/08/how-to-do-distributed-locking.html) has them.
//!
//! | Objection | Here |
//! |---|---|
//! | A process is paused after it has checked its lock, and writes after somebody else got it | No lock prevents that. The host ends the term before the lease is over, and sees a jump of the clock; what is left is for the [fence](crate::FencingToken) |
//! | There is no fencing token: the lock's value is random, a counter on one node is lost with it, and counters on several diverge | One token on a majority, that rises: above |
//! | It believes the clocks of the nodes, and one that steps gives the lock away early | A document has no clock: candidates watch it stand still, each by its own monotonic clock. Make Redis members documents, which they are here. A lease is as good as its service's clock: that of blobs |
//! | A node crashes, comes back without the lock, and grants it again | See the next section |
//! | A delay in the network eats the lock's time before the client has it | Validity counts from before the first request was sent |
//! | It is too heavy for efficiency, and not safe enough for correctness | True of the first: one store costs a third. For the second there is the fence, and the figures of the model check |
//!
//! # What it does not survive
//!
//! **Members must keep their records.** A member that forgets, or falls back to an older state, can grant twice. A leader whose latest renewal has
//! reached all members survives one of these; one whose renewal has reached a bare majority does not, until the next one has reached the others. So let members
//! be *consistent, or without replicas*: blobs, Cosmos DB, etcd, a Redis of one node with its file synchronised on each write. Three caches that fail
//! over to replicas that lag are three holes and no quorum.
//!
//! **It is no consensus.** It agrees on who leads for a while, and on nothing else: what a leader writes must go to a resource with a fence.
//! So there are no [side records](DistributedMutex::side).
//!
//! # Why members on Redis are documents
//!
//! Redlock's own form is a key that Redis expires. A step of the server's clock gives such a lease away early; a full server may evict the key
//! (`volatile-lru` evicts what expires first, and is the default of Azure Managed Redis); and an acquire that arrives late prolongs the lease of a leader that is dead. A document under
//! compare-and-swap has none of the three. What it costs: a standby that starts after the leader died watches for a whole lease first.
//!
//! # What it costs
//!
//! Each request goes to every member. Of three members, with the default lease of 15 s: a leader sends 3 × 720 renewals an hour and a standby
//! 3 × 3,600 polls. An election takes two rounds, one more where tokens have to be raised: when a member has no record yet, or has one that is
//! ahead.
//!
//! # When a member is gone
//!
//! The election goes on, and nobody notices, until the next member is gone. So when a member has not answered for a lease the log has
//! `quorum_member_gone`, once, with its name and its error, and `quorum_member_back` when it answers again; [`QuorumMutex::members`] tells it at
//! any time. An error of the whole quorum names the members that failed.
//!
//! Requests that nobody waits for any more go on where the caller runs (for a host: on the request threads). There is one of each kind at most for each
//! member, for no longer than a lease, and none once the mutex is dropped.

mod ballot;
mod calls;
mod contend;
mod errors;
mod member;
mod operator;
mod sights;
mod tally;
mod terms;
mod watch;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use async_trait::async_trait;

use crate::claim::Claim;
use crate::error::{Error, Result};
use crate::kit::patience::OF_A_LOOK;
use crate::port::{
    Acquire, AcquireRequest, DistributedMutex, Loss, Observation, Operator, Renew, SideName, SideRecord,
};
use crate::sources::Sources;
use calls::{Calls, Kind, Stragglers};
use errors::Failures;
use member::Member;
use operator::QuorumOperator;
use sights::Sights;
use terms::Terms;

pub use ballot::{Answer, Ballot, Outcome, Sight, Step};
pub use member::MemberStatus;
pub use tally::{Tally, Verdict, Vote};
pub use watch::Watch;

/// One election at a majority of independent stores: see [the module](self).
///
/// A lease has to suit all members, as blobs take 15 to 60 s. Members may be of different kinds: such as a blob, a document of Cosmos DB and one of Redis.
///
/// ```
/// use leader_election::{Acquire, Claim, DistributedMutex, HolderId, MemoryMutex, QuorumMutex};
/// use std::sync::Arc;
/// use std::time::Duration;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> leader_election::Result<()> {
/// let stores = ["westeurope", "northeurope", "francecentral"]
///     .map(|region| (region, Arc::new(MemoryMutex::named("nightly")) as Arc<dyn DistributedMutex>));
/// let quorum = QuorumMutex::with_names(stores)?;
/// let claim = Claim::new(HolderId::new("worker-7")?, Duration::from_secs(15));
/// assert!(matches!(quorum.try_acquire((&claim).into()).await?, Acquire::Granted(_)));
/// # Ok(())
/// # }
/// ```
pub struct QuorumMutex {
    quorum: Arc<Quorum>,
}

/// What a mutex and its operator share.
struct Quorum {
    members: Vec<Arc<Member>>,
    election: String,
    terms: Terms,
    watch: Arc<Mutex<Watch>>,
    stragglers: Stragglers,
    sources: Sources,
}

impl QuorumMutex {
    /// The election at a majority of these stores, which are named by their places: `1`, `2`, `3`. Nothing is sent yet.
    ///
    /// # Errors
    /// As [`with_names`](Self::with_names).
    pub fn new(members: impl IntoIterator<Item = Arc<dyn DistributedMutex>>) -> Result<Self> {
        Self::with_names(members.into_iter().enumerate().map(|(place, member)| ((place + 1).to_string(), member)))
    }

    /// The election at a majority of these stores, with the names by which the log, errors and [`members`](Self::members) tell of them: a
    /// region, or a URL without its query. Nothing is sent yet.
    ///
    /// # Errors
    /// [`InvalidSetting`](crate::ErrorKind::InvalidSetting) unless there is an odd number of members, three at the least; for members whose
    /// elections have different names; and for a member that is given twice. That two members are one store by another name cannot be told.
    pub fn with_names<N: Into<String>>(
        members: impl IntoIterator<Item = (N, Arc<dyn DistributedMutex>)>,
    ) -> Result<Self> {
        let sources = Sources::system();
        let member = |(name, mutex): (N, _)| Arc::new(Member::new(name.into(), mutex, sources.clone()));
        let members: Vec<Arc<Member>> = members.into_iter().map(member).collect();
        if members.len() < 3 || members.len().is_multiple_of(2) {
            return Err(Error::setting(format!(
                "a quorum has an odd number of members, 3 at the least, and not {}: an even one survives no more failures than one less",
                members.len()
            )));
        }
        for (place, member) in members.iter().enumerate() {
            let earlier = &members[..place];
            if earlier.iter().any(|other| Arc::ptr_eq(&other.mutex, &member.mutex) || other.name == member.name) {
                return Err(Error::setting(format!(
                    "the member {} is in the quorum twice: it would fail twice at once, and vote twice",
                    member.name
                )));
            }
            if let Some(other) = earlier.first().filter(|other| other.mutex.election() != member.mutex.election()) {
                return Err(Error::setting(format!(
                    "the members of a quorum keep one election: it is {:?} at {}, and {:?} at {}",
                    other.mutex.election(),
                    other.name,
                    member.mutex.election(),
                    member.name
                )));
            }
        }
        Ok(Self { quorum: Arc::new(Quorum::new(members, sources)) })
    }

    /// Draws its claim ids and the names of its versions from these sources, and times by their clock for how long a member is gone. It reads that
    /// clock for nothing else. Default: the system's. Call it before anything is sent.
    #[must_use]
    pub fn with_sources(self, sources: Sources) -> Self {
        let members = self.quorum.members.iter().map(|member| Arc::new(member.with_sources(sources.clone())));
        Self { quorum: Arc::new(Quorum::new(members.collect(), sources)) }
    }

    /// How each member has answered of late, in the order in which they were given.
    #[must_use]
    pub fn members(&self) -> Vec<MemberStatus> {
        self.quorum.members.iter().map(|member| member.status()).collect()
    }
}

impl Quorum {
    fn new(members: Vec<Arc<Member>>, sources: Sources) -> Self {
        let watch = Watch::new(&sources.uuid().simple().to_string(), members.len());
        Self {
            election: members.first().map(|member| member.mutex.election().to_owned()).unwrap_or_default(),
            terms: Terms::default(),
            watch: Arc::new(Mutex::new(watch)),
            stragglers: Stragglers::new(members.len()),
            members,
            sources,
        }
    }

    fn silent(&self) -> Vec<bool> {
        self.members.iter().map(|member| member.is_silent()).collect()
    }

    fn watch(&self) -> MutexGuard<'_, Watch> {
        // No code that could panic runs under the lock.
        self.watch.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One request to all members. Returns with the first majority that decides it; the rest goes on.
    ///
    /// `note` sees each answer, also one that comes later.
    async fn count<R, F>(
        &self,
        kind: Kind,
        limit: Duration,
        request: impl Fn(usize) -> F,
        note: impl Fn(usize, &R) + Clone + Send + 'static,
        vote: impl Fn(&R) -> Vote,
    ) -> Result<(Verdict, Vec<R>, Failures)>
    where
        R: Send + 'static,
        F: Future<Output = Result<R>> + Send + 'static,
    {
        let mut tally = Tally::new(self.silent());
        let mut calls = Calls::new(&self.stragglers, limit);
        for (place, member) in self.members.iter().enumerate() {
            let note = note.clone();
            calls.send((place, member), kind, 1, request(place), move |answer| note(place, answer))?;
        }
        let (mut answers, mut failures) = (vec![], Failures::default());
        loop {
            match tally.verdict() {
                Verdict::Wait => {}
                verdict => {
                    calls.leave();
                    return Ok((verdict, answers, failures));
                }
            }
            let Some(heard) = calls.next().await else { return Ok((Verdict::Unknown, answers, failures)) };
            let mut heard = Some(heard);
            while let Some(answer) = heard {
                match answer.answer {
                    Ok(said) => {
                        tally.hear(answer.member, vote(&said));
                        answers.push(said);
                    }
                    Err(error) => {
                        tally.hear(answer.member, Vote::Failed);
                        failures.note(answer.member, error);
                    }
                }
                heard = calls.ready();
            }
        }
    }

    /// As [`count`](Self::count), where all that answer say yes: their answers, or an error.
    async fn by_majority<R, F>(&self, kind: Kind, limit: Duration, request: impl Fn(usize) -> F) -> Result<Vec<R>>
    where
        R: Send + 'static,
        F: Future<Output = Result<R>> + Send + 'static,
    {
        match self.count(kind, limit, request, |_, _| {}, |_| Vote::Yes).await? {
            (Verdict::Yes, answers, _) => Ok(answers),
            (_, _, failures) => Err(failures.error(&self.members)),
        }
    }

    /// For how long a request on behalf of this claim is of any use.
    fn limit(claim: &Claim) -> Duration {
        claim.lease.clamp(Duration::from_secs(1), Duration::from_secs(3_600))
    }

    async fn renew(&self, claim: &Claim) -> Result<Renew> {
        // Under a claim that was never granted here nobody was asked.
        let Some(term) = self.terms.of(claim) else { return Ok(Renew::Lost(Loss::Taken)) };
        let renew = |member: usize| {
            let (mutex, claim) = (Arc::clone(&self.members[member].mutex), term.claim(claim));
            async move { mutex.renew(&claim).await }
        };
        let standing = Arc::clone(&term);
        let note = move |member: usize, renewal: &Renew| match renewal {
            Renew::Renewed => standing.holds(member),
            Renew::Lost(loss) => standing.lost(member, *loss),
        };
        let vote = |renewal: &Renew| if *renewal == Renew::Renewed { Vote::Yes } else { Vote::No };
        let (verdict, answers, failures) = self.count(Kind::Renew, Self::limit(claim), renew, note, vote).await?;
        match verdict {
            Verdict::Yes => {
                self.repair(claim, &term);
                Ok(Renew::Renewed)
            }
            Verdict::No => {
                self.terms.forget(claim);
                Ok(Renew::Lost(loss(&answers)))
            }
            Verdict::Wait | Verdict::Unknown => Err(failures.error(&self.members)),
        }
    }

    async fn release(&self, claim: &Claim) -> Result<()> {
        let Some(term) = self.terms.find(claim) else { return Ok(()) };
        term.release();
        let release = |member: usize| {
            self.stragglers.end_claims(member);
            let (mutex, claim) = (Arc::clone(&self.members[member].mutex), term.claim(claim));
            async move { mutex.release(&claim).await }
        };
        self.by_majority(Kind::Release, Self::limit(claim), release).await.map(drop)
    }

    async fn observe(&self) -> Result<Observation> {
        let mut calls = Calls::new(&self.stragglers, OF_A_LOOK);
        let mut sights = Sights::new(self.members.len());
        let mut failures = Failures::default();
        let mut pending = self.silent();
        self.look(&mut calls, 1)?;
        let mut heard = vec![false; pending.len()];
        loop {
            let awaited = |patient: bool| {
                (0..heard.len()).filter(|member| !heard[*member] && (patient || !pending[*member])).count()
            };
            if let Some(seen) = sights.merged(awaited(false)) {
                calls.leave();
                return Ok(seen.with_version(self.watch().compose()?));
            }
            if awaited(true) == 0 {
                return Err(failures.error(&self.members));
            }
            let mut next = calls.next().await;
            while let Some(answer) = next {
                heard[answer.member] = true;
                pending[answer.member] = false;
                match answer.answer {
                    Ok(contend::Reply::Seen(seen)) => sights.note(answer.member, seen),
                    Ok(contend::Reply::Asked(_)) => {}
                    Err(error) => failures.note(answer.member, error),
                }
                next = calls.ready();
            }
        }
    }
}

/// What most likely became of the lease: where anybody broke it, that.
fn loss(answers: &[Renew]) -> Loss {
    let has = |loss| answers.contains(&Renew::Lost(loss));
    match (has(Loss::Broken), has(Loss::Taken)) {
        (true, _) => Loss::Broken,
        (false, false) => Loss::Missing,
        (false, true) => Loss::Taken,
    }
}

#[async_trait]
impl DistributedMutex for QuorumMutex {
    async fn try_acquire(&self, request: AcquireRequest<'_>) -> Result<Acquire> {
        self.check_lease(request.claim.lease)?;
        self.quorum.try_acquire(request).await
    }

    /// It stands on those members that renew, and takes the others back afterwards, unawaited: they count from the next renewal on. A member where the
    /// lease was broken is left alone.
    async fn renew(&self, claim: &Claim) -> Result<Renew> {
        self.quorum.renew(claim).await
    }

    async fn release(&self, claim: &Claim) -> Result<()> {
        self.quorum.release(claim).await
    }

    /// Held where a majority names one leader; and where some do, and too few answer to tell. Where the leader has taken members back
    /// that others had used meanwhile, their records may show a token above its own.
    async fn observe(&self) -> Result<Observation> {
        self.quorum.observe().await
    }

    fn election(&self) -> &str {
        &self.quorum.election
    }

    /// One that suits all members.
    fn check_lease(&self, lease: Duration) -> Result<()> {
        self.quorum.members.iter().try_for_each(|member| member.mutex.check_lease(lease))
    }

    /// Breaks the lease at all members; there is one if each of them has one.
    fn operator(&self) -> Option<Arc<dyn Operator>> {
        let operators: Option<Vec<_>> = self.quorum.members.iter().map(|member| member.mutex.operator()).collect();
        Some(Arc::new(QuorumOperator { quorum: Arc::clone(&self.quorum), operators: operators? }))
    }

    /// None. A record that is replaced by its version at a majority takes a consensus: of two writers each could win a member, and no later one
    /// could tell what was written. The lease needs none, as an attempt that fails half-way is given up. Keep such a record in one store.
    fn side(&self, _: SideName) -> Option<Arc<dyn SideRecord>> {
        None
    }

    /// Resolves with the first member that tells of a change.
    async fn changed(&self) {
        let mut changes: Vec<Pin<Box<dyn Future<Output = ()> + Send + '_>>> =
            self.quorum.members.iter().map(|member| Box::pin(member.mutex.changed()) as _).collect();
        std::future::poll_fn(|context| {
            let any = changes.iter_mut().any(|change| change.as_mut().poll(context).is_ready());
            if any { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

impl fmt::Debug for QuorumMutex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("QuorumMutex").field(&self.quorum.members).finish()
    }
}
