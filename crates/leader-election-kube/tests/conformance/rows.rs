//! The rows: each is a request or a few, and what came back, in one line.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::common::{Answered, Server, fresh, leases};

pub const ROWS: usize = 28;
pub const NOT_RUN: &str = "not run here";

/// What a server must be able to do to itself for some rows.
pub trait Control {
    fn stop_etcd(&mut self, stopped: bool);
    /// The next request of a worker is one too many.
    fn overload(&mut self);
    fn relieve(&mut self);
    /// As by SIGTERM.
    fn end(&mut self);
}

/// A request that the store never sends: how it is refused does not matter, as long as it is.
pub fn is_our_mistake(row: &str) -> bool {
    ["07 ", "10 ", "11 ", "17 ", "18 ", "19 ", "21 "].iter().any(|number| row.starts_with(number))
        && !row.contains("200")
}

struct Rows<'a> {
    admin: &'a Server,
    path: String,
    lines: Vec<String>,
}

/// The listing of all rows.
pub async fn run(admin: &Server, nobody: &Server, control: Option<&mut dyn Control>) -> Vec<String> {
    let mut rows = Rows { admin, path: leases("default"), lines: Vec::new() };
    rows.reads_and_creations().await;
    rows.replacements().await;
    rows.contents().await;
    // Filled in at the end.
    rows.row("the server ends", &[NOT_RUN.to_owned()]);
    rows.refusals(nobody).await;
    rows.faults(nobody, control).await;
    assert_eq!(rows.lines.len(), ROWS, "a line for each row");
    rows.lines
}

impl Rows<'_> {
    fn row(&mut self, what: &str, answers: &[String]) {
        let number = self.lines.len() + 1;
        self.lines.push(format!("{number:02} {what}: {}", answers.join(" | ")));
    }

    async fn send(&self, method: Method, path: &str, body: Option<Value>) -> Answered {
        self.admin.send(method, path, body.as_ref()).await.expect("an answer")
    }

    async fn post(&self, body: Value) -> Answered {
        self.send(Method::POST, &self.path, Some(body)).await
    }

    async fn put(&self, name: &str, body: &Value) -> Answered {
        self.send(Method::PUT, &format!("{}/{name}", self.path), Some(body.clone())).await
    }

    async fn delete(&self, name: &str) {
        self.send(Method::DELETE, &format!("{}/{name}", self.path), None).await;
    }

    /// A Lease that somebody holds, as it was created.
    async fn held(&self) -> (String, Value) {
        let name = fresh("row");
        let answered = self.post(lease(&name)).await;
        assert_eq!(answered.status, 201, "{}", answered.text);
        (name, answered.body)
    }

    async fn reads_and_creations(&mut self) {
        let (name, _) = self.held().await;
        let there = self.send(Method::GET, &format!("{}/{name}", self.path), None).await;
        let date = if there.has_date { "Date" } else { "no Date" };
        self.row("GET there", &[shown(&there), date.to_owned(), there.body["kind"].to_string()]);
        let missing = self.send(Method::GET, &format!("{}/none", self.path), None).await;
        let no_namespace = self.send(Method::GET, &format!("{}/none", leases("no-such")), None).await;
        self.row("GET missing, namespace missing", &[shown(&missing), shown(&no_namespace)]);
        let posted = self.post(lease(&fresh("row"))).await;
        let metadata = &posted.body["metadata"];
        let has = |name: &str| if metadata[name].is_string() { name.to_owned() } else { format!("no {name}") };
        self.row("POST", &[shown(&posted), has("resourceVersion"), has("uid")]);
        let again = self.post(lease(&name)).await;
        self.row("POST there already", &[shown(&again)]);
        let nowhere = self.send(Method::POST, &leases("no-such"), Some(lease("row"))).await;
        self.row("POST, namespace missing", &[shown(&nowhere)]);
        let ending = fresh("ending");
        self.send(Method::POST, "/api/v1/namespaces", Some(json!({"metadata": {"name": ending}}))).await;
        self.send(Method::DELETE, &format!("/api/v1/namespaces/{ending}"), None).await;
        let refused = self.send(Method::POST, &leases(&ending), Some(lease("row"))).await;
        let cause = refused.body["details"]["causes"][0]["reason"].to_string();
        self.row("POST, namespace terminating", &[shown(&refused), cause]);
        let mut versioned = lease(&fresh("row"));
        versioned["metadata"]["resourceVersion"] = json!("7");
        let refused = self.post(versioned).await;
        self.row("POST with a resourceVersion", &[shown(&refused)]);
    }

    async fn replacements(&mut self) {
        let (name, seen) = self.held().await;
        let right = self.put(&name, &renewed(&seen, 1)).await;
        let changed = right.body["metadata"]["resourceVersion"] != seen["metadata"]["resourceVersion"];
        self.row("PUT, version right", &[shown(&right), version_is(changed)]);
        let stale = self.put(&name, &renewed(&seen, 2)).await;
        self.row("PUT, version stale", &[shown(&stale)]);
        let mut answers = Vec::new();
        for version in [Value::Null, json!(""), json!("0")] {
            let mut body = renewed(&right.body, 3);
            body["metadata"]["resourceVersion"] = version;
            answers.push(shown(&self.put(&name, &body).await));
        }
        self.row("PUT, version missing, empty, 0", &answers);
        let mut body = renewed(&right.body, 3);
        body["metadata"]["resourceVersion"] = json!("seven");
        let refused = self.put(&name, &body).await;
        self.row("PUT, version not a number", &[shown(&refused)]);
        self.delete(&name).await;
        let gone = self.put(&name, &renewed(&right.body, 4)).await;
        self.row("PUT of a deleted Lease, with its uid", &[shown(&gone)]);
        let mut body = renewed(&right.body, 4);
        body["metadata"]["uid"] = Value::Null;
        let anew = self.put(&name, &body).await;
        self.row("PUT of a deleted Lease, without a uid", &[shown(&anew)]);
        let mut body = renewed(&anew.body, 5);
        body["metadata"]["uid"] = right.body["metadata"]["uid"].clone();
        let other = self.put(&name, &body).await;
        self.row("PUT over a re-created Lease, old uid, new version", &[shown(&other)]);
        let mut finalized = lease(&fresh("row"));
        finalized["metadata"]["finalizers"] = json!(["example.com/kept"]);
        let kept = self.post(finalized).await.body;
        let kept_name = kept["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        self.delete(&kept_name).await;
        let now = self.send(Method::GET, &format!("{}/{kept_name}", self.path), None).await.body;
        let going = now["metadata"]["deletionTimestamp"].is_string();
        let written = self.put(&kept_name, &renewed(&now, 6)).await;
        self.row("PUT while it is being deleted", &[format!("deletionTimestamp {going}"), shown(&written)]);
        let mut freed = written.body;
        freed["metadata"]["finalizers"] = Value::Null;
        self.put(&kept_name, &freed).await;
        let (name, seen) = self.held().await;
        let same = self.put(&name, &seen).await;
        let changed = same.body["metadata"]["resourceVersion"] != seen["metadata"]["resourceVersion"];
        self.row("PUT that changes nothing", &[shown(&same), version_is(changed)]);
    }

    async fn contents(&mut self) {
        let answers = self
            .each(&[
                ("leaseDurationSeconds", json!(0)),
                ("leaseDurationSeconds", json!(-1)),
                ("leaseTransitions", json!(-1)),
            ])
            .await;
        self.row("duration 0, -1, transitions -1", &answers);
        let answers = self
            .each(&[
                ("leaseDurationSeconds", json!(1.5)),
                ("leaseDurationSeconds", json!("15")),
                ("leaseDurationSeconds", json!(2_147_483_648_u64)),
                ("leaseTransitions", json!(2_147_483_648_u64)),
            ])
            .await;
        self.row("duration 1.5, \"15\", 2^31, transitions 2^31", &answers);
        let mut answers = self
            .each(&[
                ("renewTime", json!("2026-11-28T12:00:00Z")),
                ("renewTime", json!("2026-11-28T12:00:00.1Z")),
                ("renewTime", json!("2026-11-28T12:00:00.123456789Z")),
            ])
            .await;
        for offset in ["+00:00", "+02:00"] {
            let mut body = lease(&fresh("row"));
            body["spec"]["renewTime"] = format!("2026-11-28T12:00:00.123456{offset}").into();
            let answered = self.post(body).await;
            answers.push(format!(
                "{} {}",
                shown(&answered),
                answered.body["spec"]["renewTime"].as_str().unwrap_or_default()
            ));
        }
        self.row("renewTime of seconds, one digit, nine, +00:00, +02:00", &answers);
        let mut body = lease(&fresh("row"));
        body["spec"]["renewTime"] = Value::Null;
        body["spec"]["holderIdentity"] = Value::Null;
        let answered = self.post(body).await;
        let spec = &answered.body["spec"];
        let absent = spec.get("renewTime").is_none() && spec.get("holderIdentity").is_none();
        self.row("renewTime and holder null", &[shown(&answered), format!("absent {absent}")]);
        let mut answers = Vec::new();
        for length in [262_130, 262_150] {
            let mut body = lease(&fresh("row"));
            body["metadata"]["annotations"] = json!({"a": "x".repeat(length)});
            answers.push(shown(&self.post(body).await));
        }
        self.row("annotations of 262,131 and 262,151 bytes", &answers);
        let bare = self.post(json!({"metadata": {"name": fresh("row")}})).await;
        self.row("POST of metadata alone", &[shown(&bare), format!("spec {}", bare.body["spec"])]);
    }

    async fn each(&self, fields: &[(&str, Value)]) -> Vec<String> {
        let mut answers = Vec::new();
        for (name, value) in fields {
            let mut body = lease(&fresh("row"));
            body["spec"][*name] = value.clone();
            answers.push(shown(&self.post(body).await));
        }
        answers
    }

    async fn refusals(&mut self, nobody: &Server) {
        let path = format!("{}/none", self.path);
        let bad = self.admin.as_user("no-such-token").send(Method::GET, &path, None).await.expect("an answer");
        let none = self.admin.as_user("").send(Method::GET, &path, None).await.expect("an answer");
        let none_says = none.text.contains("system:anonymous");
        let no_right = nobody.send(Method::GET, &path, None).await.expect("an answer");
        let words = ["cannot get", "\"leases\"", "\"default\""]
            .iter()
            .all(|word| no_right.text.replace('\\', "").contains(word));
        let answers = [
            shown(&bad),
            format!("{} anonymous {none_says}", shown(&none)),
            format!("{} names verb, resource, namespace {words}", shown(&no_right)),
        ];
        self.row("bad token, no token, no right", &answers);
    }

    async fn faults(&mut self, worker: &Server, control: Option<&mut dyn Control>) {
        let not_run = [NOT_RUN.to_owned()];
        let Some(control) = control else {
            self.row("too many requests", &not_run);
            self.row("etcd stopped, PUT with a timeout", &not_run);
            self.row("etcd stopped, GET", &not_run);
            self.dry_run().await;
            return;
        };
        control.overload();
        let refused = worker.send(Method::GET, &format!("{}/none", self.path), None).await.expect("an answer");
        control.relieve();
        let kind = refused.content_type.split(';').next().unwrap_or_default().to_owned();
        let after = refused.retry_after.unwrap_or_default();
        self.row("too many requests", &[refused.status.to_string(), kind, format!("Retry-After {after}")]);
        let (name, seen) = self.held().await;
        let path = format!("{}/{name}", self.path);
        control.stop_etcd(true);
        let late = self.send(Method::PUT, &format!("{path}?timeout=2s"), Some(renewed(&seen, 1))).await;
        self.row("etcd stopped, PUT with a timeout", &[class(&late)]);
        let hung = self.admin.send_text(Method::GET, &path, None, Duration::from_secs(120)).await.expect("an answer");
        self.row("etcd stopped, GET", &[class(&hung)]);
        control.stop_etcd(false);
        while self.admin.send(Method::GET, &path, None).await.is_none_or(|answered| answered.status != 200) {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        self.dry_run().await;
        control.end();
        let gone = self.admin.send_text(Method::GET, &path, None, Duration::from_secs(5)).await.is_none();
        self.lines[22] = format!("23 the server ends: no answer {gone}");
    }

    async fn dry_run(&mut self) {
        let name = fresh("row");
        let tried = self.send(Method::POST, &format!("{}?dryRun=All", self.path), Some(lease(&name))).await;
        let stored = self.send(Method::GET, &format!("{}/{name}", self.path), None).await;
        self.row("dryRun=All", &[shown(&tried), format!("then GET {}", shown(&stored))]);
    }
}

fn lease(name: &str) -> Value {
    json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": name},
        "spec": {
            "holderIdentity": "a", "leaseDurationSeconds": 15, "leaseTransitions": 1,
            "acquireTime": "2026-11-28T12:00:00.000000Z", "renewTime": "2026-11-28T12:00:00.000000Z",
        },
    })
}

fn renewed(seen: &Value, second: u32) -> Value {
    let mut body = seen.clone();
    body["spec"]["renewTime"] = format!("2026-11-28T12:01:{second:02}.000000Z").into();
    body
}

fn version_is(changed: bool) -> String {
    if changed { "a new version".to_owned() } else { "the same version".to_owned() }
}

/// Which of its time limits ends the wait first, and with which status, differs from run to run.
fn class(answered: &Answered) -> String {
    if matches!(answered.status, 500..=504) { "500 to 504".to_owned() } else { shown(answered) }
}

/// The status, and of a refusal its reason and what it is about.
fn shown(answered: &Answered) -> String {
    let mut shown = answered.status.to_string();
    if answered.status >= 400 {
        for text in [&answered.body["reason"], &answered.body["details"]["kind"]] {
            if let Some(text) = text.as_str().filter(|text| !text.is_empty()) {
                shown.push(' ');
                shown.push_str(text);
            }
        }
    }
    shown
}
