//! What the store says of a server that refuses, throttles, loses answers or asks for another token.

#![allow(clippy::expect_used, clippy::unwrap_used)]

mod common;

use std::time::Duration;

use leader_election::{Acquire, Claim, DistributedMutex, ErrorKind, HolderId, Loss, Renew};
use leader_election_kube::{KubernetesAccess, KubernetesCluster, KubernetesLeaseMutex, KubernetesToken};
use reqwest::Method;
use serde_json::json;
use testservers::kube_fake::{ADMIN, Fault, KubeFake, NOBODY};

use common::{Server, leases};

struct Election {
    fake: KubeFake,
    admin: Server,
}

impl Election {
    fn new() -> Self {
        let fake = KubeFake::start();
        let admin = Server { url: fake.url(), authorities: None, token: ADMIN.to_owned() };
        Self { fake, admin }
    }

    fn mutex(&self) -> KubernetesLeaseMutex {
        KubernetesLeaseMutex::new(&self.admin.cluster(), "default", "nightly").expect("valid")
    }

    fn path(&self) -> String {
        format!("{}/nightly", leases("default"))
    }

    async fn patch(&self, patch: serde_json::Value) {
        self.admin.done(Method::PATCH, &self.path(), Some(&patch)).await;
    }
}

fn claim(holder: &str) -> Claim {
    Claim::new(HolderId::new(holder).expect("valid"), Duration::from_secs(15))
}

async fn granted(mutex: &KubernetesLeaseMutex, claim: &Claim) -> u64 {
    match mutex.try_acquire(claim.into()).await.expect("an answer") {
        Acquire::Granted(grant) => grant.fencing_token.get(),
        other => panic!("not granted: {other:?}"),
    }
}

#[tokio::test]
async fn each_refusal_is_of_the_kind_that_tells_a_host_what_to_do() {
    let election = Election::new();
    let (mutex, a) = (election.mutex(), claim("a"));
    granted(&mutex, &a).await;
    for (status, kind) in [
        (429, ErrorKind::Throttled),
        (500, ErrorKind::Unavailable),
        (504, ErrorKind::Unavailable),
        (401, ErrorKind::Denied),
        (410, ErrorKind::Refused),
    ] {
        election.fake.fail(&[Fault::Refused(status)]);
        let error = mutex.renew(&a).await.expect_err("refused");
        assert_eq!(error.kind(), kind, "{status}: {error}");
        assert!(error.to_string().contains("leases/nightly in namespace default"), "{error}");
        assert_eq!(mutex.renew(&a).await.expect("again"), Renew::Renewed, "after {status}");
    }
    election.fake.fail(&[Fault::Refused(429)]);
    assert_eq!(mutex.renew(&a).await.expect_err("throttled").retry_after(), Some(Duration::from_secs(1)));
}

#[tokio::test]
async fn a_renewal_whose_answer_was_lost_is_no_loss() {
    let election = Election::new();
    let (mutex, a) = (election.mutex(), claim("a"));
    granted(&mutex, &a).await;
    election.fake.fail(&[Fault::AnswerLost]);
    assert!(mutex.renew(&a).await.expect_err("nobody knows").is_transient());
    assert_eq!(mutex.renew(&a).await.expect("an answer"), Renew::Renewed);
}

#[tokio::test]
async fn a_missing_right_names_the_rule_and_a_missing_namespace_its_name() {
    let election = Election::new();
    let nobody =
        KubernetesLeaseMutex::new(&election.admin.as_user(NOBODY).cluster(), "default", "nightly").expect("valid");
    let refused = nobody.observe().await.expect_err("no right");
    assert_eq!(refused.kind(), ErrorKind::Denied);
    assert!(refused.to_string().contains("verbs: [get], resourceNames: [nightly]"), "{refused}");
    let nowhere = KubernetesLeaseMutex::new(&election.admin.cluster(), "no-such", "nightly").expect("valid");
    let missing = nowhere.try_acquire((&claim("a")).into()).await.expect_err("no namespace");
    assert_eq!(missing.kind(), ErrorKind::NotFound);
    assert!(missing.to_string().contains("there is no namespace no-such"), "{missing}");
}

#[tokio::test]
async fn a_token_that_was_replaced_is_read_again_and_one_that_is_wrong_for_good_is_told() {
    let election = Election::new();
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("token");
    std::fs::write(&path, "out-of-date-SECRET").expect("written");
    let access = KubernetesAccess { authorities: None, token: Some(KubernetesToken::file(&path)) };
    let cluster = KubernetesCluster::new(&election.fake.url(), access).expect("valid");
    let mutex = KubernetesLeaseMutex::new(&cluster, "default", "nightly").expect("valid");
    let denied = mutex.observe().await.expect_err("a wrong token");
    assert_eq!(denied.kind(), ErrorKind::Denied);
    assert!(!format!("{denied:?} {denied} {cluster:?} {mutex:?}").contains("SECRET"));
    std::fs::write(&path, ADMIN).expect("replaced");
    assert_eq!(mutex.observe().await.expect_err("the old one once more").kind(), ErrorKind::Credential);
    assert!(!mutex.observe().await.expect("the new one").is_held());
}

/// A Go worker that keeps our annotation, under our very name.
#[tokio::test]
async fn a_foreign_taker_is_a_loss_and_our_tokens_go_on_after_it() {
    let election = Election::new();
    let (mutex, a) = (election.mutex(), claim("a"));
    let first = granted(&mutex, &a).await;
    election.patch(json!({"spec": {"holderIdentity": "a", "renewTime": "2030-01-01T00:00:00.000000Z", "leaseDurationSeconds": 10}})).await;
    assert_eq!(mutex.renew(&a).await.expect("an answer"), Renew::Lost(Loss::Taken));
    let seen = mutex.observe().await.expect("readable");
    let leader = seen.latest.as_ref().expect("somebody");
    assert_eq!(
        (leader.holder.as_str(), leader.lease, leader.fencing_token.get()),
        ("a", Some(Duration::from_secs(10)), first)
    );
    // It releases as client-go does.
    election.patch(json!({"spec": {"holderIdentity": "", "leaseDurationSeconds": 1}})).await;
    assert!(granted(&mutex, &claim("b")).await > first);
}

#[tokio::test]
async fn what_cannot_be_understood_is_never_overwritten() {
    let election = Election::new();
    let (mutex, a) = (election.mutex(), claim("a"));
    granted(&mutex, &a).await;
    election.patch(json!({"metadata": {"annotations": {"azure-leader-election/record": "garbage"}}})).await;
    let before = election.admin.done(Method::GET, &election.path(), None).await;
    let error = mutex.try_acquire((&claim("b")).into()).await.expect_err("corrupt");
    assert_eq!(error.kind(), ErrorKind::CorruptRecord);
    assert_eq!(mutex.renew(&a).await.expect_err("corrupt").kind(), ErrorKind::CorruptRecord);
    assert_eq!(election.admin.done(Method::GET, &election.path(), None).await, before);
}

/// The server would create it anew, and two would lead.
#[tokio::test]
async fn a_lease_that_was_deleted_is_lost_and_not_made_anew() {
    let election = Election::new();
    let (mutex, a) = (election.mutex(), claim("a"));
    granted(&mutex, &a).await;
    election.admin.done(Method::DELETE, &election.path(), None).await;
    assert_eq!(mutex.renew(&a).await.expect("an answer"), Renew::Lost(Loss::Missing));
    let gone = election.admin.send(Method::GET, &election.path(), None).await.expect("an answer");
    assert_eq!(gone.status, 404);
}
