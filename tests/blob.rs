//! The blob store and the host together, against Azurite: many contenders, a server that stops, operators that meddle.

#![allow(clippy::expect_used, clippy::unwrap_used)]

#[path = "blob/late.rs"]
mod late;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use azure_leader_election::{
    Acquire, AcquireRequest, BlobDistributedMutex, CancellationToken, Claim, DistributedMutex, EndReason, ErrorKind,
    FencingToken, HolderId, LeaderEvent, LeaderEvents, LeaderHost, Leadership, Loss, Observation, Operator, Renew,
    async_trait,
};
use testbed::azurite::Azurite;
use testbed::{names, operator};
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};

const PATIENCE: Duration = Duration::from_secs(90);

/// Invariants 1 and 2 at the store: 32 contenders, 20 terms each, on one blob that nobody has created yet.
#[tokio::test(flavor = "multi_thread")]
async fn of_32_contenders_for_20_terms_each_one_wins_at_a_time_and_tokens_rise() {
    const CONTENDERS: usize = 32;
    const TERMS: usize = 20;
    let url = Azurite::http().await.container_url(&names::unique("crowd"));
    let leading = Arc::new(AtomicUsize::new(0));
    let tokens: Arc<std::sync::Mutex<Vec<FencingToken>>> = Arc::default();
    let mut crowd = JoinSet::new();
    for contender in 0..CONTENDERS {
        let mutex = BlobDistributedMutex::for_emulator(&url, "one-blob").expect("valid");
        let (leading, tokens) = (Arc::clone(&leading), Arc::clone(&tokens));
        crowd.spawn(async move {
            let holder = HolderId::new(format!("contender-{contender}")).expect("valid");
            for _ in 0..TERMS {
                let claim = Claim::new(holder.clone(), Duration::from_secs(15));
                let mut unsettled = false;
                let token = loop {
                    match mutex.try_acquire(AcquireRequest::new(&claim).with_unsettled(unsettled)).await {
                        Ok(Acquire::Granted(grant)) => break grant.fencing_token,
                        Ok(Acquire::Held(_)) => {}
                        Err(error) => {
                            assert!(error.is_transient(), "contention is no error: {error}");
                            unsettled = true;
                        }
                    }
                    tokio::time::sleep(Duration::from_millis(40)).await;
                };
                assert_eq!(leading.fetch_add(1, Ordering::SeqCst), 0, "one winner at a time");
                tokens.lock().expect("not poisoned").push(token);
                leading.fetch_sub(1, Ordering::SeqCst);
                mutex.release(&claim).await.expect("released");
            }
        });
    }
    while let Some(done) = crowd.join_next().await {
        done.expect("a contender that does not panic");
    }
    let tokens = tokens.lock().expect("not poisoned").clone();
    assert_eq!(tokens.len(), CONTENDERS * TERMS);
    assert!(tokens.is_sorted_by(|earlier, later| earlier < later), "tokens strictly rise");
    println!("contenders={CONTENDERS} terms={} first={} last={}", tokens.len(), tokens[0], tokens[tokens.len() - 1]);
}

/// Invariant 9: a server that hangs through one renewal and answers the next attempt costs no leadership.
#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn a_leadership_survives_a_server_that_comes_back_before_the_cancel_point() {
    let azurite = Azurite::start(Default::default()).await;
    let mut worker = Worker::start(&azurite, "pause").await;
    worker.renewal(|step| step == Step::Renewed).await;
    azurite.pause();
    // The first attempt is given up; the server returns under the second one.
    worker.renewal(|step| step == Step::Sent).await;
    worker.renewal(|step| step == Step::Sent).await;
    azurite.resume();
    worker.renewal(|step| step == Step::Renewed).await;
    worker.leader.ensure().expect("still the leader");
    assert!(!worker.leader.token().is_cancelled());
    worker.stop().await;
}

/// Invariants 4, 7 and 13: a server that hangs for longer ends the leadership cleanly, and it is won anew afterwards.
#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn a_leadership_ends_with_its_reason_when_the_server_stays_away() {
    let azurite = Azurite::start(Default::default()).await;
    let mut worker = Worker::start(&azurite, "outage").await;
    worker.renewal(|step| step == Step::Renewed).await;
    azurite.pause();
    let (token, reason, detail) = worker.ended().await;
    assert_eq!((token, reason), (worker.leader.fencing_token(), EndReason::RenewalTimedOut));
    assert!(detail.is_some_and(|detail| detail.contains("no answer")), "the log says why");
    assert!(worker.leader.ensure().is_err());
    azurite.resume();
    let next = worker.elected().await;
    assert!(next.fencing_token() > token, "tokens rise");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_that_an_operator_breaks_ends_the_leadership_and_is_named() {
    let azurite = Azurite::http().await;
    let mut worker = Worker::start(azurite, &names::unique("broken")).await;
    operator::break_lease(azurite, &worker.container, Worker::BLOB).await;
    let (_, reason, detail) = worker.ended().await;
    assert_eq!(reason, EndReason::LeaseLost);
    assert!(detail.is_some_and(|detail| detail.contains("broke the lease")));
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_break_stops_the_renewals_at_once_and_frees_the_lease_after_its_period() {
    let url = Azurite::http().await.container_url(&names::unique("broken"));
    let open = || BlobDistributedMutex::for_emulator(&url, "nightly").expect("valid");
    let claim = |holder: &str| Claim::new(HolderId::new(holder).expect("valid"), Duration::from_secs(15));
    let (leader, operator) = (open(), open());
    assert_eq!(operator.break_lease(None).await.expect("no error"), Duration::ZERO, "there is not even a blob");

    let (first, second) = (claim("first"), claim("second"));
    assert!(matches!(leader.try_acquire((&first).into()).await, Ok(Acquire::Granted(_))));
    let free_in = operator.break_lease(None).await.expect("broken");
    assert!(free_in > Duration::ZERO && free_in <= Duration::from_secs(15), "the lease still runs: {free_in:?}");
    assert_eq!(leader.renew(&first).await.expect("an answer"), Renew::Lost(Loss::Broken));
    assert!(matches!(operator.try_acquire((&second).into()).await, Ok(Acquire::Held(_))), "nobody leads meanwhile");

    assert_eq!(operator.break_lease(Some(Duration::ZERO)).await.expect("broken"), Duration::ZERO);
    assert!(matches!(operator.try_acquire((&second).into()).await, Ok(Acquire::Granted(_))));
    for period in [Duration::from_millis(1500), Duration::from_secs(61)] {
        let error = operator.break_lease(Some(period)).await.expect_err("no period of a blob's");
        assert_eq!(error.kind(), ErrorKind::InvalidSetting);
    }
    assert_eq!(operator.renew(&second).await.expect("an answer"), Renew::Renewed, "nothing was broken");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_that_is_deleted_under_a_leader_ends_the_leadership_and_tokens_rise_all_the_same() {
    let azurite = Azurite::http().await;
    let mut worker = Worker::start(azurite, &names::unique("deleted")).await;
    operator::container_client(azurite, &worker.container).delete(None).await.expect("deleted");
    let (token, reason, _) = worker.ended().await;
    assert_eq!(reason, EndReason::LeaseLost);
    assert!(worker.elected().await.fencing_token() > token, "tokens rise over a deletion");
    worker.stop().await;
}

/// Invariant 14, end to end: metadata that cannot be read is an error, and stays as it is.
#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_a_stranger_spoiled_is_an_error_and_is_not_overwritten() {
    let azurite = Azurite::http().await;
    let container = names::unique("spoiled");
    let mutex = BlobDistributedMutex::for_emulator(&azurite.container_url(&container), "nightly").expect("valid");
    let claim = Claim::new(HolderId::new("a").expect("valid"), Duration::from_secs(15));
    mutex.try_acquire((&claim).into()).await.expect("granted");
    mutex.release(&claim).await.expect("released");

    let blob = operator::blob_client(azurite, &container, "nightly");
    let spoiled = [("leadertoken".to_owned(), "seven".to_owned()), ("team".to_owned(), "billing".to_owned())].into();
    blob.set_metadata(&spoiled, None).await.expect("written");
    let claim = Claim::new(HolderId::new("b").expect("valid"), Duration::from_secs(15));
    let error = mutex.try_acquire((&claim).into()).await.expect_err("refused");
    assert_eq!(error.kind(), azure_leader_election::ErrorKind::CorruptRecord);
    assert!(mutex.observe().await.is_err(), "an observer is told as well");

    use azure_storage_blob::models::BlobClientGetPropertiesResultHeaders;
    let properties = blob.get_properties(None).await.expect("read");
    assert_eq!(properties.metadata().expect("readable"), spoiled);
    assert_eq!(properties.lease_state().expect("readable"), Some(azure_storage_blob::models::LeaseState::Available));
}

/// A host on a container of its own that leads, and what can be seen of it.
struct Worker {
    container: String,
    leader: Leadership,
    leaders: mpsc::UnboundedReceiver<Leadership>,
    renewals: mpsc::UnboundedReceiver<Step>,
    events: LeaderEvents,
    shutdown: CancellationToken,
    run: JoinHandle<azure_leader_election::Result<()>>,
}

impl Worker {
    const BLOB: &str = "nightly";

    async fn start(azurite: &Azurite, container: &str) -> Self {
        let (seen, renewals) = mpsc::unbounded_channel();
        let (elected, mut leaders) = mpsc::unbounded_channel();
        let inner = BlobDistributedMutex::for_emulator(&azurite.container_url(container), Self::BLOB).expect("valid");
        let host = LeaderHost::new(Watched { inner, seen });
        let events = host.events();
        let shutdown = CancellationToken::new();
        let stop = shutdown.clone();
        let run = tokio::spawn(async move {
            let delegate = move |leader: Leadership| {
                let elected = elected.clone();
                async move {
                    elected.send(leader.clone())?;
                    leader.token().cancelled().await;
                    Ok(())
                }
            };
            host.run_task_when_mutex_acquired(stop, delegate).await
        });
        let leader = within(leaders.recv()).await.expect("elected");
        Self { container: container.to_owned(), leader, leaders, renewals, events, shutdown, run }
    }

    async fn renewal(&mut self, wanted: impl Fn(Step) -> bool) {
        while !wanted(within(self.renewals.recv()).await.expect("a renewal")) {}
    }

    async fn elected(&mut self) -> Leadership {
        within(self.leaders.recv()).await.expect("elected")
    }

    async fn ended(&mut self) -> (FencingToken, EndReason, Option<String>) {
        loop {
            if let Some(LeaderEvent::Ended { fencing_token, reason, detail, .. }) = within(self.events.recv()).await {
                return (fencing_token, reason, detail);
            }
        }
    }

    async fn stop(self) {
        self.shutdown.cancel();
        within(self.run).await.expect("no panic").expect("a clean end");
    }
}

async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("within the test's patience")
}

/// A step of a renewal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Sent,
    Renewed,
}

/// A mutex whose renewals can be watched.
#[derive(Debug)]
struct Watched {
    inner: BlobDistributedMutex,
    seen: mpsc::UnboundedSender<Step>,
}

#[async_trait]
impl DistributedMutex for Watched {
    async fn try_acquire(&self, request: AcquireRequest<'_>) -> azure_leader_election::Result<Acquire> {
        self.inner.try_acquire(request).await
    }

    async fn renew(&self, claim: &Claim) -> azure_leader_election::Result<Renew> {
        let _ = self.seen.send(Step::Sent);
        let renewed = self.inner.renew(claim).await;
        if matches!(renewed, Ok(Renew::Renewed)) {
            let _ = self.seen.send(Step::Renewed);
        }
        renewed
    }

    async fn release(&self, claim: &Claim) -> azure_leader_election::Result<()> {
        self.inner.release(claim).await
    }

    async fn observe(&self) -> azure_leader_election::Result<Observation> {
        self.inner.observe().await
    }
}
