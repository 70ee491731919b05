//! What [`FencedObject`] refuses, on the fake and, where one is named, on a real server.

#![allow(clippy::expect_used, clippy::unwrap_used)]

mod common;

use leader_election::{ErrorKind, FencingToken};
use leader_election_kube::{FencedObject, KubernetesObject};
use reqwest::Method;
use serde_json::{Value, json};
use testservers::kube_fake::{ADMIN, Fault, KubeFake};

use common::{Server, fresh};

/// A ConfigMap of its own.
struct State {
    admin: Server,
    name: String,
    fake: Option<KubeFake>,
}

impl State {
    async fn on_the_fake() -> Self {
        let fake = KubeFake::start();
        let admin = Server { url: fake.url(), authorities: None, token: ADMIN.to_owned() };
        Self::new(admin, Some(fake)).await
    }

    async fn new(admin: Server, fake: Option<KubeFake>) -> Self {
        let name = fresh("state");
        let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"until": "1"}});
        admin.done(Method::POST, "/api/v1/namespaces/default/configmaps", Some(&map)).await;
        Self { admin, name, fake }
    }

    async fn open(&self, token: u64) -> leader_election::Result<FencedObject> {
        let object = KubernetesObject::config_map("default", &self.name).expect("valid");
        FencedObject::open(&self.admin.cluster(), object, FencingToken::new(token).expect("valid")).await
    }

    fn path(&self) -> String {
        format!("/api/v1/namespaces/default/configmaps/{}", self.name)
    }

    async fn stands(&self) -> Value {
        self.admin.done(Method::GET, &self.path(), None).await
    }

    async fn patch(&self, patch: Value) {
        self.admin.done(Method::PATCH, &self.path(), Some(&patch)).await;
    }

    fn fail(&self, faults: &[Fault]) {
        self.fake.as_ref().expect("on the fake").fail(faults);
    }
}

async fn put(state: &mut FencedObject, text: &str) -> leader_election::Result<()> {
    state.update(|object| object["data"]["until"] = text.into()).await
}

async fn an_older_leader_is_refused(state: &State) {
    let mut older = state.open(41).await.expect("the first");
    put(&mut older, "2").await.expect("nobody newer");
    let mut newer = state.open(42).await.expect("newer");
    assert_eq!(newer.object()["data"]["until"], "2");
    // It has read before the newer one opened, and writes afterwards.
    let refused = put(&mut older, "3").await.expect_err("a newer leader has opened it");
    assert_eq!((refused.kind(), refused.fenced_by()), (ErrorKind::Fenced, FencingToken::new(42).ok()));
    put(&mut newer, "4").await.expect("the newest");
    assert_eq!(state.open(41).await.expect_err("too late").kind(), ErrorKind::Fenced);
    assert_eq!(put(&mut older, "5").await.expect_err("still").kind(), ErrorKind::Fenced);
    let stands = state.stands().await;
    assert_eq!(
        (&stands["data"]["until"], &stands["metadata"]["annotations"]["azure-leader-election/fence"]),
        (&json!("4"), &json!("42"))
    );
}

async fn what_others_write_beside_is_kept(state: &State) {
    let mut leader = state.open(7).await.expect("opened");
    state.patch(json!({"metadata": {"labels": {"team": "billing"}}})).await;
    let mut calls = 0;
    let written = leader.update(|object| {
        calls += 1;
        object["data"]["until"] = "8".into();
        object["metadata"]["resourceVersion"] = "1".into();
        object["metadata"]["annotations"]["azure-leader-election/fence"] = "1".into();
    });
    written.await.expect("written over the label");
    assert_eq!(calls, 2, "once on what was seen, once on what stood there");
    let stands = state.stands().await;
    assert_eq!((&stands["data"]["until"], &stands["metadata"]["labels"]["team"]), (&json!("8"), &json!("billing")));
    assert_eq!(stands["metadata"]["annotations"]["azure-leader-election/fence"], "7", "whatever the change does to it");
}

#[tokio::test]
async fn on_the_fake_an_older_leader_is_refused() {
    an_older_leader_is_refused(&State::on_the_fake().await).await;
}

#[tokio::test]
async fn on_the_fake_what_others_write_beside_is_kept() {
    what_others_write_beside_is_kept(&State::on_the_fake().await).await;
}

#[tokio::test]
#[ignore = "needs a Kubernetes API server: set KUBE_URL, KUBE_CA and KUBE_TOKEN"]
async fn on_a_server_an_older_leader_is_refused() {
    an_older_leader_is_refused(&State::new(Server::given(), None).await).await;
}

#[tokio::test]
#[ignore = "needs a Kubernetes API server: set KUBE_URL, KUBE_CA and KUBE_TOKEN"]
async fn on_a_server_what_others_write_beside_is_kept() {
    what_others_write_beside_is_kept(&State::new(Server::given(), None).await).await;
}

/// The answer is lost, the caller writes again: the write that was carried out is its own, and no newer leader's.
#[tokio::test]
async fn a_write_whose_answer_was_lost_is_recognised_and_written_over() {
    let state = State::on_the_fake().await;
    let mut leader = state.open(7).await.expect("opened");
    state.fail(&[Fault::AnswerLost]);
    let lost = put(&mut leader, "2").await.expect_err("nobody knows");
    assert!(lost.is_transient(), "{lost}");
    put(&mut leader, "3").await.expect("again");
    assert_eq!(state.stands().await["data"]["until"], "3");
    assert_eq!(leader.object()["data"]["until"], "3");
}

/// A write that was given up, and arrives after the next one of the same leader.
#[tokio::test]
async fn a_late_duplicate_of_an_own_write_is_refused_by_its_version() {
    let state = State::on_the_fake().await;
    let mut leader = state.open(7).await.expect("opened");
    let mut late = leader.object().clone();
    late["data"]["until"] = "late".into();
    state.fail(&[Fault::Refused(500)]);
    assert!(put(&mut leader, "late").await.expect_err("not carried out yet").is_transient());
    put(&mut leader, "next").await.expect("written");
    let answered = state.admin.send(Method::PUT, &state.path(), Some(&late)).await.expect("an answer");
    assert_eq!(answered.status, 409);
    assert_eq!(state.stands().await["data"]["until"], "next");
}

#[tokio::test]
async fn what_is_absent_or_no_fence_is_told_and_nothing_is_made_or_changed() {
    let state = State::on_the_fake().await;
    state.patch(json!({"metadata": {"annotations": {"azure-leader-election/fence": "seven"}}})).await;
    assert_eq!(state.open(7).await.expect_err("no token").kind(), ErrorKind::CorruptRecord);
    state.admin.done(Method::DELETE, &state.path(), None).await;
    let missing = state.open(7).await.expect_err("no object");
    assert_eq!(missing.kind(), ErrorKind::NotFound);
    assert!(missing.to_string().contains(&state.name), "{missing}");
}
