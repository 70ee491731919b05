//! What users test their own code with does what it says.

use std::time::Duration;

use leader_election::test_util::{ScriptedMutex, TestTerm};
use leader_election::{
    CancellationToken, EndReason, ErrorKind, FencingToken, HolderId, LeaderEvent, LeaderHost, Loss, Status,
};
use tokio::time::sleep;

fn token(number: u64) -> FencingToken {
    FencingToken::new(number).expect("in range")
}

#[tokio::test(start_paused = true)]
async fn a_term_is_valid_until_it_is_ended_and_tells_why() {
    let term = TestTerm::begin(token(41));
    let leader = term.leadership();
    sleep(Duration::from_secs(3_600)).await;
    assert!(leader.ensure().is_ok() && !leader.token().is_cancelled());
    assert_eq!((leader.fencing_token(), leader.holder().as_str()), (token(41), "test-leader"));
    term.end(EndReason::LeaseLost);
    assert!(leader.token().is_cancelled());
    let refusal = leader.ensure().expect_err("it is over");
    assert_eq!((refusal.reason, leader.end_reason()), (Some(EndReason::LeaseLost), Some(EndReason::LeaseLost)));
}

#[tokio::test(start_paused = true)]
async fn a_term_that_is_cancelled_in_time_leaves_three_seconds_and_one_that_runs_out_none() {
    let term = TestTerm::begin(token(41));
    term.cancel(EndReason::RenewalTimedOut);
    let leader = term.leadership();
    assert!(leader.token().is_cancelled());
    sleep(Duration::from_millis(2_900)).await;
    assert!(leader.ensure().is_ok());
    sleep(Duration::from_millis(200)).await;
    assert!(leader.ensure().is_err());

    let paused = TestTerm::begin(token(42));
    paused.run_out();
    assert!(paused.leadership().ensure().is_err() && !paused.leadership().token().is_cancelled());
}

#[tokio::test(start_paused = true)]
async fn a_test_sees_what_the_code_asks_for_and_what_it_leaves_behind() {
    let term = TestTerm::begin(token(41));
    assert!(!term.was_asked_to_step_down());
    assert_eq!(term.last_heartbeat(), None);
    sleep(Duration::from_secs(1)).await;
    term.leadership().heartbeat();
    term.leadership().step_down();
    sleep(Duration::from_secs(2)).await;
    assert_eq!(term.last_heartbeat(), Some(Duration::from_secs(2)));
    assert!(term.was_asked_to_step_down() && !term.was_asked_to_step_down());
    term.leadership().spawn(sleep(Duration::from_secs(60)));
    assert!(!term.is_idle_within(Duration::from_secs(59)).await);
    assert!(term.is_idle_within(Duration::from_secs(2)).await);
}

/// What becomes of a leader's term when the test does this to its store.
async fn ended_by(harm: impl AsyncFnOnce(&ScriptedMutex) + Send + 'static) -> Option<EndReason> {
    let store = ScriptedMutex::new();
    let host = LeaderHost::new(store.clone()).in_tokio_time();
    let term = host.run_one_term(CancellationToken::new(), |leader| async move {
        leader.token().cancelled().await;
        leader.end_reason()
    });
    let harmed = async {
        sleep(Duration::from_secs(1)).await;
        harm(&store).await;
    };
    let (term, ()) = tokio::join!(term, harmed);
    term.expect("no error").expect("it led").output.expect("a reason")
}

#[tokio::test(start_paused = true)]
async fn each_harm_ends_a_term_for_the_reason_that_it_has_in_production() {
    assert_eq!(ended_by(async |store| store.lose(Loss::Broken)).await, Some(EndReason::LeaseLost));
    assert_eq!(ended_by(async |store| store.hang(true)).await, Some(EndReason::RenewalTimedOut));
    assert_eq!(
        ended_by(async |store| store.fail(Some(ErrorKind::Unavailable))).await,
        Some(EndReason::RenewalTimedOut)
    );
    assert_eq!(ended_by(async |store| store.delay(Duration::from_secs(60))).await, Some(EndReason::RenewalTimedOut));
    let taken = ended_by(async |store| {
        let newer = store.take_over(&HolderId::new("another").expect("valid")).await.expect("taken");
        let leader = store.leader().await.expect("it leads");
        assert_eq!((leader.fencing_token, leader.holder.as_str()), (newer, "another"));
    });
    assert_eq!(taken.await, Some(EndReason::LeaseLost));
    assert_eq!(ended_by(async |store| drop(store.break_lease().await)).await, Some(EndReason::LeaseLost));
}

#[tokio::test(start_paused = true)]
async fn a_candidate_that_is_refused_stands_by_and_leads_when_it_is_let() {
    let store = ScriptedMutex::new();
    store.refuse(true);
    let host = LeaderHost::new(store.clone()).in_tokio_time();
    let (mut events, status) = (host.events(), host.clone());
    let shutdown = CancellationToken::new();
    let run = host.run(shutdown.clone(), |leader| async move { leader.token().cancelled().await });
    let test = async {
        sleep(Duration::from_secs(30)).await;
        assert!(matches!(status.status(), Status::Standby { .. }));
        assert!(store.requests() > 10, "it goes on asking");
        store.refuse(false);
        while !matches!(events.recv().await, Some(LeaderEvent::Elected { .. })) {}
        shutdown.cancel();
    };
    let (run, ()) = tokio::join!(run, test);
    run.expect("no error");
}
