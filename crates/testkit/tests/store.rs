//! The store does what its script says, in virtual time.

#![allow(clippy::expect_used, clippy::unwrap_used)]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use leader_election::document::DocumentMutex;
use leader_election::{Acquire, Claim, DistributedMutex, ErrorKind, HolderId, MemoryMutex, Operation, Renew};
use testkit::Answer;
use testkit::store::{Fault, LeaseService, MemoryDocument, Onlooker, Rules, ScriptedStore};
use tokio::time::{Instant, sleep, timeout};

const LEASE: Duration = Duration::from_secs(15);
const SECOND: Duration = Duration::from_secs(1);

#[derive(Debug, Clone, Default)]
struct Seen(Arc<Mutex<Vec<String>>>);

impl Seen {
    fn note(&self, what: String) {
        self.0.lock().unwrap().push(what);
    }

    fn count(&self, what: &str) -> usize {
        self.0.lock().unwrap().iter().filter(|seen| *seen == what).count()
    }
}

impl Onlooker for Seen {
    fn sent(&self, operation: Operation, _: &Claim, _: bool) -> Option<u64> {
        self.note(operation.to_string());
        Some(0)
    }

    fn granted(&self, _: &Claim) {
        self.note("granted".to_owned());
    }

    fn broken(&self, _: &Claim) {
        self.note("broken".to_owned());
    }

    fn heard(&self, _: &Claim, _: u64, answer: Option<Answer>) {
        self.note(answer.map_or("gave up".to_owned(), |answer| format!("{answer:?}")));
    }
}

fn claim(name: &str) -> Claim {
    Claim::new(HolderId::new(name).unwrap(), LEASE)
}

fn store() -> (ScriptedStore, Seen) {
    let seen = Seen::default();
    (ScriptedStore::new(MemoryMutex::new(), seen.clone()), seen)
}

async fn is_granted(store: &ScriptedStore, claim: &Claim) -> bool {
    matches!(store.try_acquire(claim.into()).await, Ok(Acquire::Granted(_)))
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_is_waited_for_in_vain_though_the_request_is_carried_out() {
    let (store, seen) = store();
    store.next(Operation::Acquire, Fault::LoseReply);
    assert!(timeout(SECOND, store.try_acquire((&claim("a")).into())).await.is_err());
    assert!(!is_granted(&store, &claim("b")).await, "the lease is taken");
    assert_eq!((seen.count("granted"), seen.count("gave up"), seen.count("Held")), (1, 1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_late_request_arrives_though_nobody_waits_for_it() {
    let (store, seen) = store();
    store.next(Operation::Acquire, Fault::Late(SECOND * 3));
    assert!(timeout(SECOND, store.try_acquire((&claim("a")).into())).await.is_err());
    assert_eq!(seen.count("granted"), 0);
    sleep(SECOND * 3).await;
    assert_eq!(seen.count("granted"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_late_duplicate_prolongs_the_lease_of_a_claim_that_asks_no_more() {
    let (store, seen) = store();
    store.next(Operation::Acquire, Fault::Twice(SECOND * 10));
    assert!(is_granted(&store, &claim("a")).await);
    sleep(SECOND * 16).await;
    assert_eq!(seen.count("granted"), 2);
    assert!(!is_granted(&store, &claim("b")).await);
    sleep(SECOND * 10).await;
    assert!(is_granted(&store, &claim("b")).await);
}

#[tokio::test(start_paused = true)]
async fn in_an_outage_everything_fails_by_this_way_and_nothing_by_another() {
    let (store, _) = store();
    store.take_down(Instant::now() + SECOND);
    let error = store.try_acquire((&claim("a")).into()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(is_granted(&store.handle(), &claim("b")).await);
    sleep(SECOND).await;
    assert!(store.try_acquire((&claim("a")).into()).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_is_broken_is_free_and_its_holder_is_told() {
    let (store, seen) = store();
    let own = claim("a");
    assert!(is_granted(&store, &own).await);
    store.handle().break_lease().await.unwrap();
    assert_eq!(seen.count("broken"), 1);
    assert!(matches!(store.renew(&own).await, Ok(Renew::Lost(_))));
    assert!(is_granted(&store, &claim("b")).await);
}

#[tokio::test(start_paused = true)]
async fn any_store_can_be_behind_the_way() {
    let document = DocumentMutex::new(MemoryDocument::new(usize::MAX));
    let store = ScriptedStore::new(document, Seen::default());
    store.next(Operation::Acquire, Fault::Fail(ErrorKind::Throttled));
    assert_eq!(store.try_acquire((&claim("a")).into()).await.unwrap_err().kind(), ErrorKind::Throttled);
    assert!(is_granted(&store, &claim("a")).await);
}

#[test]
fn the_service_without_time_of_its_own_lets_leases_run_out_and_counts_tokens() {
    let mut service = LeaseService::new(Rules::default());
    let (first, second) = (claim("a"), claim("b"));
    let token = |effect: testkit::store::Effect<Acquire>| match effect.answer {
        Ok(Acquire::Granted(grant)) => Some(grant.fencing_token.get()),
        _ => None,
    };
    let before = token(service.acquire(SECOND, (&first).into())).expect("it is free");
    assert_eq!(token(service.acquire(SECOND * 15, (&second).into())), None);
    assert_eq!(token(service.acquire(SECOND * 16, (&second).into())), Some(before + 1));
    assert!(matches!(service.renew(SECOND * 17, first.id).answer, Ok(Renew::Lost(_))));
}
