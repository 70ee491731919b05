//! The secret's whole life in paused time, with sources that are slow, fail, hang, panic and block.

#![allow(clippy::expect_used)]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use tokio::runtime::Handle;
use tokio::time::{Instant, sleep};

use super::{Background, Secret, SecretSource, SharedSecret};
use crate::error::{Error, ErrorKind, Result};

const SECOND: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_millis(750);

/// What the next fetch does, and the last one's manner goes on.
#[derive(Debug, Clone)]
enum Manner {
    Gives {
        after: Duration,
        life: Duration,
    },
    Fails {
        after: Duration,
        asks: Option<Duration>,
    },
    Hangs,
    Panics,
    /// Its thread, until told otherwise.
    Blocks(Arc<Barrier>),
}

#[derive(Clone)]
struct Script {
    manners: Arc<Mutex<Vec<Manner>>>,
    calls: Arc<AtomicUsize>,
    running: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
}

impl Script {
    fn new(manners: impl Into<Vec<Manner>>) -> Self {
        let [calls, running, most] = std::array::from_fn(|_| Arc::default());
        Self { manners: Arc::new(Mutex::new(manners.into())), calls, running, most }
    }

    fn shared(&self) -> SharedSecret {
        SharedSecret::new(self.clone(), Background::runtime(Handle::current()))
    }

    fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }
}

struct Running(Arc<AtomicUsize>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[async_trait]
impl SecretSource for Script {
    async fn fetch(&self) -> Result<Secret> {
        let number = self.calls.fetch_add(1, Ordering::SeqCst);
        let running = self.running.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(running, Ordering::SeqCst);
        let _running = Running(Arc::clone(&self.running));
        let manner = {
            let mut manners = self.manners.lock().expect("not poisoned");
            if manners.len() > 1 { manners.remove(0) } else { manners[0].clone() }
        };
        match manner {
            Manner::Gives { after, life } => {
                sleep(after).await;
                let good_until = Some(SystemTime::now() + life);
                Ok(Secret { user: None, text: format!("secret {number}").into(), good_until })
            }
            Manner::Fails { after, asks } => {
                sleep(after).await;
                Err(Error::new(ErrorKind::Credential, "Please run 'az login'").with_retry_after(asks))
            }
            Manner::Hangs => std::future::pending().await,
            Manner::Panics => panic!("in the user's code"),
            Manner::Blocks(gate) => {
                gate.wait();
                Ok(Secret { user: None, text: "late".into(), good_until: None })
            }
        }
    }
}

fn gives(after: u64, life: u64) -> Manner {
    Manner::Gives { after: SECOND * u32::try_from(after).expect("small"), life: Duration::from_secs(life) }
}

const FAILS: Manner = Manner::Fails { after: Duration::ZERO, asks: None };

#[tokio::test(start_paused = true)]
async fn a_fetch_outlives_those_who_wait_for_it_and_there_is_never_a_second_one() {
    let script = Script::new([gives(12, 3600)]);
    let shared = script.shared();
    let begun = Instant::now();
    let mut told = Vec::new();
    let secret = loop {
        // As attempts do it, of which some are dropped.
        let dropped = tokio::time::timeout(PATIENCE / 2, shared.get(PATIENCE)).await;
        assert!(!matches!(dropped, Ok(Err(_))), "{dropped:?}");
        match shared.get(PATIENCE).await {
            Ok(secret) => break secret,
            Err(error) => told.push(error),
        }
        sleep(SECOND).await;
    };
    assert!(begun.elapsed() < SECOND * 15, "{:?}", begun.elapsed());
    assert_eq!((&*secret.text, script.calls()), ("secret 0", 1));
    let last = told.last().expect("told meanwhile");
    assert!(last.kind() == ErrorKind::Credential && last.to_string().starts_with("signing in has taken 1"), "{last}");
}

#[tokio::test(start_paused = true)]
async fn the_present_secret_is_given_out_at_once_to_its_very_end_whatever_becomes_of_the_refresh() {
    for refresh in [Manner::Hangs, FAILS, Manner::Panics, Manner::Fails { after: SECOND * 20, asks: Some(SECOND * 60) }]
    {
        let script = Script::new([gives(0, 300), refresh.clone()]);
        let shared = script.shared();
        shared.get(PATIENCE).await.expect("signed in");
        let begun = Instant::now();
        let mut error = None;
        while begun.elapsed() < SECOND * 310 {
            let asked = Instant::now();
            match shared.get(PATIENCE).await {
                Ok(_) => assert_eq!(asked.elapsed(), Duration::ZERO, "{refresh:?}"),
                Err(refused) => error = error.or(Some((begun.elapsed(), refused))),
            }
            sleep(SECOND).await;
        }
        let (at, error) = error.expect("it has an end");
        assert!(at >= SECOND * 299, "{refresh:?}: given up {at:?} after it came: {error}");
        assert!(script.calls() >= 2 && script.calls() < 40, "{} fetches of {refresh:?}", script.calls());
        assert_eq!(script.most.load(Ordering::SeqCst), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_secret_in_use_is_replaced_before_its_end_and_one_that_nobody_uses_is_not() {
    let script = Script::new([gives(4, 300)]);
    let shared = script.shared();
    for _ in 0..2_000 {
        // From the first one on.
        let waited = shared.get(SECOND * 5).await;
        assert!(waited.is_ok(), "{waited:?}");
        sleep(SECOND).await;
    }
    let used = script.calls();
    assert!((7..=20).contains(&used), "{used} fetches in 2,000 s");
    sleep(SECOND * 100_000).await;
    assert!(script.calls() <= used + 2, "{} fetches for nobody", script.calls() - used);
    assert!(shared.get(SECOND * 5).await.is_ok(), "and it is there again when it is wanted");
}

#[tokio::test(start_paused = true)]
async fn after_a_failure_its_own_words_are_told_at_once_and_the_next_try_waits() {
    let script = Script::new([FAILS]);
    let shared = script.shared();
    let begun = Instant::now();
    while begun.elapsed() < SECOND * 120 {
        let error = shared.get(PATIENCE).await.expect_err("no secret");
        assert_eq!(error.to_string(), "Please run 'az login'");
        sleep(SECOND / 10).await;
    }
    // 1, 2, 4 s and then each 8 s, by chance half of it or half as much again.
    assert!((11..=32).contains(&script.calls()), "{} tries in two minutes", script.calls());
}

#[tokio::test(start_paused = true)]
async fn a_service_that_asks_to_wait_is_not_asked_before() {
    let script = Script::new([Manner::Fails { after: Duration::ZERO, asks: Some(SECOND * 40) }, gives(0, 3600)]);
    let shared = script.shared();
    let begun = Instant::now();
    while shared.get(PATIENCE).await.is_err() {
        sleep(SECOND).await;
    }
    assert!(begun.elapsed() >= SECOND * 40 && begun.elapsed() < SECOND * 50, "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_fetch_without_an_answer_is_given_up_and_tried_again() {
    let script = Script::new([Manner::Hangs, Manner::Panics, gives(0, 3600)]);
    let shared = script.shared();
    let (mut told, begun) = (Vec::new(), Instant::now());
    while let Err(error) = shared.get(PATIENCE).await {
        told.push(error.to_string());
        sleep(SECOND).await;
    }
    assert!(begun.elapsed() >= SECOND * 60 && begun.elapsed() < SECOND * 80, "{:?}", begun.elapsed());
    for text in ["signing in has taken 9", "signing in was given up after 60 s", "the credential's code panicked"] {
        assert!(told.iter().any(|told| told.contains(text)), "{text} in {told:?}");
    }
    assert_eq!(script.most.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_comes_past_its_end_is_used_and_asked_for_again() {
    let script = Script::new([gives(0, 0)]);
    let shared = script.shared();
    for _ in 0..300 {
        shared.get(PATIENCE).await.expect("the service judges, not this machine's clock");
        sleep(SECOND).await;
    }
    assert!((5..=20).contains(&script.calls()), "{}", script.calls());
}

/// Two services of one credential, such as one `az` for two scopes.
#[tokio::test(start_paused = true)]
async fn one_background_fetches_one_secret_at_a_time() {
    let script = Script::new([gives(4, 3600)]);
    let background = Background::runtime(Handle::current());
    let [one, other] = [(); 2].map(|()| SharedSecret::new(script.clone(), background.clone()));
    let (first, second) = tokio::join!(one.get(SECOND * 20), other.get(SECOND * 20));
    assert!(first.is_ok() && second.is_ok());
    assert_eq!((script.calls(), script.most.load(Ordering::SeqCst)), (2, 1));
}

/// Real time, in which nothing is measured: the caller's runtime goes on while the source blocks its own thread.
#[tokio::test]
async fn a_source_that_blocks_its_thread_blocks_nobody_else() {
    let gate = Arc::new(Barrier::new(2));
    let script = Script::new([Manner::Blocks(Arc::clone(&gate))]);
    let shared = SharedSecret::new(script.clone(), Background::thread());
    while script.running.load(Ordering::SeqCst) == 0 {
        let error = shared.get(Duration::from_millis(5)).await.expect_err("it blocks until the gate opens");
        assert!(error.is_transient() && error.to_string().contains("signing in has"), "{error}");
    }
    assert!(shared.get(Duration::from_millis(5)).await.is_err());
    gate.wait();
    assert_eq!(&*shared.get(SECOND * 60).await.expect("there in the end").text, "late");
}

#[tokio::test]
async fn the_thread_ends_with_the_last_who_shares_the_secret() {
    let script = Script::new([gives(0, 3600)]);
    let shared = SharedSecret::new(script.clone(), Background::thread());
    shared.clone().get(SECOND * 60).await.expect("there");
    assert!(Arc::strong_count(&script.calls) > 1, "the driver has the source");
    drop(shared);
    while Arc::strong_count(&script.calls) > 1 {
        sleep(Duration::from_millis(1)).await;
    }
}
