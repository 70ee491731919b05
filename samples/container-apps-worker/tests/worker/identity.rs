//! The way in production: https, no key, and a token of the managed identity from the platform's own endpoint.

use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::routing::get;
use axum::{Json, Router};
use azure_core::credentials::TokenCredential;
use azure_core::http::Url;
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::rig::{Environment, eventually, runtime};
use testbed::azurite::Azurite;
use testbed::credential::UnsignedToken;
use testbed::{names, operator};

/// Who asked for a token, and for what.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Asked {
    client_id: String,
    resource: String,
}

type Askers = Arc<Mutex<Vec<Asked>>>;

#[test]
fn a_worker_signs_in_by_its_managed_identity_and_creates_no_container() {
    let azurite = runtime().block_on(Azurite::https());
    let (leases, state) = (names::unique("leases"), names::unique("state"));
    let askers = Askers::default();
    let environment = Environment::on(azurite)
        .with("LEADER_STORE_URL", azurite.container_url(&leases))
        .with("LEADER_STATE_URL", azurite.container_url(&state))
        .with("AZURE_CLIENT_ID", "11111111-2222-3333-4444-555555555555")
        .with("IDENTITY_ENDPOINT", token_endpoint(&askers))
        .with("IDENTITY_HEADER", "of-this-replica")
        .with("SSL_CERT_FILE", azurite.ca_path().display().to_string());
    let worker = environment.replica("managed");
    // As with a role that does not work yet: it waits, and says what for.
    eventually("the page says what is missing", || worker.get("/").1.contains("Request to acquire failed"));
    assert_eq!(worker.get("/readyz").0, 503);
    assert_eq!(worker.get("/healthz").0, 200);

    for container in [&leases, &state] {
        runtime().block_on(operator::container_client(azurite, container).create(None)).expect("created");
    }
    worker.wait_for("elected");
    eventually("it writes", || worker.status()["checkpoint"]["steps"].as_u64() >= Some(1));
    assert_eq!(worker.get("/readyz").0, 200);
    worker.signal(Signal::SIGTERM);
    let (end, log, stderr) = worker.ended();
    assert!(end.success(), "{end}: {stderr}");

    let asked = askers.lock().unwrap().clone();
    let right = Asked {
        client_id: "11111111-2222-3333-4444-555555555555".to_owned(),
        resource: "https://storage.azure.com".to_owned(),
    };
    assert!(!asked.is_empty() && asked.iter().all(|asked| *asked == right), "{asked:?}");
    // A token begins like that.
    assert!(!format!("{log:?}{stderr}").contains("eyJ"), "{log:?}");
}

#[test]
fn the_lease_alone_takes_a_token_too() {
    let azurite = runtime().block_on(Azurite::https());
    let askers = Askers::default();
    let environment = Environment::on(azurite)
        .with("LEADER_STATE_URL", "")
        .with("AZURE_CLIENT_ID", "11111111-2222-3333-4444-555555555555")
        .with("IDENTITY_ENDPOINT", token_endpoint(&askers))
        .with("IDENTITY_HEADER", "of-this-replica")
        .with("SSL_CERT_FILE", azurite.ca_path().display().to_string());
    let worker = environment.replica("managed");
    eventually("the page says what is missing", || worker.get("/").1.contains("Request to acquire failed"));
    assert!(!askers.lock().unwrap().is_empty(), "nobody asked for a token");
}

/// As Container Apps has one in each replica.
fn token_endpoint(askers: &Askers) -> String {
    let router = Router::new().route("/msi/token", get(token)).with_state(Arc::clone(askers));
    let listener = runtime().block_on(TcpListener::bind("127.0.0.1:0")).expect("a port");
    let port = listener.local_addr().expect("an address").port();
    runtime().spawn(async move { axum::serve(listener, router).await });
    format!("http://127.0.0.1:{port}/msi/token")
}

async fn token(State(askers): State<Askers>, uri: Uri, headers: HeaderMap) -> Json<Value> {
    assert_eq!(headers["x-identity-header"], "of-this-replica");
    let url = Url::parse(&format!("http://localhost{uri}")).expect("a URL");
    let text = |name: &str| {
        url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned()).unwrap_or_default()
    };
    askers.lock().unwrap().push(Asked { client_id: text("client_id"), resource: text("resource") });
    let token = UnsignedToken.get_token(&[], None).await.expect("a token");
    Json(json!({
        "access_token": token.token.secret(),
        "expires_on": token.expires_on.unix_timestamp().to_string(),
        "resource": text("resource"),
        "token_type": "Bearer",
    }))
}
