//! The network does to a request what is ordered, and nothing else: a fault that is none would prove nothing.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use testbed::oracle::message::{Request, Response};
use testbed::oracle::network::{BLACK_HOLE, Fate, Network};
use testbed::oracle::server::Server;

const SECOND: Duration = Duration::from_secs(1);

fn request(method: &str, query: &str) -> Request {
    let url = format!("https://acct.blob.core.windows.net/things{query}").parse().unwrap();
    Request::new(method, &url, [], "")
}

fn create() -> Request {
    request("PUT", "?restype=container")
}

async fn exists(network: &Network) -> bool {
    let observer = network.another(|_, _, _| ());
    observer.exchange(request("HEAD", "?restype=container")).await.unwrap().is_success()
}

/// The first request meets this fate. Returns what its sender got, and after what time.
async fn meet(fate: Fate) -> (Network, std::io::Result<Response>, Duration) {
    let network = Network::new();
    network.ordain(move |_| fate.clone());
    let begun = Instant::now();
    let got = network.exchange(create()).await;
    (network, got, begun.elapsed())
}

#[tokio::test(start_paused = true)]
async fn what_is_dropped_or_refused_is_not_carried_out() {
    for (fate, status) in [
        (Fate::dropped(), None),
        (Fate::black_hole(None), None),
        (Fate::unavailable(), Some(503)),
        (Fate::throttled(SECOND * 7), Some(429)),
    ] {
        let (network, got, took) = meet(fate.clone()).await;
        assert_eq!(got.as_ref().ok().map(|response| response.status), status);
        assert!(!exists(&network).await, "{fate:?}");
        assert_eq!(took >= BLACK_HOLE, fate == Fate::black_hole(None));
        if status == Some(429) {
            assert_eq!(got.unwrap().header("retry-after"), Some("7"));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_lost_on_the_way_back_is_carried_out() {
    for fate in [Fate::reply_lost(SECOND), Fate::black_hole(Some(SECOND * 2))] {
        let (network, got, _) = meet(fate.clone()).await;
        assert!(got.is_err() && exists(&network).await, "{fate:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_delayed_arrives_even_if_its_sender_has_given_up() {
    let (_, got, took) = meet(Fate::slow(SECOND * 3, SECOND * 2)).await;
    assert!(got.unwrap().is_success() && took >= SECOND * 5);

    let network = Network::new();
    network.ordain(|_| Fate::slow(SECOND * 20, SECOND));
    assert!(timeout(SECOND * 3, network.exchange(create())).await.is_err());
    sleep(SECOND * 16).await;
    assert!(!exists(&network).await);
    sleep(SECOND * 2).await;
    assert!(exists(&network).await);
}

#[tokio::test(start_paused = true)]
async fn what_is_repeated_is_carried_out_twice() {
    let (network, got, _) = meet(Fate::repeated(SECOND, SECOND * 10)).await;
    assert!(got.unwrap().is_success());
    let observer = network.another(|_, _, _| ());
    observer.exchange(request("DELETE", "?restype=container")).await.unwrap();
    assert!(!exists(&network).await);
    sleep(SECOND * 12).await;
    assert!(exists(&network).await, "created anew by the second copy");
}

/// Over HTTP a lost answer is a connection that breaks.
#[tokio::test(flavor = "multi_thread")]
async fn faults_are_the_same_over_http() {
    let server = Server::start();
    let url = format!("{}?restype=container", server.container_url("things"));
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    server.network.ordain(|_| Fate::reply_lost(Duration::from_millis(1)));
    assert!(client.put(&url).send().await.is_err());
    server.network.ordain(|_| Fate::unavailable());
    assert_eq!(client.put(&url).send().await.unwrap().status(), 503);
    server.network.ordain(|_| Fate::PROMPT);
    assert_eq!(client.put(&url).send().await.unwrap().status(), 409, "the first one was carried out");
}
