//! What a person is told, and what nobody is shown.

use std::time::Duration;

use azure_leader_election::{DistributedMutex, ErrorKind, ServiceBusDistributedMutex};
use testbroker::{Broker, Settings};

use super::common::{QUEUE, broker, claim, granted, held, mutex, queue_at};

const LEASE: Duration = Duration::from_secs(3);

async fn refusal(broker: &Broker, queue: &str, key: &str) -> azure_leader_election::Error {
    let key = format!("Endpoint=sb://{}/;{key}", broker.address());
    let mutex =
        ServiceBusDistributedMutex::with_connection_string(queue_at(broker.address(), queue), "nightly", key.into());
    let mutex = mutex.expect("valid");
    let error = mutex.try_acquire((&claim("a", LEASE)).into()).await.expect_err("refused");
    let all = format!("{error} {error:?} {mutex:?}");
    assert!(!all.contains("U0VDUkVU") && !all.contains("SAS_KEY_VALUE") && !all.contains("sig="), "{all}");
    error
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_human_must_mend_says_how() {
    let broker = broker(Duration::from_secs(5));
    let root = "SharedAccessKeyName=RootManageSharedAccessKey;SharedAccessKey=SAS_KEY_VALUE";
    for (queue, key, kind, word) in [
        ("plain", root, ErrorKind::InvalidSetting, "Standard or Premium"),
        ("nowhere", root, ErrorKind::Denied, "Data Receiver"),
        (QUEUE, "SharedAccessKeyName=RootManageSharedAccessKey;SharedAccessKey=U0VDUkVU", ErrorKind::Denied, "key"),
        (QUEUE, "SharedAccessKeyName=listens;SharedAccessKey=bGlzdGVucw==", ErrorKind::Denied, "Data Sender"),
    ] {
        // A namespace tells nobody without rights which queues it has; with them it does.
        let error = refusal(&broker, queue, key).await;
        if queue == "nowhere" {
            assert!(matches!(error.kind(), ErrorKind::Denied | ErrorKind::NotFound), "{error}");
            continue;
        }
        assert_eq!(error.kind(), kind, "{queue}: {error}");
        assert!(error.to_string().contains(word), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_there_is_a_transient_error_that_names_the_host() {
    let address = broker(LEASE).address();
    let mutex = super::common::mutex_at(address, "nightly");
    let error = mutex.try_acquire((&claim("a", LEASE)).into()).await.expect_err("nobody listens");
    assert_eq!(error.kind(), ErrorKind::Unreachable, "{error}");
    assert!(error.to_string().contains("127.0.0.1"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_that_is_shorter_than_a_renewal_period_is_refused_and_frees_the_session() {
    let broker = broker(Duration::from_secs(2));
    let mutex = mutex(&broker, "nightly");
    let error = mutex.try_acquire((&claim("a", Duration::from_secs(15))).into()).await.expect_err("too short");
    assert_eq!(error.kind(), ErrorKind::InvalidSetting);
    assert!(error.to_string().contains("lockDuration"), "{error}");
    assert!(!broker.world().is_locked(QUEUE, "nightly"));
    granted(&mutex, &claim("a", LEASE)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_that_cannot_be_understood_is_left_as_it_is_and_keeps_nobody_out() {
    let broker = broker(Duration::from_secs(5));
    for state in [&b"{}"[..], b"", b"\xff", b"[1]"] {
        broker.world().set_state(QUEUE, "nightly", Some(state.to_vec()));
        let mutex = mutex(&broker, "nightly");
        for _ in 0..2 {
            let error = mutex.try_acquire((&claim("a", LEASE)).into()).await.expect_err("corrupt");
            assert_eq!(error.kind(), ErrorKind::CorruptRecord, "{error}");
            assert!(!broker.world().is_locked(QUEUE, "nightly"), "the next one may see it too");
        }
        assert_eq!(broker.world().state(QUEUE, "nightly").as_deref(), Some(state));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_no_card_costs_no_more_than_the_leaders_name() {
    let broker = broker(Duration::from_secs(5));
    let (leader, candidate) = (mutex(&broker, "nightly"), mutex(&broker, "nightly"));
    granted(&leader, &claim("a", LEASE)).await;
    broker.world().put_message(QUEUE, "nightly", "hello");
    assert_eq!(leader.observe().await.expect_err("no card").kind(), ErrorKind::CorruptRecord);
    assert_eq!(held(&candidate, &claim("b", LEASE)).await.leader, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_black_hole_hangs_no_caller() {
    let broker = Broker::start(Settings::default());
    let link = testservers::Link::start(broker.address());
    let mutex = super::common::mutex_at(link.address(), "nightly");
    let a = claim("a", LEASE);
    granted(&mutex, &a).await;
    link.cut(testservers::Direction::Both);
    let error = mutex.renew(&a).await.expect_err("a black hole");
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
    assert_eq!(mutex.observe().await.expect_err("a black hole").kind(), ErrorKind::Timeout);
}
