//! What stands between a worker and the service, and rewrites its answers or answers in its place.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use azure_core::http::headers::{HeaderName, HeaderValue, Headers};
use azure_core::http::{AsyncRawResponse, HttpClient, Method, Request, StatusCode, Transport};
use azure_leader_election::{
    Acquire, BlobDistributedMutex, BlobMutexOptions, Claim, DistributedMutex, ErrorKind, HolderId, Renew,
};
use tokio::time::Instant;

use testbed::credential::signed_in;
use testbed::oracle::network::Network;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Habit {
    /// It marks ETags as weak, as it compresses.
    Weakens,
    /// It makes ETags of its own.
    Replaces,
    /// It keeps answers to `HEAD` for a minute, unless it is asked not to.
    Keeps,
}

#[derive(Debug)]
struct Proxy {
    network: Network,
    habit: Habit,
    kept: Mutex<Option<(Instant, Headers)>>,
}

const ETAG: HeaderName = HeaderName::from_static("etag");

#[async_trait]
impl HttpClient for Proxy {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        let looks = request.method() == Method::Head;
        let fresh = request.headers().get_optional_str(&HeaderName::from_static("cache-control")) == Some("no-cache");
        let keeps = self.habit == Habit::Keeps && looks;
        if keeps
            && !fresh
            && let Some((_, headers)) = self.kept()
        {
            return Ok(AsyncRawResponse::from_bytes(StatusCode::Ok, headers, Vec::new()));
        }
        let (status, mut headers, body) = self.network.execute_request(request).await?.deconstruct();
        let etag = headers.get_optional_str(&ETAG).map(str::to_owned);
        if let Some(etag) = etag {
            match self.habit {
                Habit::Weakens => headers.insert(ETAG, HeaderValue::from(format!("W/{etag}"))),
                Habit::Replaces => headers.insert(ETAG, HeaderValue::from("\"of-the-proxy\"")),
                Habit::Keeps => {}
            }
        }
        if keeps && status == StatusCode::Ok {
            *self.kept.lock().unwrap() = Some((Instant::now(), headers.clone()));
        }
        let body = body.collect().await?;
        Ok(AsyncRawResponse::from_bytes(status, headers, body))
    }
}

impl Proxy {
    fn kept(&self) -> Option<(Instant, Headers)> {
        let kept = self.kept.lock().unwrap().clone();
        kept.filter(|(since, _)| since.elapsed() < Duration::from_secs(60))
    }
}

/// A worker behind a proxy of that habit.
fn behind(habit: Habit, network: &Network) -> BlobDistributedMutex {
    let proxy = Proxy { network: network.clone(), habit, kept: Mutex::default() };
    let options = BlobMutexOptions { transport: Some(Transport::new(Arc::new(proxy))), ..Default::default() };
    let url = "https://acct.blob.core.windows.net/leases";
    BlobDistributedMutex::new(url, "nightly", signed_in()).unwrap().with_options(options).unwrap()
}

fn claim(holder: &str) -> Claim {
    Claim::new(HolderId::new(holder).unwrap(), Duration::from_secs(15))
}

#[tokio::test(start_paused = true)]
async fn a_proxy_that_weakens_etags_keeps_nobody_from_leading() {
    let network = Network::new();
    let (first, second) = (behind(Habit::Weakens, &network), behind(Habit::Weakens, &network));
    let mut last = None;
    for mutex in [&first, &second, &first] {
        let claim = claim("worker");
        let Acquire::Granted(grant) = mutex.try_acquire((&claim).into()).await.unwrap() else {
            panic!("nobody leads, and yet another worker is said to");
        };
        assert!(Some(grant.fencing_token) > last);
        last = Some(grant.fencing_token);
        assert_eq!(mutex.renew(&claim).await.unwrap(), Renew::Renewed);
        mutex.release(&claim).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_proxy_that_makes_etags_of_its_own_is_an_error_and_not_another_leader() {
    let network = Network::new();
    let error = behind(Habit::Replaces, &network).try_acquire((&claim("worker")).into()).await.unwrap_err();
    assert!(error.is_transient(), "it may be mended while the worker runs: {error}");
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.to_string().contains("proxies") && error.to_string().contains("ETag"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_cache_on_the_way_hides_no_lease_that_is_free() {
    let network = Network::new();
    let (leader, standby) = (behind(Habit::Keeps, &network), behind(Habit::Keeps, &network));
    let (first, second) = (claim("first"), claim("second"));
    assert!(matches!(leader.try_acquire((&first).into()).await.unwrap(), Acquire::Granted(_)));
    assert!(matches!(standby.try_acquire((&second).into()).await.unwrap(), Acquire::Held(_)));
    leader.release(&first).await.unwrap();
    assert!(!standby.observe().await.unwrap().is_held(), "the answer of a minute ago");
    assert!(matches!(standby.try_acquire((&second).into()).await.unwrap(), Acquire::Granted(_)));
}
