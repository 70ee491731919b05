//! Answers that come late, twice or never; a service that is busy; links that fall between two requests.

use std::time::Duration;

use azure_leader_election::{Acquire, AcquireRequest, DistributedMutex, ErrorKind, Renew};
use testbroker::faults::What;
use testbroker::{Broker, Fault, Settings};

use super::common::{QUEUE, broker, claim, granted, held, mutex, until};

const LEASE: Duration = Duration::from_secs(5);
const LOCK: Duration = Duration::from_secs(60);
const GET: &str = "com.microsoft:get-session-state";
const SET: &str = "com.microsoft:set-session-state";
const RENEW: &str = "com.microsoft:renew-session-lock";
const PEEK: &str = "com.microsoft:peek-message";

/// Whichever answer is lost: the outcome is unknown, and the repetition settles it.
#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_is_settled_by_the_next_attempt() {
    for operation in [GET, SET, RENEW, "put-token"] {
        let broker = broker(LOCK);
        let leader = mutex(&broker, "nightly");
        let a = claim("a", LEASE);
        broker.world().order(Fault::new(operation, What::Lose, 1));
        let lost = leader.try_acquire((&a).into()).await.expect_err("no answer");
        assert_eq!(lost.kind(), ErrorKind::Timeout, "{operation}: {lost}");
        let again = AcquireRequest::new(&a).with_unsettled(true);
        let token = until("granted", || async {
            match leader.try_acquire(again).await {
                Ok(Acquire::Granted(grant)) => Some(grant.fencing_token),
                other => {
                    println!("{operation}: {other:?}");
                    None
                }
            }
        })
        .await;
        assert_eq!(granted(&leader, again).await, token, "{operation}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_to_a_renewal_costs_no_term() {
    let broker = broker(LOCK);
    let leader = mutex(&broker, "nightly");
    let a = claim("a", LEASE);
    granted(&leader, &a).await;
    broker.world().order(Fault::new(RENEW, What::Lose, 1));
    assert_eq!(leader.renew(&a).await.expect_err("no answer").kind(), ErrorKind::Timeout);
    let renewed = until("an answer", || async { leader.renew(&a).await.ok() }).await;
    assert_eq!(renewed, Renew::Renewed);
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_come_twice_or_after_the_next_request_are_told_apart() {
    let broker = broker(LOCK);
    let leader = mutex(&broker, "nightly");
    let a = claim("a", LEASE);
    for operation in [GET, SET, RENEW, PEEK] {
        broker.world().order(Fault::new(operation, What::Double, 100));
    }
    let token = granted(&leader, &a).await;
    for _ in 0..5 {
        assert_eq!(leader.renew(&a).await.expect("it leads"), Renew::Renewed);
        assert_eq!(granted(&leader, &a).await, token);
    }
    broker.world().clear_faults();
    // The renewal's answer overtakes that of the read which went out with it.
    broker.world().order(Fault::new(RENEW, What::Delay(Duration::from_millis(100)), 10));
    assert_eq!(granted(&leader, &a).await, token);
    leader.release(&a).await.expect("released");
    assert!(!leader.observe().await.expect("an answer").is_held());
}

/// A call that is dropped is carried out by itself, and leaves no session behind that keeps the next one out.
#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_call_keeps_nobody_out() {
    let broker = broker(LOCK);
    let leader = mutex(&broker, "nightly");
    for pause in [0, 1, 2, 4, 6, 8, 10, 15] {
        let a = claim("a", LEASE);
        drop(tokio::time::timeout(Duration::from_millis(pause), leader.try_acquire((&a).into())).await);
        let answer = leader.try_acquire(AcquireRequest::new(&a).with_unsettled(true)).await.expect("an answer");
        assert!(matches!(answer, Acquire::Granted(_)), "dropped after {pause} ms: {answer:?}");
        leader.release(&a).await.expect("released");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_service_is_a_transient_error_and_no_loss() {
    let broker = broker(LOCK);
    let (leader, candidate) = (mutex(&broker, "nightly"), mutex(&broker, "nightly"));
    let (a, b) = (claim("a", LEASE), claim("b", LEASE));
    broker.world().order(Fault::new("attach", What::Busy, 100));
    // On a machine under load the reason of a refusal can be crossed by the client's answer to it; then it is asked for again.
    until("told that it is busy", || async {
        let error = leader.try_acquire((&a).into()).await.expect_err("busy");
        assert!(error.is_transient(), "{error}");
        (error.kind() == ErrorKind::Throttled).then_some(())
    })
    .await;
    broker.world().clear_faults();
    granted(&leader, &a).await;
    broker.world().order(Fault::new(RENEW, What::Busy, 1));
    assert_eq!(leader.renew(&a).await.expect_err("busy").kind(), ErrorKind::Throttled);
    assert_eq!(leader.renew(&a).await.expect("it leads"), Renew::Renewed);
    held(&candidate, &b).await;
}

/// The link falls after the record was written and before that was answered. Also where a service takes a state from whoever asks.
#[tokio::test(flavor = "multi_thread")]
async fn a_grant_is_given_only_while_the_session_is_still_had() {
    for takes_any_state in [false, true] {
        let broker = Broker::start(Settings { lock: LOCK, takes_any_state, ..Settings::default() });
        for operation in [GET, SET] {
            let election = format!("nightly-{operation}").replace(':', "-");
            let leader = mutex(&broker, &election);
            let a = claim("a", LEASE);
            broker.world().order(Fault::new(operation, What::Detach, 1));
            let answer = leader.try_acquire((&a).into()).await.expect("an answer");
            assert!(matches!(answer, Acquire::Held(_)), "{operation}: {answer:?}");
            granted(&leader, &a).await;
            assert!(broker.world().is_locked(QUEUE, &election));
        }
    }
}

/// Old cards do not pile up, and a card that was not taken is sent with a renewal.
#[tokio::test(flavor = "multi_thread")]
async fn there_is_one_card_a_term_and_older_ones_go() {
    let broker = broker(LOCK);
    let leader = mutex(&broker, "nightly");
    for _ in 0..4 {
        let a = claim("a", LEASE);
        granted(&leader, &a).await;
        leader.renew(&a).await.expect("it leads");
        until("older cards are gone", || async { (broker.world().messages(QUEUE, "nightly") == 1).then_some(()) })
            .await;
        leader.release(&a).await.expect("released");
    }
    until("older cards are gone", || async { (broker.world().messages(QUEUE, "nightly") == 1).then_some(()) }).await;
}
