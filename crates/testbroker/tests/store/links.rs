//! What a session's link has to do with who leads.

use std::time::Duration;

use azure_leader_election::{AcquireRequest, DistributedMutex, Loss, Renew};
use testservers::{Direction, Link};

use super::common::{QUEUE, broker, claim, granted, held, mutex, mutex_at, until};

const LEASE: Duration = Duration::from_secs(2);
const LOCK: Duration = Duration::from_secs(60);

/// A candidate watches the leader's record over its own link. The link falls, the leader has the session again and renews, which does not write
/// the record; then the candidate gets the session once more, and the record looks as it did.
#[tokio::test(flavor = "multi_thread")]
async fn a_sighting_ends_with_its_link() {
    let broker = broker(LOCK);
    let (leader, candidate) = (mutex(&broker, "nightly"), mutex(&broker, "nightly"));
    let (a, b) = (claim("a", LEASE), claim("b", LEASE));
    granted(&leader, &a).await;

    // Nobody is told, so the candidate is the first to come; and not the first time that it sees this record.
    broker.world().forget_all();
    assert_eq!(held(&candidate, &b).await.version, None, "courtesy");
    let sighting = held(&candidate, &b).await.version.expect("the candidate has the session");

    broker.world().forget_all();
    assert_eq!(leader.renew(&a).await.expect("the session is free, and the record the leader's"), Renew::Renewed);
    tokio::time::sleep(LEASE).await;
    assert_eq!(leader.renew(&a).await.expect("as ever"), Renew::Renewed, "two leases long it leads");

    broker.world().forget_all();
    let lapsed = AcquireRequest::new(&b).with_lapsed(Some(&sighting));
    let seen = held(&candidate, lapsed).await;
    assert_ne!(seen.version, Some(sighting), "seen over another link it is another sighting");
    assert!(leader.renew(&a).await.expect_err("the candidate has the session").is_transient());
}

/// The service tears a link off, and the leader's lease runs. Whoever comes next waits for a whole lease.
#[tokio::test(flavor = "multi_thread")]
async fn a_forced_detach_under_a_running_lease_lets_nobody_else_lead() {
    let broker = broker(LOCK);
    let (leader, candidate) = (mutex(&broker, "nightly"), mutex(&broker, "nightly"));
    let (a, b) = (claim("a", LEASE), claim("b", LEASE));
    for round in 0..5 {
        let token = granted(&leader, &a).await;
        broker.world().detach_all();
        let seen = candidate.try_acquire((&b).into()).await.expect("an answer");
        assert!(matches!(seen, azure_leader_election::Acquire::Held(_)), "round {round}: {seen:?}");
        // It comes back by itself, without a renewal, before the candidate's next poll.
        until("the leader has the session", || async { broker.world().is_locked(QUEUE, "nightly").then_some(()) })
            .await;
        assert_eq!(held(&candidate, &b).await.version, None, "round {round}: somebody else has the session");
        assert_eq!(leader.renew(&a).await.expect("it leads"), Renew::Renewed, "round {round}");
        assert_eq!(granted(&leader, &a).await, token, "the same term");
    }
}

/// Where the leader is gone, its record is waited out: not a moment less, and by the very link that has seen it.
#[tokio::test(flavor = "multi_thread")]
async fn a_dead_leaders_record_is_waited_out_and_then_replaced() {
    let broker = broker(LOCK);
    let (a, b) = (claim("a", LEASE), claim("b", LEASE));
    let leader = mutex(&broker, "nightly");
    let first = granted(&leader, &a).await;
    drop(leader);
    until("its connection is closed", || async { (!broker.world().is_locked(QUEUE, "nightly")).then_some(()) }).await;

    let candidate = mutex(&broker, "nightly");
    let met = held(&candidate, &b).await;
    assert_eq!((met.version, met.lease), (None, Some(LEASE)));
    assert!(met.retry_after.is_some_and(|wait| wait < LEASE), "it comes again soon");
    let seen = held(&candidate, &b).await;
    assert_eq!(held(&candidate, &b).await.version, seen.version, "it stands still");
    let second = granted(&candidate, AcquireRequest::new(&b).with_lapsed(seen.version.as_ref())).await;
    assert!(second > first);
}

/// A leader that stands still, its connection open, keeps the session for as long as the lock lasts.
#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_leader_keeps_the_session_until_its_lock_expires() {
    let broker = broker(Duration::from_secs(1));
    let link = Link::start(broker.address());
    let (leader, candidate) = (mutex_at(link.address(), "nightly"), mutex(&broker, "nightly"));
    let (a, b) = (claim("a", LEASE), claim("b", LEASE));
    granted(&leader, &a).await;
    link.cut(Direction::Both);
    assert_eq!(held(&candidate, &b).await.version, None);
    assert!(broker.world().is_locked(QUEUE, "nightly"));
    let sighting = until("the lock expires", || async { held(&candidate, &b).await.version }).await;
    let token = granted(&candidate, AcquireRequest::new(&b).with_lapsed(Some(&sighting))).await;

    // It comes back, and is told.
    link.mend();
    let lost = until("an answer", || async { leader.renew(&a).await.ok() }).await;
    assert_eq!(lost, Renew::Lost(Loss::Taken));
    leader.release(&a).await.expect("nothing of its own is left");
    assert_eq!(candidate.observe().await.expect("an answer").leader().expect("it leads").fencing_token, token);
    assert_eq!(candidate.renew(&b).await.expect("it leads"), Renew::Renewed);
}

/// A connection that is reset costs no term: the leader comes again, by its claim.
#[tokio::test(flavor = "multi_thread")]
async fn a_reset_connection_costs_no_term() {
    let broker = broker(LOCK);
    let link = Link::start(broker.address());
    let leader = mutex_at(link.address(), "nightly");
    let a = claim("a", LEASE);
    let token = granted(&leader, &a).await;
    link.reset();
    until("the leader has the session again, unasked", || async {
        broker.world().is_locked(QUEUE, "nightly").then_some(())
    })
    .await;
    let renewed = until("an answer", || async { leader.renew(&a).await.ok() }).await;
    assert_eq!(renewed, Renew::Renewed);
    assert_eq!(granted(&leader, &a).await, token);
}

/// Links without a use are closed after ten minutes; a renewal that names its link is one.
#[tokio::test(flavor = "multi_thread")]
async fn renewals_keep_a_silent_link_from_being_closed_as_idle() {
    use testbroker::{Broker, Settings};
    let broker = Broker::start(Settings { lock: LOCK, idle: Duration::from_millis(600), ..Settings::default() });
    let leader = mutex(&broker, "nightly");
    let a = claim("a", LEASE);
    granted(&leader, &a).await;
    let accepts = broker.world().counted("attach");
    for _ in 0..8 {
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert_eq!(leader.renew(&a).await.expect("it leads"), Renew::Renewed);
    }
    assert_eq!(broker.world().counted("attach"), accepts, "by the same link all the time");
    until("without renewals it is closed", || async { (broker.world().counted("attach") > accepts).then_some(()) })
        .await;
}

/// A process that renews no more must not take the session back for ever.
#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_renews_no_more_gives_the_session_up_with_its_lease() {
    let broker = broker(LOCK);
    let leader = mutex(&broker, "nightly");
    let a = claim("a", Duration::from_secs(1));
    granted(&leader, &a).await;
    broker.world().detach_all();
    until("the leader has the session again", || async { broker.world().is_locked(QUEUE, "nightly").then_some(()) })
        .await;
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    let accepts = broker.world().counted("attach");
    broker.world().detach_all();
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!broker.world().is_locked(QUEUE, "nightly"), "its lease has run out");
    assert_eq!(broker.world().counted("attach"), accepts);
}
