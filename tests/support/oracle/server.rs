//! The oracle over HTTP on this machine, for several clients and processes.

use std::io;
use std::net::SocketAddr;

use azure_core::http::Url;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use super::message::{Request, Response};
use super::network::Network;

/// Serves until it is dropped.
#[derive(Debug)]
pub struct Server {
    /// What its requests meet, and the oracle's clock, which is the machine's unless it is put forward.
    pub network: Network,
    address: SocketAddr,
    runtime: Option<Runtime>,
}

impl Server {
    /// On a thread of its own, so that the test's runtime may do as it likes.
    pub fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.set_nonblocking(true).expect("a socket that does not block");
        let address = listener.local_addr().expect("an address");
        let network = Network::new();
        runtime.spawn(serve(network.clone(), listener));
        Self { network, address, runtime: Some(runtime) }
    }

    /// As Azurite would have it.
    pub fn container_url(&self, container: &str) -> String {
        format!("http://{}/devstoreaccount1/{container}", self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn serve(network: Network, listener: std::net::TcpListener) {
    let listener = TcpListener::from_std(listener).expect("a listener");
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let network = network.clone();
        tokio::spawn(async move {
            let answer = service_fn(|request| answer(network.clone(), request));
            // Ends with an error also when the connection is broken on purpose.
            let _ = auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), answer).await;
        });
    }
}

/// An error breaks the connection.
async fn answer(network: Network, request: hyper::Request<Incoming>) -> io::Result<hyper::Response<Full<Bytes>>> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    let url = format!("http://127.0.0.1{}", head.uri).parse::<Url>().map_err(io::Error::other)?;
    let header = |value: &hyper::header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers = head.headers.iter().map(|(name, value)| (name.as_str().to_owned(), header(value)));
    let request = Request::new(head.method.as_str(), &url, headers, body);
    // A task of its own: a server does not take back what it has begun when the client gives up.
    let response = tokio::spawn(async move { network.exchange(request).await }).await.map_err(io::Error::other)??;
    written(response)
}

fn written(response: Response) -> io::Result<hyper::Response<Full<Bytes>>> {
    let mut answer = hyper::Response::builder().status(response.status);
    for (name, value) in response.headers {
        answer = answer.header(name, value);
    }
    answer.body(Full::new(response.body.into())).map_err(io::Error::other)
}
