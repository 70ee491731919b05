//! A server that is away, slow or refuses: leadership survives what ends within the lease, and ends cleanly where it does not.

#![allow(clippy::expect_used, clippy::unwrap_used)]

mod common;

use std::time::{Duration, Instant};

use leader_election::TimingOptions;
use testservers::kube_fake::{ADMIN, Fault, KubeFake};

use common::worker::Worker;
use common::{Server, fresh};

const LEASE: Duration = Duration::from_secs(6);

fn on(fake: &KubeFake) -> Server {
    Server { url: fake.url(), authorities: None, token: ADMIN.to_owned() }
}

/// After the fault the worker leads in the same term, past the end that its lease had before.
async fn survives(server: &Server, lease: Duration, what: &str, fault: impl AsyncFnOnce()) {
    let election = fresh("survives");
    let worker = Worker::start(server, &election, "worker-7", TimingOptions::for_lease(lease));
    let first = worker.leads_after(0).await;
    fault().await;
    tokio::time::sleep(lease).await;
    assert!(worker.leads(), "{what} ended the term: {:?}", worker.terms());
    assert_eq!(worker.terms().len(), 1, "{what}: one term");
    assert_eq!(worker.terms()[0].token, first.token);
    println!("{what}: leads on in term {}", first.token);
    worker.stop().await;
}

/// The task is told to stop before anybody else could lead, and when the fault is over a term begins with a higher token.
async fn ends_cleanly(
    server: &Server,
    lease: Duration,
    what: &str,
    begin: impl AsyncFnOnce(),
    end: impl AsyncFnOnce(),
) {
    let election = fresh("ends");
    let worker = Worker::start(server, &election, "worker-7", TimingOptions::for_lease(lease));
    let first = worker.leads_after(0).await;
    begin().await;
    // No renewal is sent after this instant that could be answered, and one that was answered before began before.
    let away = Instant::now();
    let stopped = loop {
        match worker.terms()[0].stopped {
            Some(stopped) => break stopped,
            None => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    };
    let after = stopped.saturating_duration_since(away);
    assert!(after < lease, "{what}: the task ran on for {after:?}, and another worker may lead by then");
    end().await;
    let next = worker.leads_after(1).await;
    assert!(next.token > first.token, "{what}: tokens rise");
    println!("{what}: stopped {:.1} s after the server was away, leads again with a higher token", after.as_secs_f64());
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_few_refusals_and_lost_answers_end_no_term() {
    let fake = KubeFake::start();
    for (what, faults) in [
        ("429", [Fault::Refused(429); 3]),
        ("500", [Fault::Refused(500); 3]),
        ("504", [Fault::Refused(504); 3]),
        ("410", [Fault::Refused(410); 3]),
        ("401", [Fault::Refused(401); 3]),
        ("lost answers", [Fault::AnswerLost; 3]),
    ] {
        survives(&on(&fake), Duration::from_secs(3), what, async || fake.fail(&faults)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_short_stall_of_the_fake_ends_no_term_and_a_long_one_ends_it_in_time() {
    let fake = KubeFake::start();
    survives(&on(&fake), LEASE, "frozen for a fifth of a lease", async || {
        fake.freeze();
        tokio::time::sleep(LEASE / 5).await;
        fake.thaw();
    })
    .await;
    ends_cleanly(&on(&fake), LEASE, "frozen for good", async || fake.freeze(), async || fake.thaw()).await;
    ends_cleanly(&on(&fake), LEASE, "without etcd", async || fake.stop_etcd(true), async || fake.stop_etcd(false))
        .await;
    let refused = vec![Fault::Refused(401); 1_000];
    ends_cleanly(
        &on(&fake),
        Duration::from_secs(3),
        "401 for good",
        async || fake.fail(&refused),
        async || fake.forgive(),
    )
    .await;
}

#[cfg(unix)]
mod on_a_server {
    use testservers::kube::{ADMIN, Kube};

    use super::*;

    /// A real API server: its own process frozen, ended and begun again, and its etcd frozen.
    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "needs etcd, and KUBE_APISERVER, the path of a kube-apiserver"]
    async fn restarted_frozen_and_without_etcd_it_ends_only_the_terms_that_it_must() {
        let mut kube = Kube::start();
        let authorities = Some(kube.authority().into_bytes());
        let server = Server { url: kube.url(), authorities, token: ADMIN.to_owned() };
        server.ready().await;
        survives(&server, LEASE, "apiserver frozen for a fifth of a lease", async || {
            kube.server().freeze();
            tokio::time::sleep(LEASE / 5).await;
            kube.server().thaw();
        })
        .await;
        survives(&server, LEASE, "etcd frozen for a fifth of a lease", async || {
            kube.etcd().freeze();
            tokio::time::sleep(LEASE / 5).await;
            kube.etcd().thaw();
        })
        .await;
        let process = &kube;
        ends_cleanly(
            &server,
            LEASE,
            "apiserver frozen",
            async || process.server().freeze(),
            async || process.server().thaw(),
        )
        .await;
        ends_cleanly(&server, LEASE, "etcd frozen", async || process.etcd().freeze(), async || process.etcd().thaw())
            .await;
        // It takes some seconds to begin.
        survives(&server, Duration::from_secs(60), "apiserver restarted within a lease", async || {
            kube.end();
            kube.begin();
        })
        .await;
        let shared = std::sync::Mutex::new(&mut kube);
        ends_cleanly(
            &server,
            LEASE,
            "apiserver away",
            async || shared.lock().expect("not poisoned").end(),
            async || shared.lock().expect("not poisoned").begin(),
        )
        .await;
    }
}
