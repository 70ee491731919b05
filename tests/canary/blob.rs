//! The blob store and the fenced blobs.

use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use azure_core::credentials::{AccessToken, TokenCredential, TokenRequestOptions};
use azure_core::http::{AsyncRawResponse, HttpClient, Request, Transport, Url};
use azure_core::time::OffsetDateTime;
use azure_leader_election::{
    AcquireRequest, BlobDistributedMutex, BlobMutexOptions, CancellationToken, Claim, ClaimId, CosmosAddress,
    CosmosDistributedMutex, DistributedMutex, FencedBlob, FencedStateBlob, FencingToken, HolderId, LeaderHost,
    LeaderHostOptions, Result, SideName, Version,
};
use azure_storage_blob::BlobContainerClient;

use testbed::canary::recorder::{self, recorded, show, show_debug};
use testbed::canary::secret::{Secret, assert_hidden};
use testbed::canary::service::{Asked, REFUSALS, Service, answer, refuse};

/// The blob client's own log, at the level `DEBUG`, shows the header `x-ms-lease-id` of requests: the SDK has it in a list of
/// what may be shown, which can be added to and not taken from. Signatures and tokens it does hide.
const SDK_LOG: &str = "typespec_client_core::http::policies::logging";

/// Signatures are base64, and stand in URLs percent-encoded.
fn signature(number: usize) -> (Secret, String) {
    let text = format!("Canary{number:02}+Of/The-SAS-Signature=");
    let encoded = text.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
    (Secret::new("signature", text), format!("sv=2025-01-05&sr=c&sp=racwl&se=2027-01-01T00%3A00%3A00Z&sig={encoded}"))
}

/// A credential that hands out a token that must not be seen.
#[derive(Debug)]
pub struct CanaryToken(pub &'static str);

#[async_trait]
impl TokenCredential for CanaryToken {
    async fn get_token(
        &self,
        _scopes: &[&str],
        _options: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AccessToken> {
        Ok(AccessToken::new(self.0, OffsetDateTime::now_utc() + azure_core::time::Duration::hours(1)))
    }
}

/// Carries requests for https to a service without: the credential's policy sends no token over plain http.
#[derive(Debug)]
struct Unwrapped(reqwest::Client);

#[async_trait]
impl HttpClient for Unwrapped {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        let mut plain = request.clone();
        plain.url_mut().set_scheme("http").expect("a scheme");
        HttpClient::execute_request(&self.0, &plain).await
    }
}

fn unwrapped() -> Transport {
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy();
    Transport::new(Arc::new(Unwrapped(client.build().expect("a client"))))
}

/// A lease's id is the claim's, and who knows it can release the lease.
pub fn lease_id(id: ClaimId) -> Secret {
    Secret::new("lease id", id.expose()).but_for(SDK_LOG)
}

/// Everything that a mutex can be asked for.
pub async fn drive(mutex: &dyn DistributedMutex, lease: Duration, id: ClaimId) {
    let mut claim = Claim::new(HolderId::new("canary").expect("valid"), lease);
    claim.id = id;
    for unsettled in [false, true] {
        match mutex.try_acquire(AcquireRequest::new(&claim).with_unsettled(unsettled)).await {
            Ok(acquire) => show_debug(&acquire),
            Err(error) => show(&error),
        }
    }
    match mutex.renew(&claim).await {
        Ok(renew) => show_debug(&renew),
        Err(error) => show(&error),
    }
    match mutex.observe().await {
        Ok(seen) => show_debug(&seen),
        Err(error) => show(&error),
    }
    if let Some(operator) = mutex.operator() {
        shown(operator.break_lease(None).await);
        shown(operator.elections().await);
    }
    if let Some(side) = mutex.side(SideName::new("wish").expect("valid")) {
        shown(side.read().await);
        shown(side.create("soon").await);
        shown(side.replace(&Version::new("\"0x8D\"").expect("valid"), "later").await);
    }
    if let Err(error) = mutex.release(&claim).await {
        show(&error);
    }
    show_debug(&mutex);
    show_debug(&claim);
}

fn shown<T: std::fmt::Debug>(outcome: Result<T>) {
    match outcome {
        Ok(answer) => show_debug(&answer),
        Err(error) => show(&error),
    }
}

/// A host that runs for a moment: elected or refused, with all that it tells.
pub async fn host(mutex: impl DistributedMutex) {
    let options = LeaderHostOptions::default();
    show_debug(&options);
    let host = LeaderHost::new(mutex).with_options(options);
    let (mut events, shutdown) = (host.events(), CancellationToken::new());
    let run = host.run_task_when_mutex_acquired(shutdown.clone(), |leader| async move {
        show_debug(&leader);
        leader.token().cancelled().await;
        show_debug(&leader.ensure());
        Err("the task fails".into())
    });
    let stop = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        show_debug(&host);
        show_debug(&host.status());
        shutdown.cancel();
    };
    let (outcome, ()) = tokio::join!(run, stop);
    if let Err(error) = outcome {
        show(&error);
    }
    while let Some(event) = events.try_recv() {
        show_debug(&event);
    }
}

/// As the blob service answers where all is well.
fn serve(asked: &Asked) -> Option<Vec<u8>> {
    let etag = ("etag", "\"0x8D\"");
    match &asked.line {
        line if line.starts_with("HEAD") => answer(200, &[etag, ("x-ms-lease-state", "available")], ""),
        line if line.contains("comp=tags") && line.starts_with("GET") => {
            let tags = "<Tags><TagSet><Tag><Key>fence</Key><Value>00000000000000000001</Value></Tag></TagSet></Tags>";
            answer(200, &[("content-type", "application/xml")], tags)
        }
        line if line.contains("comp=tags") => answer(204, &[], ""),
        line if line.contains("comp=appendblock") => answer(201, &[etag, ("x-ms-blob-append-offset", "0")], ""),
        line if line.contains("comp=metadata") => answer(200, &[etag], ""),
        line if line.contains("comp=lease") && asked.head.contains("acquire") => answer(201, &[etag], ""),
        line if line.starts_with("PUT") && !line.contains("comp=lease") => answer(201, &[etag], ""),
        line if line.starts_with("DELETE") => answer(202, &[], ""),
        _ => answer(200, &[etag, ("content-range", "bytes 0-1/2")], "ok"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_signature_and_no_lease_id_is_shown_whatever_the_service_answers() {
    recorder::start();
    let (id, (secret, query)) = (ClaimId::random(), signature(1));
    for number in 0..=REFUSALS.len() {
        let service = Service::start(
            move |asked| if number < REFUSALS.len() { refuse(number, asked, true) } else { serve(asked) },
        );
        let service = service.await;
        let url = format!("http://127.0.0.1:{}/devstoreaccount1/leases?{query}", service.port);
        let mutex = BlobDistributedMutex::for_emulator(&url, "nightly").expect("valid");
        drive(&mutex, Duration::from_secs(15), id).await;
        if number % 4 == 0 || number == REFUSALS.len() {
            host(mutex).await;
        }
    }
    assert_hidden(&[secret, lease_id(id)]);
    assert!(recorded().find("\"held\"").is_none() && recorded().find("Granted(Grant").is_some(), "all went well once");
    for target in ["reqwest", "hyper_util", "typespec_client_core", "leader_election"] {
        assert!(recorded().has_traces_of(target), "{target} traces nothing: is it recorded?");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_access_token_is_shown_whatever_the_service_answers() {
    recorder::start();
    const TOKEN: &str = "eyJCanary.Of-The_Bearer.Token42";
    let id = ClaimId::random();
    for number in 0..=REFUSALS.len() {
        let service = Service::start(
            move |asked| if number < REFUSALS.len() { refuse(number, asked, true) } else { serve(asked) },
        );
        let service = service.await;
        let url = format!("https://127.0.0.1:{}/devstoreaccount1/leases", service.port);
        let options = BlobMutexOptions { transport: Some(unwrapped()), ..BlobMutexOptions::default() };
        show_debug(&options);
        let mutex = BlobDistributedMutex::new(&url, "nightly", Arc::new(CanaryToken(TOKEN))).expect("valid");
        let mutex = mutex.with_options(options).expect("valid");
        drive(&mutex, Duration::from_secs(15), id).await;
    }
    assert_hidden(&[Secret::new("access token", TOKEN), lease_id(id)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_shown_where_there_is_no_service() {
    recorder::start();
    const TOKEN: &str = "eyJCanary.Of-The_Bearer.Token43";
    let plain = Service::start(|_| None).await;
    let (id, (secret, query)) = (ClaimId::random(), signature(3));
    for place in [
        format!("https://127.0.0.1:{}/devstoreaccount1/leases", plain.port),
        "https://127.0.0.1:1/devstoreaccount1/leases".to_owned(),
        "https://no-such-account.invalid/leases".to_owned(),
    ] {
        let signed = BlobDistributedMutex::from_sas_url(&format!("{place}?{query}"), "nightly").expect("valid");
        drive(&signed, Duration::from_secs(15), id).await;
        host(signed).await;
        let with_token = BlobDistributedMutex::new(&place, "nightly", Arc::new(CanaryToken(TOKEN))).expect("valid");
        drive(&with_token, Duration::from_secs(15), id).await;
    }
    assert_hidden(&[secret, Secret::new("access token", TOKEN), lease_id(id)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_signature_is_shown_by_a_fenced_blob_whatever_the_service_answers() {
    recorder::start();
    let token = FencingToken::new(7).expect("in range");
    let (id, (secret, query)) = (ClaimId::random(), signature(2));
    for number in 0..=REFUSALS.len() {
        let service = Service::start(
            move |asked| if number < REFUSALS.len() { refuse(number, asked, true) } else { serve(asked) },
        );
        let service = service.await;
        let url = format!("http://127.0.0.1:{}/devstoreaccount1/state?{query}", service.port);
        let client =
            azure_core::http::ClientOptions { retry: azure_core::http::RetryOptions::none(), ..Default::default() };
        let options = azure_storage_blob::BlobContainerClientOptions { client_options: client, ..Default::default() };
        let container =
            BlobContainerClient::new(Url::parse(&url).expect("a URL"), None, Some(options)).expect("a client");
        let blob = FencedBlob::new(&container, "ledger", token).expect("valid").with_limit(Duration::from_secs(5));
        show_debug(&blob);
        let outcomes = [
            blob.overwrite("x", None).await.err(),
            blob.append("x", None).await.err(),
            blob.read().await.err(),
            blob.raise().await.err(),
            blob.delete().await.err(),
        ];
        outcomes.iter().flatten().for_each(|error| show(error));
        match FencedStateBlob::open(&container, "state", token).await {
            Ok(mut state) => {
                show_debug(&state);
                let outcomes =
                    [state.overwrite("x", None).await.err(), state.read().await.err(), state.delete().await.err()];
                outcomes.iter().flatten().for_each(|error| show(error));
            }
            Err(error) => show(&error),
        }
        let own = BlobDistributedMutex::from_container_client(container, "nightly").expect("valid");
        show_debug(&own);
        drive(&own, Duration::from_secs(15), id).await;
    }
    assert_hidden(&[secret, lease_id(id)]);
}

/// Settings that are refused before anything is sent.
#[test]
fn no_secret_is_shown_by_a_setting_that_is_refused() {
    recorder::start();
    let (secret, query) = signature(4);
    for place in [
        "http://acct.example/leases",
        "https://acct.example/",
        "https://acct.example/UPPER",
        "://",
        "https://u@a.example/l",
    ] {
        let url = format!("{place}?{query}");
        let token = || Arc::new(CanaryToken("eyJCanary.Of-The_Bearer.Token44"));
        for refused in [
            BlobDistributedMutex::from_sas_url(&url, "nightly").err(),
            BlobDistributedMutex::new(&url, "nightly", token()).err(),
            BlobDistributedMutex::for_emulator(&url, "nightly").err(),
        ] {
            let error = refused.expect("refused");
            assert!(error.source().is_none() || !error.to_string().is_empty());
            show(&error);
        }
    }
    assert_hidden(&[secret]);
}

/// A connection string where a URL, a directory or a name is wanted: every constructor refuses it and quotes nothing.
#[test]
fn no_key_is_shown_by_a_connection_string_that_is_given_for_a_url() {
    recorder::start();
    let key = "Q2FuYXJ5IG9mIGFuIGFjY291bnQga2V5IHRoYXQgd2FzIHBhc3RlZA==";
    let (signature, query) = signature(5);
    let token = || Arc::new(CanaryToken("eyJCanary.Of-The_Bearer.Token47"));
    let (blobs, documents) = ("https://acct.blob.core.windows.net/leases", "https://acct.documents.azure.com/");
    let container = BlobContainerClient::new(Url::parse(blobs).expect("a URL"), None, None).expect("a client");
    let leaders = CosmosAddress::new(documents, "workers", "leaders").expect("valid");
    for text in [
        format!("DefaultEndpointsProtocol=https;AccountName=acct;AccountKey={key};EndpointSuffix=core.windows.net"),
        format!("AccountKey={key}"),
        format!("BlobEndpoint=https://acct.blob.core.windows.net/;SharedAccessSignature={query}"),
        format!("AccountEndpoint={documents};AccountKey={key};"),
        format!("{blobs};AccountKey={key}"),
        format!("{documents};AccountKey={key};"),
        format!("https://acct.blob.core.windows.net/{key}"),
        format!("https://{key}/leases"),
        format!("{key}://acct/leases"),
        key.to_owned(),
    ] {
        for refused in [
            BlobDistributedMutex::new(&text, "nightly", token()).err(),
            BlobDistributedMutex::from_sas_url(&text, "nightly").err(),
            BlobDistributedMutex::for_emulator(&text, "nightly").err(),
            CosmosAddress::new(&text, "workers", "leaders").err(),
        ] {
            show(&refused.expect("refused"));
        }
        // For a name, with what no name can have.
        let name = format!("{text}/\n");
        for refused in [
            BlobDistributedMutex::new(blobs, &name, token()).err(),
            FencedBlob::new(&container, &name, FencingToken::new(7).expect("in range")).err(),
            CosmosAddress::new(documents, &name, "leaders").err(),
            CosmosAddress::new(documents, "workers", &name).err(),
            CosmosDistributedMutex::new(leaders.clone(), &name, token()).err(),
            HolderId::new(&name).err(),
        ] {
            show(&refused.expect("refused"));
        }
        {
            show(&azure_leader_election::FileMutex::new("leases", &name).expect_err("refused"));
            if ["://", "AccountKey="].iter().any(|part| text.contains(part)) {
                show(&azure_leader_election::FileMutex::new(&text, "nightly").expect_err("refused"));
            }
        }
    }
    assert_hidden(&[signature, Secret::new("account key", key)]);
}
