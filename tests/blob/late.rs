//! Requests that arrive a second time, when nobody waits for them any more.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use azure_core::http::headers::HeaderName;
use azure_core::http::{AsyncRawResponse, HttpClient, Request, StatusCode, Transport};
use azure_leader_election::{
    Acquire, AcquireRequest, BlobDistributedMutex, BlobMutexOptions, Claim, DistributedMutex, HolderId, async_trait,
};

use testbed::azurite::Azurite;
use testbed::names;

const LEASE_ACTION: HeaderName = HeaderName::from_static("x-ms-lease-action");

/// Keeps the acquires that it carries, so that each can arrive once more.
#[derive(Debug)]
struct Echo {
    client: reqwest::Client,
    acquires: Arc<Mutex<Vec<Request>>>,
}

#[async_trait]
impl HttpClient for Echo {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        if request.headers().get_optional_str(&LEASE_ACTION) == Some("acquire") {
            self.acquires.lock().expect("not poisoned").push(request.clone());
        }
        HttpClient::execute_request(&self.client, request).await
    }
}

/// It bears the id of the lease that runs, so without a condition it would prolong that; also if the leader is dead by then.
#[tokio::test(flavor = "multi_thread")]
async fn a_duplicate_of_the_acquire_prolongs_no_lease_once_the_terms_record_is_written() {
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let acquires: Arc<Mutex<Vec<Request>>> = Arc::default();
    let echo = Echo { client: client.clone(), acquires: Arc::clone(&acquires) };
    let url = Azurite::http().await.container_url(&names::unique("late"));
    let options = BlobMutexOptions { transport: Some(Transport::new(Arc::new(echo))), ..BlobMutexOptions::default() };
    let mutex =
        BlobDistributedMutex::for_emulator(&url, "nightly").expect("valid").with_options(options).expect("valid");
    let claim = Claim::new(HolderId::new("a").expect("valid"), Duration::from_secs(15));

    let Acquire::Granted(first) = mutex.try_acquire((&claim).into()).await.expect("an answer") else { panic!("held") };
    let late = acquires.lock().expect("not poisoned").last().cloned().expect("sent");
    let answer = HttpClient::execute_request(&client, &late).await.expect("an answer");
    assert_eq!(answer.status(), StatusCode::PreconditionFailed);

    // The holder itself repeats its claim over what it reads anew.
    let again = AcquireRequest::new(&claim).with_unsettled(true);
    let Acquire::Granted(second) = mutex.try_acquire(again).await.expect("an answer") else { panic!("held") };
    assert_eq!(second.fencing_token, first.fencing_token);
}
