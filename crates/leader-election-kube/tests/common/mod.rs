//! What the tests need of a server: a real one that the environment names, or the fake.

#![allow(clippy::expect_used, clippy::unwrap_used, dead_code)]

pub mod worker;

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use leader_election_http::{Settings, Trust, answer, client};
use leader_election_kube::{KubernetesAccess, KubernetesCluster, KubernetesToken};
use reqwest::Method;
use serde_json::{Value, json};

/// An API server, with the token of its administrator.
#[derive(Debug, Clone)]
pub struct Server {
    pub url: String,
    pub authorities: Option<Vec<u8>>,
    pub token: String,
}

/// What an API server answered.
#[derive(Debug, Clone)]
pub struct Answered {
    pub status: u16,
    pub content_type: String,
    pub retry_after: Option<String>,
    pub has_date: bool,
    pub text: String,
    pub body: Value,
}

impl Server {
    /// The one that KUBE_URL, KUBE_CA (a file) and KUBE_TOKEN name.
    pub fn given() -> Self {
        let variable = |name: &str| std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set"));
        let authorities = std::env::var("KUBE_CA").ok().map(|path| std::fs::read(path).expect("KUBE_CA is a file"));
        Self { url: variable("KUBE_URL"), authorities, token: variable("KUBE_TOKEN") }
    }

    pub fn as_user(&self, token: &str) -> Self {
        Self { token: token.to_owned(), ..self.clone() }
    }

    pub fn at(&self, url: impl Into<String>) -> Self {
        Self { url: url.into(), ..self.clone() }
    }

    pub fn cluster(&self) -> KubernetesCluster {
        let token = (!self.token.is_empty()).then(|| KubernetesToken::text(&self.token));
        let access = KubernetesAccess { authorities: self.authorities.clone(), token };
        KubernetesCluster::new(&self.url, access).expect("an API server's URL")
    }

    /// A request by hand. `body` is sent as it is where it is no JSON that can be written otherwise.
    pub async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Option<Answered> {
        self.send_text(method, path, body.map(Value::to_string), Duration::from_secs(60)).await
    }

    pub async fn send_text(
        &self,
        method: Method,
        path: &str,
        body: Option<String>,
        limit: Duration,
    ) -> Option<Answered> {
        let trust = Trust { authorities: self.authorities.clone(), identity: None };
        let plain = self.url.starts_with("http:");
        let settings = Settings { plain, proxy: false, trust, timeout: Some(limit), idle: None };
        let client = client(&settings).expect("a client");
        let kind = if method == Method::PATCH { "application/merge-patch+json" } else { "application/json" };
        let mut request = client.request(method, format!("{}{path}", self.url)).header("content-type", kind);
        if !self.token.is_empty() {
            request = request.bearer_auth(&self.token);
        }
        if let Some(body) = body {
            request = request.body(body);
        }
        let answer = answer(request, 4 << 20, "the API server").await.ok()?;
        Some(Answered {
            status: answer.status,
            content_type: answer.header("content-type").unwrap_or_default().to_owned(),
            retry_after: answer.header("retry-after").map(str::to_owned),
            has_date: answer.header("date").is_some(),
            text: String::from_utf8_lossy(&answer.body).into_owned(),
            body: serde_json::from_slice(&answer.body).unwrap_or_default(),
        })
    }

    /// Waits until it has begun.
    pub async fn ready(&self) {
        loop {
            let answered = self.send(Method::GET, "/api/v1/namespaces/default", None).await;
            if answered.is_some_and(|answered| answered.status == 200) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    pub async fn done(&self, method: Method, path: &str, body: Option<&Value>) -> Value {
        let answered = self.send(method, path, body).await.expect("an answer");
        assert!(answered.status < 300, "{path}: {} {}", answered.status, answered.text);
        answered.body
    }

    /// A service account of its own in that namespace, with these rules and no others. Returns the server as that account sees it.
    pub async fn account(&self, namespace: &str, name: &str, rules: Value) -> Self {
        let accounts = format!("/api/v1/namespaces/{namespace}/serviceaccounts");
        self.done(Method::POST, &accounts, Some(&json!({"metadata": {"name": name}}))).await;
        let rbac = format!("/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}");
        let role = json!({"metadata": {"name": name}, "rules": rules});
        self.done(Method::POST, &format!("{rbac}/roles"), Some(&role)).await;
        let binding = json!({
            "metadata": {"name": name},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
            "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": namespace}],
        });
        self.done(Method::POST, &format!("{rbac}/rolebindings"), Some(&binding)).await;
        let wanted =
            json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"audiences": null}});
        let granted = self.done(Method::POST, &format!("{accounts}/{name}/token"), Some(&wanted)).await;
        self.as_user(granted["status"]["token"].as_str().expect("a token"))
    }
}

/// A name that nothing had before.
pub fn fresh(what: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().expect("after 1970").as_millis();
    format!("{what}-{now}-{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// The Role of `docs/kubernetes.md` for the worker of one election with these side records, and the right to list.
pub fn minimal_role(election: &str, sides: &[&str]) -> Value {
    let names: Vec<_> =
        [election.to_owned()].into_iter().chain(sides.iter().map(|side| format!("{election}.{side}"))).collect();
    json!([
        {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["get", "update", "watch"], "resourceNames": names},
        {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["create"]},
        {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["list"]},
    ])
}

pub fn leases(namespace: &str) -> String {
    format!("/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases")
}
