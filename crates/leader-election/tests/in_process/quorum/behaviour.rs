//! What a quorum does beyond the contract: no member holds up the rest, and members that were lost come back.

use std::sync::Arc;
use std::time::Duration;

use leader_election::{
    Acquire, AcquireRequest, Claim, DistributedMutex, ErrorKind, FencingToken, HolderId, LeaderData, LeaseState,
    MemoryMutex, QuorumMutex, Renew, SideName,
};
use tokio::time::Instant;

use super::member::{Kept, Reached, Way};

const LEASE: Duration = Duration::from_secs(15);
/// Longer than all that is answered takes; a request that nobody answers takes a lease.
const AT_ONCE: Duration = Duration::from_secs(1);

fn claim(holder: &str) -> Claim {
    Claim::new(HolderId::new(holder).expect("valid"), LEASE)
}

/// Ways to members that are kept here.
fn reach(kept: &[Kept]) -> Vec<Reached> {
    kept.iter().map(|kept| Reached::new(kept.open(), Way::Fine)).collect()
}

fn quorum(members: &[Reached]) -> QuorumMutex {
    QuorumMutex::new(members.iter().map(|member| Arc::new(member.clone()) as _)).expect("an odd number")
}

async fn granted(mutex: &QuorumMutex, request: AcquireRequest<'_>) -> FencingToken {
    match mutex.try_acquire(request).await {
        Ok(Acquire::Granted(grant)) => grant.fencing_token,
        other => panic!("a majority is free: {other:?}"),
    }
}

fn requests(members: &[Reached]) -> Vec<usize> {
    members.iter().map(Reached::requests).collect()
}

/// What was left to itself is carried out.
async fn settle() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

#[tokio::test(start_paused = true)]
async fn no_member_holds_up_the_rest() {
    for kept in [Kept::lease as fn() -> Kept, Kept::document] {
        let members = reach(&[kept(), kept(), kept(), kept(), kept()]);
        members[0].set(Way::BlackHole);
        members[3].set(Way::BlackHole);
        let (mutex, other) = (quorum(&members), quorum(&members));
        let (a, b) = (claim("a"), claim("b"));
        let began = Instant::now();
        for _ in 0..10 {
            granted(&mutex, (&a).into()).await;
            for _ in 0..3 {
                assert_eq!(mutex.renew(&a).await.expect("a majority answers"), Renew::Renewed);
            }
            assert!(matches!(other.try_acquire((&b).into()).await, Ok(Acquire::Held(_))));
            assert!(other.observe().await.expect("a majority answers").is_held());
            mutex.release(&a).await.expect("a majority answers");
        }
        assert!(began.elapsed() < AT_ONCE, "{:?}", began.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn requests_to_a_black_hole_never_pile_up_and_end_with_the_quorum() {
    let members = reach(&[Kept::lease(), Kept::lease(), Kept::lease()]);
    members[1].set(Way::BlackHole);
    let open = || members[1].open.load(std::sync::atomic::Ordering::SeqCst);
    let (mutex, a) = (quorum(&members), claim("a"));
    let mut most = 0;
    for _ in 0..200 {
        granted(&mutex, (&a).into()).await;
        assert_eq!(mutex.renew(&a).await.expect("a majority answers"), Renew::Renewed);
        mutex.observe().await.expect("a majority answers");
        mutex.release(&a).await.expect("a majority answers");
        settle().await;
        most = most.max(open());
    }
    assert!(members[1].requests() > 600 && most <= 4, "{most} at once: one look, acquire, renewal and release");
    drop(mutex);
    settle().await;
    assert_eq!(open(), 0, "the quorum is gone");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_dropped_drops_its_requests() {
    let members = reach(&[Kept::lease(), Kept::lease(), Kept::lease()]);
    members.iter().for_each(|member| member.set(Way::BlackHole));
    let (mutex, a) = (quorum(&members), claim("a"));
    for _ in 0..3 {
        assert!(tokio::time::timeout(Duration::from_secs(3), mutex.try_acquire((&a).into())).await.is_err());
        settle().await;
        assert!(members.iter().all(|member| member.open.load(std::sync::atomic::Ordering::SeqCst) == 0));
    }
}

#[tokio::test(start_paused = true)]
async fn an_election_is_two_rounds_a_renewal_one_and_a_poll_one_and_none_asks_twice() {
    let members = reach(&[Kept::lease(), Kept::document(), Kept::lease()]);
    let (mutex, other) = (quorum(&members), quorum(&members));
    let (a, b) = (claim("a"), claim("b"));
    let first = granted(&mutex, (&a).into()).await;
    settle().await;
    // The document's first token follows its clock, so the others are raised to it: once in the life of an election.
    let begun = requests(&members);
    assert!(begun.iter().all(|sent| (2..=3).contains(sent)), "a look, a request, perhaps a raise: {begun:?}");
    mutex.release(&a).await.expect("a majority answers");
    settle().await;

    let cost = async |call: &str, expected: usize, before: Vec<usize>| {
        settle().await;
        let sent: Vec<usize> = requests(&members).iter().zip(before).map(|(now, before)| now - before).collect();
        println!("{call}: {sent:?} requests to the members");
        assert_eq!(sent, [expected; 3], "{call}");
    };
    let before = requests(&members);
    let second = granted(&mutex, (&claim("a again")).into()).await;
    cost("an election", 2, before).await;
    assert!(second > first, "{second} follows {first}");
    let a = claim("a");
    let mutex = quorum(&members);
    let before = requests(&members);
    assert!(matches!(mutex.try_acquire((&a).into()).await, Ok(Acquire::Held(_))));
    cost("a poll of a standby", 1, before).await;
    drop(b);
    let before = requests(&members);
    other.observe().await.expect("a majority answers");
    cost("a look", 1, before).await;

    // Per hour, of a lease of 15 s: 720 renewals of the leader and 3,600 polls of a standby, at each member.
    let fresh = reach(&[Kept::lease(), Kept::lease(), Kept::lease()]);
    let (mutex, leader) = (quorum(&fresh), claim("leader"));
    granted(&mutex, (&leader).into()).await;
    settle().await;
    let before = requests(&fresh);
    for _ in 0..720 {
        assert_eq!(mutex.renew(&leader).await.expect("it leads"), Renew::Renewed);
    }
    settle().await;
    let sent: Vec<usize> = requests(&fresh).iter().zip(before).map(|(now, before)| now - before).collect();
    println!("720 renewals: {sent:?} requests to the members");
    assert_eq!(sent, [720; 3]);
}

#[tokio::test(start_paused = true)]
async fn a_standby_that_finds_a_majority_held_asks_nobody_for_the_lease() {
    let kept = [Kept::lease(), Kept::lease(), Kept::lease()];
    let members = reach(&kept);
    members[2].set(Way::Dead);
    let leader = quorum(&members);
    granted(&leader, (&claim("a")).into()).await;
    // The third member is there again, and free: a standby that took it would keep the leader from it.
    members[2].set(Way::Fine);
    let standby = quorum(&members);
    assert!(matches!(standby.try_acquire((&claim("b")).into()).await, Ok(Acquire::Held(_))));
    settle().await;
    assert!(!kept[2].open().observe().await.expect("in memory").is_held());
}

#[tokio::test(start_paused = true)]
async fn a_member_that_comes_back_is_taken_back_with_the_next_renewals() {
    for kept in [Kept::lease as fn() -> Kept, Kept::document] {
        let kept = [kept(), kept(), kept()];
        let members = reach(&kept);
        members[0].set(Way::BlackHole);
        let (mutex, a) = (quorum(&members), claim("a"));
        let data = LeaderData::new("http://a").expect("valid");
        let token = granted(&mutex, AcquireRequest::new(&a).with_data(Some(&data))).await;
        members[0].set(Way::Fine);
        for _ in 0..2 {
            assert_eq!(mutex.renew(&a).await.expect("it leads"), Renew::Renewed);
            settle().await;
        }
        let back = kept[0].open().observe().await.expect("in memory");
        let leader = back.leader().expect("it was taken back");
        assert_eq!((leader.fencing_token, &leader.holder, leader.data.as_ref()), (token, &a.holder, Some(&data)));
        // Now another one may be gone.
        members[1].set(Way::Dead);
        assert_eq!(mutex.renew(&a).await.expect("it leads"), Renew::Renewed);
    }
}

/// Nothing expires a record of a document: one that a dead candidate has left on a minority would stay for ever.
#[tokio::test(start_paused = true)]
async fn a_record_that_a_dead_candidate_left_is_replaced_by_the_leader() {
    let kept = [Kept::document(), Kept::document(), Kept::document()];
    let dead = claim("dead");
    assert!(matches!(kept[2].open().try_acquire((&dead).into()).await, Ok(Acquire::Granted(_))));
    let members = reach(&kept);
    let (mutex, a) = (quorum(&members), claim("a"));
    let token = granted(&mutex, (&a).into()).await;
    for _ in 0..3 {
        assert_eq!(mutex.renew(&a).await.expect("it leads"), Renew::Renewed);
        settle().await;
    }
    let leader = kept[2].open().observe().await.expect("in memory").leader().cloned().expect("held");
    assert!(leader.holder == a.holder && leader.fencing_token >= token, "{leader:?}");
}

/// A member that was broken by an operator before the others is not taken back over that.
#[tokio::test(start_paused = true)]
async fn a_member_that_was_broken_is_not_taken_back() {
    let kept = [Kept::document(), Kept::document(), Kept::document()];
    let members = reach(&kept);
    let (mutex, a) = (quorum(&members), claim("a"));
    granted(&mutex, (&a).into()).await;
    settle().await;
    kept[0].open().operator().expect("a document has one").break_lease(None).await.expect("held");
    for _ in 0..3 {
        assert_eq!(mutex.renew(&a).await.expect("a majority is not broken"), Renew::Renewed);
        settle().await;
    }
    let seen = kept[0].open().observe().await.expect("in memory");
    assert_eq!(seen.state, LeaseState::Breaking);
}

/// A release of an attempt that failed, or an acquire of one that was given up, may arrive when the same candidate leads.
#[tokio::test(start_paused = true)]
async fn a_late_release_of_an_attempt_that_failed_frees_nothing_of_the_term() {
    let kept = [Kept::lease(), Kept::lease(), Kept::lease()];
    let members = reach(&kept);
    let (mutex, other, a, b) = (quorum(&members), claim("b"), claim("a"), claim("c"));
    // Two members are held by others: the look of `a` comes before that.
    let slow = Duration::from_secs(5);
    members[0].set(Way::Fine);
    members[1].set(Way::Dead);
    members[2].set(Way::Dead);
    assert!(mutex.try_acquire((&a).into()).await.is_err(), "one member of three");
    members[1].set(Way::Fine);
    kept[1].open().try_acquire((&other).into()).await.expect("in memory");
    // It is granted the first member, refused at the second, and gives back what it has: late.
    members[2].set(Way::Fine);
    kept[2].open().try_acquire((&b).into()).await.expect("in memory");
    kept[1].open().release(&other).await.expect("in memory");
    let race = {
        let (mutex, a) = (&mutex, &a);
        async move { mutex.try_acquire(a.into()).await }
    };
    members[0].set(Way::Slow(slow));
    let granted_by_two = race.await;
    drop(granted_by_two);
    members[0].set(Way::Fine);
    kept[2].open().release(&b).await.expect("in memory");
    let token = granted(&mutex, (&a).into()).await;
    tokio::time::sleep(slow * 2).await;
    let seen = quorum(&members).observe().await.expect("all answer");
    assert_eq!(seen.leader().map(|leader| leader.fencing_token), Some(token), "what came late has freed nothing");
}

#[tokio::test(start_paused = true)]
async fn fewer_than_a_majority_is_an_error_that_names_the_members() {
    let members = reach(&[Kept::lease(), Kept::lease(), Kept::lease()]);
    let (mutex, a) = (quorum(&members), claim("a"));
    members[0].set(Way::Dead);
    members[2].set(Way::Denied);
    let error = mutex.try_acquire((&a).into()).await.expect_err("one of three");
    assert!(error.is_transient(), "one member may come back: {error}");
    assert!(error.to_string().contains("1: dead") && error.to_string().contains("3: denied"), "{error}");
    members[0].set(Way::Denied);
    let error = mutex.observe().await.expect_err("one of three");
    assert_eq!(error.kind(), ErrorKind::Denied, "no majority is left without a human");
    members[1].set(Way::Panics);
    assert!(mutex.observe().await.is_err(), "a panic of a member is its failure");
    members[0].set(Way::Fine);
    members[2].set(Way::Fine);
    assert!(mutex.observe().await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_member_that_is_gone_is_told_with_its_name_and_since_when() {
    let members = reach(&[Kept::lease(), Kept::lease(), Kept::lease()]);
    let sources = leader_election::Sources::seeded(7);
    let stores = ["westeurope", "northeurope", "francecentral"].into_iter().zip(&members);
    let named = stores.map(|(name, member)| (name, Arc::new(member.clone()) as Arc<dyn DistributedMutex>));
    let mutex = QuorumMutex::with_names(named).expect("three").with_sources(sources);
    assert!(mutex.members().iter().all(|member| member.fails_for.is_none()));
    members[1].set(Way::Dead);
    let a = claim("a");
    granted(&mutex, (&a).into()).await;
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert_eq!(mutex.renew(&a).await.expect("it leads"), Renew::Renewed);
        settle().await;
    }
    let told = mutex.members();
    assert_eq!(told[1].name, "northeurope");
    assert!(told[1].fails_for >= Some(LEASE) && told[1].failures >= 3, "{:?}", told[1]);
    assert!(told[1].last_error.as_ref().is_some_and(|error| error.to_string() == "dead"));
    assert!(told[0].fails_for.is_none() && told[2].fails_for.is_none());
    members[1].set(Way::Fine);
    mutex.renew(&a).await.expect("it leads");
    settle().await;
    assert!(mutex.members()[1].fails_for.is_none(), "it is back");
}

#[test]
fn a_quorum_is_odd_of_one_election_and_has_no_member_twice() {
    let named = |name: &str| Arc::new(MemoryMutex::named(name)) as Arc<dyn DistributedMutex>;
    let refusal = |members: Vec<Arc<dyn DistributedMutex>>| {
        let error = QuorumMutex::new(members).expect_err("it cannot be");
        assert_eq!(error.kind(), ErrorKind::InvalidSetting);
        error.to_string()
    };
    for number in [0, 1, 2, 4, 6] {
        assert!(refusal((0..number).map(|_| named("a")).collect()).contains("odd number"));
    }
    assert!(refusal(vec![named("a"), named("b"), named("a")]).contains("one election"));
    let twice = named("a");
    assert!(refusal(vec![Arc::clone(&twice), named("a"), twice]).contains("twice"));
    let quorum = QuorumMutex::new([named("a"), named("a"), named("a")]).expect("three of one name");
    assert_eq!(quorum.election(), "a");
    assert!(quorum.side(SideName::new("wish").expect("valid")).is_none(), "that would take a consensus");
}
