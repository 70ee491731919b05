//! What a worker says where the service refuses: one sentence with the next step.

use std::time::Duration;

use azure_leader_election::{
    BlobDistributedMutex, BlobMutexOptions, Claim, DistributedMutex, Error, ErrorKind, FencingToken, HolderId,
};

use testbed::credential::signed_in;
use testbed::oracle::message::Request;
use testbed::oracle::network::{Back, Fate, Network};

fn mutex(network: &Network) -> BlobDistributedMutex {
    let options = BlobMutexOptions { transport: Some(network.transport()), ..Default::default() };
    let url = "https://acct.blob.core.windows.net/leases";
    BlobDistributedMutex::new(url, "nightly", signed_in()).unwrap().with_options(options).unwrap()
}

/// What an acquire says where all requests of this kind are refused so.
async fn refusal(of: fn(&Request) -> bool, status: u16, code: &'static str) -> Error {
    let network = Network::new();
    network.ordain(move |request| match of(request) {
        true => Fate { there: None, again: None, back: Back::Refused { status, code, retry_after: None } },
        false => Fate::PROMPT,
    });
    let claim = Claim::new(HolderId::new("worker").unwrap(), Duration::from_secs(15));
    mutex(&network).try_acquire((&claim).into()).await.unwrap_err()
}

fn any(_: &Request) -> bool {
    true
}

fn writes_the_record(request: &Request) -> bool {
    request.query("comp") == Some("metadata")
}

fn creates_the_container(request: &Request) -> bool {
    request.method == "PUT" && request.blob.is_empty()
}

#[tokio::test(start_paused = true)]
async fn each_refusal_says_what_to_do() {
    for (of, status, code, kind, advice) in [
        (any as fn(&Request) -> bool, 400, "InvalidHeaderValue", ErrorKind::InvalidSetting, "--skipApiVersionCheck"),
        (any, 400, "InvalidResourceName", ErrorKind::InvalidSetting, "check the names"),
        (writes_the_record, 409, "BlobImmutableDueToPolicy", ErrorKind::Refused, "immutability policy"),
        (writes_the_record, 409, "BlobArchived", ErrorKind::Refused, "archive tier"),
        (writes_the_record, 409, "PathConflict", ErrorKind::Refused, "name another blob"),
        (creates_the_container, 403, "AuthorizationPermissionMismatch", ErrorKind::NotFound, "create the container"),
        (creates_the_container, 403, "AuthorizationFailure", ErrorKind::NotFound, "\"leases\" does not exist"),
    ] {
        let error = refusal(of, status, code).await;
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(advice) && error.to_string().contains(code), "{error}");
        assert!(!error.to_string().contains("give the identity the role"), "{error}");
    }
}

/// A term near the highest token is no term of this election: were it followed, nobody could lead after the next one.
#[tokio::test(start_paused = true)]
async fn a_token_that_somebody_has_edited_is_not_followed_and_the_lease_is_not_taken() {
    let network = Network::new();
    let claim = |holder: &str| Claim::new(HolderId::new(holder).unwrap(), Duration::from_secs(15));
    let (mutex, first) = (mutex(&network), claim("first"));
    mutex.try_acquire((&first).into()).await.unwrap();
    mutex.release(&first).await.unwrap();
    let edit = |token: u64| {
        let headers = [
            ("leaderholder", "first".to_owned()),
            ("leadertoken", token.to_string()),
            ("leaderclaim", "x".to_owned()),
            ("leaderelected", "2026-11-21T03:14:22Z".to_owned()),
            ("leaderleasems", "15000".to_owned()),
            ("leaderrenewms", "5000".to_owned()),
        ];
        let url = "https://acct.blob.core.windows.net/leases/nightly?comp=metadata".parse().unwrap();
        let headers = headers.map(|(name, value)| (format!("x-ms-meta-{name}"), value));
        Request::new("PUT", &url, headers, "")
    };
    for token in [FencingToken::MAX - 1, FencingToken::MAX] {
        assert!(network.exchange(edit(token)).await.unwrap().is_success());
        let error = mutex.try_acquire((&claim("second")).into()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::CorruptRecord);
        assert!(error.to_string().contains("somebody has edited it"), "{error}");
        assert!(!mutex.observe().await.unwrap().is_held(), "the lease was not taken for it");
    }
}
