//! Time and randomness come from where the host is told, and from nowhere else.

use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use leader_election::document::{DocumentMutex, DocumentStore, Record, Stored, Written};
use leader_election::{
    CancellationToken, DistributedMutex, LeaderHost, MemoryMutex, Result, Sources, Status, Version, async_trait,
};
use tokio::time::Instant;

use crate::host_support::{holder, options, secs};

/// A document that nobody else writes to, and all that was written into it.
#[derive(Debug, Clone)]
struct Journal {
    begun: Instant,
    written: Arc<Mutex<Vec<(Duration, Record)>>>,
}

impl Journal {
    fn new() -> Self {
        Self { begun: Instant::now(), written: Arc::default() }
    }

    fn put(&self, record: &Record) -> Result<Written> {
        let mut written = self.written.lock().unwrap();
        written.push((self.begun.elapsed(), record.clone()));
        Ok(Written::Done(Version::new(written.len().to_string())?))
    }
}

#[async_trait]
impl DocumentStore for Journal {
    type Rest = ();

    async fn read(&self) -> Result<Option<Stored<()>>> {
        let written = self.written.lock().unwrap();
        let version = Version::new(written.len().to_string())?;
        let latest = written.last().map(|(_, record)| record.clone());
        Ok(latest.map(|record| Stored::new(version, record)))
    }

    async fn create(&self, record: &Record) -> Result<Written> {
        self.put(record)
    }

    async fn replace(&self, _: &Stored<()>, record: &Record) -> Result<Written> {
        self.put(record)
    }
}

/// Two terms of a minute, and all that they wrote, with the times.
async fn two_terms(seed: u64) -> Vec<(Duration, Record)> {
    let (journal, sources) = (Journal::new(), Sources::seeded(seed));
    let mutex = DocumentMutex::new(journal.clone()).with_sources(sources.clone());
    let host = LeaderHost::new(mutex).with_options(options("a")).with_sources(sources).on_caller_runtime();
    for _ in 0..2 {
        let term = host.run_one_term(CancellationToken::new(), |_| tokio::time::sleep(secs(60)));
        term.await.unwrap().expect("nobody shut it down");
    }
    journal.written.lock().unwrap().clone()
}

#[tokio::test(start_paused = true)]
async fn a_seed_gives_the_same_claims_the_same_records_at_the_same_times() {
    let first = two_terms(7).await;
    // Real time has no part in it.
    std::thread::sleep(Duration::from_millis(20));
    assert_eq!(first, two_terms(7).await);
    let claims: Vec<_> = first.iter().map(|(_, record)| &record.claim).collect();
    assert!(first.len() > 20 && claims[1] != claims[claims.len() - 1], "two terms, with renewals: {first:?}");
    assert_ne!(first, two_terms(8).await);
}

#[tokio::test(start_paused = true)]
async fn times_for_people_are_those_of_the_sources() {
    let sources = Sources::seeded(1);
    let begun = sources.wall_time();
    assert!(begun > UNIX_EPOCH + secs(50 * 365 * 24 * 3600), "a date that people believe");
    let mutex = MemoryMutex::new().with_sources(sources.clone());
    let make = |name| {
        let host = LeaderHost::new(mutex.clone()).with_options(options(name));
        Arc::new(host.with_sources(sources.clone()).on_caller_runtime())
    };
    let (leader, standby) = (make("leader"), make("standby"));
    tokio::time::sleep(secs(10)).await;
    let shutdown = CancellationToken::new();
    let runs = [&leader, &standby].map(|host| {
        let (host, shutdown) = (Arc::clone(host), shutdown.clone());
        async move {
            let lead = |leader: leader_election::Leadership| async move {
                leader.token().cancelled().await;
                Ok(())
            };
            host.run_task_when_mutex_acquired(shutdown, lead).await
        }
    });
    let runs = runs.map(tokio::spawn);
    tokio::time::sleep(secs(3600)).await;
    let Status::Leading { since, .. } = leader.status() else { panic!("{:?}", leader.status()) };
    assert_eq!(since, begun + secs(10));
    let Status::Standby { answered_at, leader: seen } = standby.status() else { panic!("{:?}", standby.status()) };
    let seen = seen.expect("it saw who leads");
    assert_eq!((seen.holder, seen.elected_at), (holder("leader"), Some(begun + secs(10))));
    let ago = sources.wall_time().duration_since(answered_at.expect("the store answers")).unwrap();
    assert!(ago < secs(10), "a poll ago at most: {ago:?}");
    assert_eq!(mutex.observe().await.unwrap().latest.and_then(|leader| leader.elected_at), Some(begun + secs(10)));
    shutdown.cancel();
    for run in runs {
        run.await.unwrap().unwrap();
    }
}

/// The runtime alone is not enough: by the machine's clock the lease would never grow old.
#[tokio::test(start_paused = true)]
async fn in_tokio_time_a_lease_grows_old_as_the_test_says() {
    let host = LeaderHost::new(MemoryMutex::new()).in_tokio_time().with_options(options("a"));
    let term = host.run_one_term(CancellationToken::new(), |leader| async move {
        let mut left = vec![];
        for _ in 0..3 {
            left.push(leader.valid_for());
            tokio::time::sleep(secs(1)).await;
        }
        left
    });
    let left = term.await.unwrap().expect("it led").output.expect("it returned");
    assert_eq!([left[0] - left[1], left[1] - left[2]], [secs(1); 2], "{left:?}");
}
