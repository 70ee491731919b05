//! The oracle over HTTP on this machine, for several clients and processes.

use std::io;
use std::net::SocketAddr;

use azure_core::http::Url;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::http::request::Parts;

use super::message::{Request, Response};
use super::network::Network;
use crate::http::{Answer, Threads, listen};

/// Serves until it is dropped.
#[derive(Debug)]
pub struct Server {
    /// What its requests meet, and the oracle's clock, which is the machine's unless it is put forward.
    pub network: Network,
    address: SocketAddr,
    _threads: Threads,
}

impl Server {
    /// On a thread of its own, so that the test's runtime may do as it likes.
    pub fn start() -> Self {
        let (listener, address) = listen();
        let network = Network::new();
        let threads = Threads::start("oracle", 1);
        let answering = network.clone();
        threads.serve(listener, move |head, body| answer(answering.clone(), head, body));
        Self { network, address, _threads: threads }
    }

    /// As Azurite would have it.
    pub fn container_url(&self, container: &str) -> String {
        format!("http://{}/devstoreaccount1/{container}", self.address)
    }
}

async fn answer(network: Network, head: Parts, body: Bytes) -> Answer {
    let url = format!("http://127.0.0.1{}", head.uri).parse::<Url>().map_err(io::Error::other)?;
    let header = |value: &hyper::header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers = head.headers.iter().map(|(name, value)| (name.as_str().to_owned(), header(value)));
    let request = Request::new(head.method.as_str(), &url, headers, body);
    written(network.exchange(request).await?)
}

fn written(response: Response) -> Answer {
    let mut answer = hyper::Response::builder().status(response.status);
    for (name, value) in response.headers {
        answer = answer.header(name, value);
    }
    answer.body(Full::new(response.body.into())).map_err(io::Error::other)
}
