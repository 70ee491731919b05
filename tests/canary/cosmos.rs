//! The Cosmos DB store and the fenced partition.

use std::sync::Arc;
use std::time::Duration;

use azure_core::base64;
use azure_leader_election::{
    ClaimId, CosmosAddress, CosmosDistributedMutex, CosmosMutexOptions, FencedPartition, FencingToken,
};
use serde_json::json;

use crate::blob::{CanaryToken, drive, host, lease_id};
use testbed::canary::recorder::{self, recorded, show, show_debug};
use testbed::canary::secret::{Secret, assert_hidden};
use testbed::canary::service::{Asked, REFUSALS, Service, answer, refuse};
use testbed::cosmos::{Emulator, EmulatorOptions, EmulatorToken, KEY};

const LEASE: Duration = Duration::from_secs(3);

/// An account that is fine until the documents are asked for.
fn account(port: u16) -> Option<Vec<u8>> {
    let here = json!([{"name": "Here", "databaseAccountEndpoint": format!("http://127.0.0.1:{port}/")}]);
    let account = json!({
        "id": "canary", "_self": "", "_rid": "canary", "media": "//media/", "addresses": "//addresses/", "_dbs": "//dbs/",
        "enableMultipleWriteLocations": false, "writableLocations": here, "readableLocations": here,
        "userConsistencyPolicy": {"defaultConsistencyLevel": "Session"},
        "userReplicationPolicy": {"asyncReplication": false, "minReplicaSetSize": 3, "maxReplicasetSize": 4},
        "systemReplicationPolicy": {"minReplicaSetSize": 3, "maxReplicasetSize": 4},
        "readPolicy": {"primaryReadCoefficient": 1, "secondaryReadCoefficient": 1}, "queryEngineConfiguration": "{}",
    });
    answer(200, &[("content-type", "application/json")], &account.to_string())
}

/// The key as it is configured, what it stands for, and the beginning of every signature and token that is sent.
fn secrets_of(key: &str) -> Vec<Secret> {
    let plain = String::from_utf8(base64::decode(key).expect("base64")).expect("text");
    vec![
        Secret::new("account key", key),
        Secret::new("account key, decoded", plain),
        Secret::new("authorization", "type=master&ver=1.0&sig="),
        Secret::new("authorization", "type=aad&ver=1.0&sig="),
    ]
}

fn refuses_from_the_second_on(number: usize, asked: &Asked, echo: bool) -> Option<Vec<u8>> {
    let port =
        asked.head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("host: 127.0.0.1:")?.parse().ok());
    if asked.line == "GET /" { account(port.expect("a port")) } else { refuse(number, asked, echo) }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_key_and_no_access_token_is_shown_whatever_the_account_or_the_documents_answer() {
    const TOKEN: &str = "eyJCanary.Of-The_Cosmos.Token45";
    let key = base64::encode("Canary of the account key, which is 64 bytes long as all of them.");
    let mut secrets = secrets_of(&key);
    secrets.push(Secret::new("access token", TOKEN));
    refused_in_every_way(&key, TOKEN, secrets, false).await;
}

/// The SDK traces, at the level `DEBUG`, the beginning of an error's body, whatever stands in it.
#[tokio::test(flavor = "multi_thread")]
async fn no_key_and_no_access_token_is_shown_even_by_answers_that_repeat_the_request() {
    const TOKEN: &str = "eyJCanary.Of-The_Cosmos.Token46";
    let key = base64::encode("Canary of a key whose signatures come back, 64 bytes of it again.");
    let sdk_log = "azure_data_cosmos_driver::driver::pipeline::operation_pipeline";
    let plain = String::from_utf8(base64::decode(&key).expect("base64")).expect("text");
    let secrets =
        [Secret::new("access token", TOKEN), Secret::new("account key", &key), Secret::new("account key", plain)];
    refused_in_every_way(&key, TOKEN, secrets.map(|secret| secret.but_for(sdk_log)).into(), true).await;
}

async fn refused_in_every_way(key: &str, token: &'static str, mut secrets: Vec<Secret>, echo: bool) {
    recorder::start();
    let id = ClaimId::random();
    secrets.push(lease_id(id));
    for number in 0..REFUSALS.len() {
        // From the first request on, or once the account itself has answered.
        let late = number % 2 == usize::from(echo);
        let refuse = move |asked: &Asked| {
            if late { refuses_from_the_second_on(number, asked, echo) } else { refuse(number, asked, echo) }
        };
        let service = Service::start(refuse).await;
        let leaders = leaders(&format!("http://127.0.0.1:{}/", service.port));
        let with_key = CosmosDistributedMutex::with_key(leaders.clone(), "nightly", key.to_owned().into());
        let token = Arc::new(CanaryToken(token));
        let with_token = CosmosDistributedMutex::new(leaders, "nightly", token);
        let (with_key, with_token) = (with_key.expect("valid"), with_token.expect("valid"));
        // Some of it is tried for long, and says the same again.
        let both = async { tokio::join!(drive(&with_key, LEASE, id), drive(&with_token, LEASE, id)) };
        let _ = tokio::time::timeout(Duration::from_secs(3), both).await;
    }
    assert_hidden(&secrets);
}

fn leaders(endpoint: &str) -> CosmosAddress {
    CosmosAddress::new(endpoint, "workers", "leaders").expect("valid")
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_shown_where_there_is_no_account() {
    recorder::start();
    let id = ClaimId::random();
    let key = base64::encode("Canary of another account key, as long as the first one, or so.");
    let plain = Service::start(|_| None).await;
    let mut secrets = secrets_of(&key);
    secrets.push(lease_id(id));
    for endpoint in [
        format!("https://127.0.0.1:{}/", plain.port),
        "http://127.0.0.1:1/".into(),
        "https://no-such-account.invalid/".into(),
    ] {
        let mutex = CosmosDistributedMutex::with_key(leaders(&endpoint), "nightly", key.clone().into());
        let mutex = mutex.expect("valid");
        drive(&mutex, LEASE, id).await;
        host(mutex).await;
    }
    // A key that is none, and one that somebody has put into the wrong place.
    let fine = "https://acct.documents.azure.com/";
    let broken = CosmosDistributedMutex::with_key(leaders(fine), "nightly", format!("{key}!").into());
    drive(&broken.expect("not looked at yet"), LEASE, id).await;
    for endpoint in [format!("{fine}?key={key}"), format!("AccountEndpoint={fine};AccountKey={key};")] {
        let refused = CosmosAddress::new(&endpoint, "workers", "leaders");
        show(&refused.expect_err("refused"));
    }
    assert_hidden(&secrets);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_key_is_shown_where_all_is_well() {
    recorder::start();
    let id = ClaimId::random();
    let emulator = Emulator::start(EmulatorOptions::default());
    let mut secrets = secrets_of(KEY);
    secrets.push(lease_id(id));
    let options = CosmosMutexOptions { create: true, ..CosmosMutexOptions::default() };
    show_debug(&options);
    let mutex = |election| {
        CosmosDistributedMutex::with_key(leaders(&emulator.endpoint()), election, KEY.into()).expect("valid")
    };
    let first = mutex("nightly").with_options(options).expect("valid");
    drive(&first, LEASE, id).await;
    host(mutex("hourly")).await;
    let signed_in = EmulatorToken::DataContributor;
    let with_token = CosmosDistributedMutex::new(leaders(&emulator.endpoint()), "daily", Arc::new(signed_in));
    drive(&with_token.expect("valid"), LEASE, id).await;
    secrets.push(Secret::new("access token", "token-DataContributor"));

    emulator.create_partitioned("billing", "charges", &["/tenant"]);
    let container = emulator.container("billing", "charges").await;
    let tokens = [8, 7].map(|number| FencingToken::new(number).expect("in range"));
    for token in tokens {
        let partition = FencedPartition::new(container.clone(), &[("tenant", "contoso")], token).expect("valid");
        show_debug(&partition);
        match partition.execute(|batch| batch.create_item(json!({"id": "charge", "tenant": "contoso"}))).await {
            Ok(batch) => show_debug(&batch),
            Err(error) => show(&error),
        }
    }
    assert!(recorded().find("fenced: a newer leader").is_some(), "the second one is older");
    assert!(recorded().has_traces_of("azure_data_cosmos"), "the SDK traces nothing: is it recorded?");
    assert_hidden(&secrets);
}
