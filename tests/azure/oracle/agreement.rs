//! Every row is asked of the oracle and of Azurite, on a blob of its own. Where their answers differ, the difference is
//! listed with what the documentation says, and stays listed only as long as it is there.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::task::JoinSet;

use crate::oracle::differences::{DIFFERENCES, Difference};
use crate::oracle::rows::{self, A, B, C, Call, ETAG, Operation, State, Step, WAIT};
use testbed::azurite::Azurite;
use testbed::oracle::message::{Request, Response};
use testbed::oracle::network::Network;
use testbed::{names, sas};

/// Leases of 15 s have to run out, all at the same time, so it takes some 20 s.
#[tokio::test(flavor = "multi_thread")]
async fn the_oracle_and_azurite_agree_in_every_row() {
    let azurite = Arc::new(Server::azurite().await);
    let mut asked = JoinSet::new();
    for state in rows::states() {
        for operation in rows::operations() {
            let (azurite, state) = (Arc::clone(&azurite), state.clone());
            asked.spawn(async move {
                let theirs = ask(&azurite, &state, &operation).await;
                let ours = ask(&Server::oracle().await, &state, &operation).await;
                ((state.name, operation.name), (ours, theirs))
            });
        }
    }
    let mut rows = BTreeMap::new();
    while let Some(row) = asked.join_next().await {
        let (name, answers) = row.unwrap();
        assert!(rows.insert(name.clone(), answers).is_none(), "two rows of one name: {name:?}");
    }

    let mut wrong = Vec::new();
    let mut differing = 0;
    for ((state, operation), (ours, theirs)) in &rows {
        let row = format!("{state} | {operation} | oracle: {ours} | Azurite: {theirs}");
        match DIFFERENCES.iter().find(|difference| difference.is_of(state, operation)) {
            None if ours != theirs => wrong.push(format!("differs and is not listed: {row}")),
            None => {}
            Some(listed) if listed.is_as_listed(ours, theirs) => differing += 1,
            Some(listed) => wrong.push(format!("is not as listed ({}): {row}", listed.why)),
        }
    }
    let listed: usize = DIFFERENCES.iter().map(Difference::rows).sum();
    println!("rows={} agree={} listed={listed}", rows.len(), rows.len() - differing);
    assert!(wrong.is_empty(), "{} rows:\n{}", wrong.len(), wrong.join("\n"));
    assert_eq!(differing, listed, "a listed difference is of no row");
}

/// What came of the operation, and what the blob is then.
async fn ask(server: &Server, state: &State, operation: &Operation) -> String {
    let blob = names::unique("row");
    // What belongs together is sent together: with thousands of rows between its steps, a lease would run out on a busy machine.
    let mut turn = server.turn().await;
    let created = server.send(&blob, &rows::create(operation.append), "").await;
    assert_eq!(created.status, 201, "{created:?}");
    for step in &state.steps {
        match step {
            Step::Call(call) => {
                let response = server.send(&blob, call, "").await;
                assert!(response.is_success(), "{}: {call:?}: {response:?}", state.name);
            }
            Step::Wait => {
                drop(turn);
                server.wait().await;
                turn = server.turn().await;
            }
        }
    }
    let before = server.send(&blob, &rows::head(), "").await;
    let response = server.send(&blob, &operation.call, before.header("etag").unwrap_or_default()).await;
    let after = server.send(&blob, &rows::head(), "").await;
    let [outcome, state] = [described(&response), lease_of(&after)];
    let unchanged = after.status != 200 || after.header("etag") == before.header("etag");
    let written = if unchanged { "" } else { ", written" };
    format!("{outcome}; {state}{written}")
}

fn described(response: &Response) -> String {
    let code = response.header("x-ms-error-code").map(|code| format!(" {code}"));
    // In which of its forms an id comes back is not said.
    let plain = |id: &str| id.trim_matches(['{', '}']).to_ascii_lowercase();
    let id = response.header("x-ms-lease-id").map(|id| match plain(id).as_str() {
        A => " A",
        B => " B",
        C => " C",
        _ => " X",
    });
    // Approximate, says the documentation.
    let time = response.header("x-ms-lease-time").map(|time| match time.parse::<u64>() {
        Ok(0) => " at once",
        Ok(1..=5) => " within 5 s",
        _ => " later",
    });
    format!("{}{}{}{}", response.status, code.unwrap_or_default(), id.unwrap_or_default(), time.unwrap_or_default())
}

fn lease_of(head: &Response) -> String {
    match head.status {
        200 => {}
        404 => return "gone".to_owned(),
        status => return format!("not shown ({status})"),
    }
    let header = |name| head.header(name).unwrap_or_default();
    format!("{} {}", header("x-ms-lease-state"), header("x-ms-lease-duration")).trim_end().to_owned()
}

/// Either service.
enum Server {
    Oracle(Network),
    Azurite { client: reqwest::Client, container_url: String, at_once: Semaphore },
}

impl Server {
    /// One for each row, as its clock is put forward.
    async fn oracle() -> Self {
        let server = Self::Oracle(Network::new());
        server.create_container().await;
        server
    }

    async fn azurite() -> Self {
        let container_url = Azurite::http().await.container_url(&names::unique("rows"));
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let server = Self::Azurite { client, container_url, at_once: Semaphore::new(16) };
        server.create_container().await;
        server
    }

    async fn create_container(&self) {
        let call = Call { method: "PUT", query: "restype=container", headers: Vec::new(), body: "" };
        assert_eq!(self.send("", &call, "").await.status, 201);
    }

    /// At most so many rows are at Azurite at once.
    async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        match self {
            Self::Oracle(_) => None,
            Self::Azurite { at_once, .. } => Some(at_once.acquire().await.unwrap()),
        }
    }

    async fn wait(&self) {
        match self {
            Self::Oracle(network) => network.advance(WAIT),
            Self::Azurite { .. } => tokio::time::sleep(WAIT).await,
        }
    }

    async fn send(&self, blob: &str, call: &Call, etag: &str) -> Response {
        let headers = call.headers.iter().map(|(name, value)| ((*name).to_owned(), value.replace(ETAG, etag)));
        match self {
            Self::Oracle(network) => {
                let url = format!("https://acct.blob.core.windows.net/rows/{blob}?{}", call.query).parse().unwrap();
                network.exchange(Request::new(call.method, &url, headers, call.body)).await.unwrap()
            }
            Self::Azurite { client, container_url, .. } => {
                let url = format!("{container_url}/{blob}?{}&{}", call.query, sas::account_sas(1));
                let mut request =
                    client.request(call.method.parse().unwrap(), url.replace("?&", "?").replace("/?", "?"));
                for (name, value) in headers {
                    request = request.header(name, value);
                }
                let sized = request.header("content-length", call.body.len()).header("x-ms-version", "2025-11-05");
                let answer = sized.body(call.body).send().await.unwrap();
                let mut response = Response::new(answer.status().as_u16());
                for (name, value) in answer.headers() {
                    response = response.with(name.as_str(), value.to_str().unwrap_or_default());
                }
                response
            }
        }
    }
}
