//! Waiting at the service for the session.

use std::time::Duration;

use azure_leader_election::{Acquire, DistributedMutex, ErrorKind, ServiceBusDistributedMutex, ServiceBusMutexOptions};
use testbroker::Broker;

use super::common::{broker, claim, granted, held, queue_at, until};

const LEASE: Duration = Duration::from_secs(5);
const LOCK: Duration = Duration::from_secs(60);
const GET: &str = "com.microsoft:get-session-state";
const SET: &str = "com.microsoft:set-session-state";
const RENEW: &str = "com.microsoft:renew-session-lock";

fn waiting(broker: &Broker, election: &str) -> ServiceBusDistributedMutex {
    let key = broker.connection_string().into();
    ServiceBusDistributedMutex::with_connection_string(queue_at(broker.address(), "push"), election, key)
        .and_then(|mutex| mutex.with_options(ServiceBusMutexOptions { push: true, ..Default::default() }))
        .expect("valid")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_session_is_handed_over_as_soon_as_it_is_released_and_three_requests_later_the_next_one_leads() {
    let broker = broker(LOCK);
    let (leader, standby) = (waiting(&broker, "nightly"), waiting(&broker, "nightly"));
    let (a, b) = (claim("a", LEASE), claim("b", LEASE));
    let first = granted(&leader, &a).await;
    assert_eq!(held(&standby, &b).await.leader.expect("by the card").holder.as_str(), "a");
    let accepts = broker.world().counted("attach");
    for _ in 0..5 {
        held(&standby, &b).await;
    }
    assert_eq!(broker.world().counted("attach"), accepts, "one wait, however often it looks");

    let news = {
        let standby = standby.clone();
        tokio::spawn(async move { standby.changed().await })
    };
    leader.release(&a).await.expect("released");
    tokio::time::timeout(Duration::from_secs(10), news).await.expect("the standby is told").expect("no panic");
    let asked = || [GET, SET, RENEW].map(|request| broker.world().counted(request)).iter().sum::<u64>();
    let before = asked();
    let second = granted(&standby, &b).await;
    assert!(second > first);
    assert_eq!(asked() - before, 3, "the state is read, written, and the session made sure of");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_with_other_sessions_is_refused() {
    let broker = broker(LOCK);
    let leader = waiting(&broker, "nightly");
    granted(&leader, &claim("a", LEASE)).await;
    broker.world().put_message("push", "another", "hello");
    let (standby, b) = (waiting(&broker, "nightly"), claim("b", LEASE));
    let refusal = until("the wait brings another session", || async {
        match standby.try_acquire((&b).into()).await {
            Ok(Acquire::Held(_)) => None,
            other => Some(other.expect_err("not granted")),
        }
    })
    .await;
    assert_eq!(refusal.kind(), ErrorKind::InvalidSetting);
    assert!(refusal.to_string().contains("one election alone"), "{refusal}");
}

/// What is on record is waited out as ever, also when the session was handed over.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_of_a_dead_leader_that_is_handed_over_is_left_once_and_waited_out_then() {
    let broker = broker(LOCK);
    let (leader, standby) = (waiting(&broker, "nightly"), waiting(&broker, "nightly"));
    let b = claim("b", LEASE);
    granted(&leader, &claim("a", LEASE)).await;
    held(&standby, &b).await;
    drop(leader);
    tokio::time::timeout(Duration::from_secs(10), standby.changed()).await.expect("told");
    let met = held(&standby, &b).await;
    assert!(met.version.is_none() && met.lease == Some(LEASE), "{met:?}");
    assert!(held(&standby, &b).await.version.is_some());
}
