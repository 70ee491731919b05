//! Whatever is set up wrongly is one clear error, at once, that names the setting or the right, with no secret in it.

use std::sync::Arc;
use std::time::Duration;

use azure_core::credentials::TokenCredential;
use azure_leader_election::{
    BlobDistributedMutex, BlobMutexOptions, CancellationToken, Create, Error, ErrorKind, HolderId, LeaderHost,
    LeaderHostOptions, Timing, TimingOptions,
};
use testbed::azurite::Azurite;
use testbed::credential::{DeniedToken, UnsignedToken};
use testbed::{names, operator, sas, transport};

/// What a host reports that is started on this mutex. It must come by itself.
async fn start(mutex: BlobDistributedMutex) -> Error {
    start_with(mutex, LeaderHostOptions::default()).await
}

async fn start_with(mutex: BlobDistributedMutex, options: LeaderHostOptions) -> Error {
    let host = LeaderHost::new(mutex).with_options(options);
    let run = host.run_task_when_mutex_acquired(CancellationToken::new(), |_leader| async {
        panic!("no task may start");
    });
    tokio::time::timeout(Duration::from_secs(60), run).await.expect("an error at once").expect_err("an error")
}

/// The error with all its causes, as a log would show it, after checking that it shows no secret.
fn shown(error: &Error) -> String {
    let causes = std::iter::successors(std::error::Error::source(error), |cause| cause.source());
    let all = causes.fold(format!("{error} | {error:?}"), |all, cause| format!("{all} | {cause} | {cause:?}"));
    for secret in ["sig=", "Eby8vdM02x", "eyJ", "SECRET"] {
        assert!(!all.contains(secret), "{secret} in: {all}");
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_account_name() {
    let azurite = Azurite::http().await;
    let url = azurite.container_url("leases").replace("devstoreaccount1", "nosuchaccount");
    let signed = format!("{url}?{}", sas::account_sas(1));
    let error = start(BlobDistributedMutex::for_emulator(&signed, "nightly").expect("a valid URL")).await;
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(shown(&error).contains("account's name"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_cannot_be_reached_is_reported_and_tried_again() {
    // A port of loopback that nobody listens on: reserved, and given back at once.
    let port =
        std::net::TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a port").port();
    let url = format!("http://127.0.0.1:{port}/devstoreaccount1/leases?sv=1&sig=SECRET");
    let host = LeaderHost::new(BlobDistributedMutex::for_emulator(&url, "nightly").expect("a valid URL"));
    let mut events = host.events();
    let shutdown = CancellationToken::new();
    let stop = shutdown.clone();
    let watch = tokio::spawn(async move {
        let first = events.recv().await.expect("an event");
        let second = events.recv().await.expect("an event");
        stop.cancel();
        (first, second)
    });
    let run = host.run_task_when_mutex_acquired(shutdown, |_leader| async { Ok(()) });
    tokio::time::timeout(Duration::from_secs(60), run).await.expect("it ends").expect("a transient error ends no host");
    let (first, second) = watch.await.expect("events");
    for event in [first, second] {
        let azure_leader_election::LeaderEvent::AttemptFailed { error, .. } = event else {
            panic!("a failed attempt, not {event:?}");
        };
        assert_eq!(error.kind(), ErrorKind::Unreachable);
        let told = error.to_string();
        assert!(told.contains(&format!("\"127.0.0.1:{port}\" could not be reached (")), "port and cause: {told}");
        assert!(told.to_lowercase().contains("refused"), "{told}");
        shown(&error);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_role() {
    let azurite = Azurite::http().await;
    let container = names::unique("errors");
    operator::container_client(azurite, &container).create(None).await.expect("created");
    operator::blob_client(azurite, &container, "nightly")
        .upload(azure_core::http::RequestContent::from(Vec::new()), None)
        .await
        .expect("uploaded");
    // May read, but not write: the lease cannot be taken.
    let url = format!("{}?{}", azurite.container_url(&container), sas::container_sas(&container, "r"));
    let error = start(BlobDistributedMutex::for_emulator(&url, "nightly").expect("a valid URL")).await;
    assert_eq!(error.kind(), ErrorKind::Denied);
    let text = shown(&error);
    assert!(text.contains("Storage Blob Data Contributor") && text.contains(&container), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_the_service_does_not_accept() {
    let azurite = Azurite::https().await;
    let error = start(over_https(azurite, Arc::new(DeniedToken), Create::ContainerAndBlob)).await;
    assert_eq!(error.kind(), ErrorKind::Denied);
    assert!(shown(&error).contains("token"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signature_that_has_run_out() {
    let azurite = Azurite::http().await;
    let url = format!("{}?{}", azurite.container_url("leases"), sas::account_sas(-1));
    let error = start(BlobDistributedMutex::for_emulator(&url, "nightly").expect("a valid URL")).await;
    assert_eq!(error.kind(), ErrorKind::Denied);
    assert!(shown(&error).contains("signature"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_container_or_blob_that_may_not_be_created() {
    let azurite = Azurite::https().await;
    for create in [Create::Nothing, Create::Blob] {
        let error = start(over_https(azurite, Arc::new(UnsignedToken), create)).await;
        assert_eq!(error.kind(), ErrorKind::NotFound);
        let text = shown(&error);
        assert!(text.contains("create") && text.contains("leases-of-nobody"), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_is_not_trusted() {
    let azurite = Azurite::https().await;
    let url = azurite.container_url("leases");
    let error = start(BlobDistributedMutex::new(&url, "nightly", Arc::new(UnsignedToken)).expect("a valid URL")).await;
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert!(shown(&error).contains("certificate"), "{error}");
    assert!(error.to_string().contains("SSL_CERT_FILE"), "the sentence says what to do: {error}");
}

#[tokio::test]
async fn a_lease_that_a_blob_cannot_have() {
    for (lease, rest) in [(14, 0), (61, 0), (15, 500)] {
        let mutex = BlobDistributedMutex::for_emulator("http://127.0.0.1:1/devstoreaccount1/leases", "nightly");
        let lease = Duration::from_secs(lease) + Duration::from_millis(rest);
        let timing = Timing::for_lease(lease).expect("valid by itself");
        let error = start_with(mutex.expect("valid"), LeaderHostOptions { timing, ..Default::default() }).await;
        assert_eq!(error.kind(), ErrorKind::InvalidSetting);
        assert!(shown(&error).contains("15 to 60 whole seconds"), "{error}");
    }
}

#[test]
fn settings_that_cannot_work_are_refused_where_they_are_made() {
    let new = |url: &str| BlobDistributedMutex::new(url, "nightly", Arc::new(UnsignedToken)).expect_err("refused");
    assert!(shown(&new("http://acct.blob.core.windows.net/leases")).contains("https://"));
    assert!(shown(&new("https://acct.blob.core.windows.net/Leases_")).contains("container name"));
    assert!(shown(&new("https://acct.blob.core.windows.net/leases?sig=SECRET")).contains("from_sas_url"));
    let twenty = TimingOptions { renew_every: Duration::from_secs(20), ..TimingOptions::default() };
    assert!(shown(&Timing::new(twenty).expect_err("refused")).contains("renew_every (20s)"));
    assert!(shown(&HolderId::new("two\nlines").expect_err("refused")).contains("holder id"));
}

fn over_https(azurite: &Azurite, credential: Arc<dyn TokenCredential>, create: Create) -> BlobDistributedMutex {
    let transport = Some(transport::https_transport(azurite));
    BlobDistributedMutex::new(&azurite.container_url("leases-of-nobody"), "nightly", credential)
        .and_then(|mutex| mutex.with_options(BlobMutexOptions { create, transport }))
        .expect("a valid URL")
}
