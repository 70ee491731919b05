//! The records beside an election's, where the store keeps them.

use std::sync::Arc;

use tokio::task::JoinSet;

use super::rules::{grant, held, renewed};
use super::{Fixture, claim, skipped};
use crate::{
    Acquire, AcquireRequest, DistributedMutex, ErrorKind, SideContent, SideName, SideRecord, Version, Written,
};

/// Not like the name of any election.
const NAMES: [&str; 2] = ["contractone", "contracttwo"];

/// Rule 16: a side record is absent at first, is created once, and is replaced by the version that it has, and by no other. Two
/// names are two records, and another process sees both.
pub async fn a_side_record_is_created_once_and_replaced_by_its_version(fixture: &impl Fixture) {
    let election = fixture.fresh().await;
    let mutex = fixture.open(&election).await;
    let Some([one, two]) = sides(&mutex) else { return };
    let [elsewhere, _] =
        sides(&fixture.open(&election).await).expect("rule 16: each mutex of a store has side records");

    assert_eq!(read(&one).await, None, "rule 16: there is no side record at first");
    let first = assert_written(&one, one.create("one").await, "one").await;
    assert_conflict(one.create("again").await, "there is one already");
    assert_conflict(elsewhere.create("again").await, "another process has created it");
    assert_shows(&elsewhere, "one").await;
    assert_eq!(read(&two).await, None, "rule 16: two names are two records");

    let second = assert_written(&elsewhere, elsewhere.replace(&first, "größer\n").await, "größer\n").await;
    assert_ne!(second, first, "rule 16: a side record that was written has another version");
    assert_conflict(one.replace(&first, "late").await, "another process has replaced that version");
    assert_shows(&one, "größer\n").await;
    assert_conflict(two.replace(&second, "late").await, "that version is another record's, and this one is absent");
    assert_eq!(read(&two).await, None, "rule 16: to replace what is absent creates nothing");

    assert_written(&two, two.create("").await, "").await;
    assert_shows(&elsewhere, "größer\n").await;
    let third = assert_written(&one, one.replace(&second, "one").await, "one").await;
    assert_ne!(third, first, "rule 16: a text that comes again has another version all the same");
}

/// Rule 16: of many that replace one version at once, one does.
pub async fn of_many_that_replace_a_side_record_at_once_one_does(fixture: &impl Fixture) {
    let election = fixture.fresh().await;
    let mutex = fixture.open(&election).await;
    let Some([one, _]) = sides(&mutex) else { return };
    let seen = assert_written(&one, one.create("0").await, "0").await;
    let mut racers = JoinSet::new();
    for racer in 1..=8 {
        let [side, _] = sides(&fixture.open(&election).await).expect("rule 16: each mutex of a store has side records");
        let (seen, text) = (seen.clone(), racer.to_string());
        racers.spawn(async move { side.replace(&seen, &text).await.map(|written| (text, written)) });
    }
    let mut done = Vec::new();
    while let Some(outcome) = racers.join_next().await {
        match outcome.expect("rule 16 in a race: a racer panicked") {
            Ok((text, Written::Done(_))) => done.push(text),
            Ok((_, Written::Conflict)) => {}
            Err(error) => assert!(error.is_transient(), "rule 5: contention is no error: {error}"),
        }
    }
    let left = read(&one).await.expect("rule 16: a side record that was created is there").text;
    assert!(
        done.is_empty() || done == [left.clone()],
        "rule 16: of those that replace one version at once, one does; these were told so: {done:?}, and {left:?} is left"
    );
}

/// Rule 16: a side record takes 8,192 bytes of any text, and none more.
pub async fn a_side_record_takes_8192_bytes_and_none_more(fixture: &impl Fixture) {
    let election = fixture.fresh().await;
    let mutex = fixture.open(&election).await;
    let Some([one, two]) = sides(&mutex) else { return };
    let most = format!(" {}\0\r\n🦀\u{7f} ", "x".repeat(SideContent::MAX - 10));
    assert_eq!(most.len(), SideContent::MAX);
    let too_much = format!("{most}x");

    let seen = assert_written(&one, one.create(&most).await, &most).await;
    assert_too_much(one.replace(&seen, &too_much).await);
    assert_too_much(two.create(&too_much).await);
    assert_shows(&one, &most).await;
    assert_eq!(read(&two).await, None, "rule 16: what is refused as too long is not written");
    let small = assert_written(&one, one.replace(&seen, "").await, "").await;
    assert_written(&one, one.replace(&small, &most).await, &most).await;
}

/// Rule 16: no write to a side record touches the lease, its version or its record, or is a sign of life of the leader; and a side
/// record is no election.
pub async fn a_side_record_touches_neither_lease_nor_record(fixture: &impl Fixture) {
    let election = fixture.fresh().await;
    let mutex = fixture.open(&election).await;
    let Some([one, two]) = sides(&mutex) else { return };
    let (a, b) = (claim(fixture, "a"), claim(fixture, "b"));

    let wish = assert_written(&one, one.create("before anybody led").await, "before anybody led").await;
    if let Ok(nobody) = mutex.observe().await {
        assert!(!nobody.is_held() && nobody.latest.is_none(), "rule 16: a side record makes no leader: {nobody:?}");
    }
    let granted = grant(&mutex, &a).await;
    assert_shows(&one, "before anybody led").await;
    let before = mutex.observe().await.expect("rule 8: an election that is led can be observed");
    let wish = assert_written(&one, one.replace(&wish, "while a leads").await, "while a leads").await;
    assert_written(&two, two.create("while a leads").await, "while a leads").await;
    assert_conflict(two.create("again").await, "there is one already");
    let after = mutex.observe().await.expect("rule 8: an election that is led can be observed");
    assert_eq!(after, before, "rule 16: no write to a side record touches the election's record, or its version");
    renewed(mutex.renew(&a).await);
    assert_no_election(&mutex).await;

    // A leader that fell silent, while others write beside it.
    let seen = held(&mutex, &b).await;
    fixture.elapse(fixture.lease() / 2).await;
    assert_written(&one, one.replace(&wish, "while a is dead").await, "while a is dead").await;
    fixture.elapse(fixture.lease() * 6 / 10).await;
    let next = match mutex.try_acquire(AcquireRequest::new(&b).with_lapsed(seen.version.as_ref())).await {
        Ok(Acquire::Granted(grant)) => grant,
        other => panic!("rule 16: a write to a side record prolongs no lease, so not {other:?}"),
    };
    assert!(next.fencing_token > granted.fencing_token, "rule 3: tokens rise over an expiry");
    assert_shows(&one, "while a is dead").await;
    mutex.release(&b).await.expect("rule 7: a release of one's own lease goes through");
    assert_shows(&one, "while a is dead").await;
}

fn sides(mutex: &Arc<dyn DistributedMutex>) -> Option<[Arc<dyn SideRecord>; 2]> {
    let [one, two] = NAMES.map(|name| mutex.side(SideName::new(name).expect("valid")));
    let Some(both) = one.zip(two) else {
        skipped("rule 16", "the store has no side records");
        return None;
    };
    Some(both.into())
}

async fn read(side: &Arc<dyn SideRecord>) -> Option<SideContent> {
    side.read().await.expect("rule 16: a side record can be read, or is absent")
}

async fn assert_shows(side: &Arc<dyn SideRecord>, text: &str) -> Version {
    let content = read(side).await.expect("rule 16: a side record that was created is there");
    // A long text is of no use in the log.
    assert!(content.text == text, "rule 16: a side record is read as it was written: {} bytes", content.text.len());
    content.version
}

/// Also where the transport repeated a write that was carried out, and was refused.
async fn assert_written(side: &Arc<dyn SideRecord>, outcome: crate::Result<Written>, text: &str) -> Version {
    let outcome = outcome.expect("rule 16: a side record of this length can be written");
    let version = assert_shows(side, text).await;
    if let Written::Done(told) = outcome {
        assert_eq!(told, version, "rule 16: a write tells the version that it made");
    }
    version
}

fn assert_conflict(outcome: crate::Result<Written>, why: &str) {
    match outcome {
        Ok(Written::Conflict) => {}
        other => panic!("rule 16: {why}, so the write is refused, and not {other:?}"),
    }
}

fn assert_too_much(outcome: crate::Result<Written>) {
    match outcome {
        Err(error) if error.kind() == ErrorKind::InvalidSetting => {}
        other => panic!("rule 16: 8,193 bytes are a setting that cannot be, and not {other:?}"),
    }
}

async fn assert_no_election(mutex: &Arc<dyn DistributedMutex>) {
    let Some(operator) = mutex.operator() else { return };
    // A store that cannot list its elections says so: rule 15.
    let Ok(listed) = operator.elections().await else { return };
    let side = listed.iter().find(|listed| NAMES.iter().any(|name| listed.contains(name)));
    assert_eq!(side, None, "rule 16: a side record is no election, and is not listed among them: {listed:?}");
}
