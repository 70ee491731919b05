//! Serving HTTP on this machine, within the test's own process.

use std::io;
use std::net::{SocketAddr, TcpListener};

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::http::request::Parts;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::runtime::Runtime;

/// An error breaks the connection, or with HTTP/2 the stream, without an answer.
pub type Answer = io::Result<Response<Full<Bytes>>>;

/// The threads of a server, which end when this is dropped. They serve tests with paused time too, and outlive each test's
/// runtime.
#[derive(Debug)]
pub struct Threads {
    // None only while it is dropped.
    runtime: Option<Runtime>,
}

impl Threads {
    pub fn start(name: &str, number: usize) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(number)
            .thread_name(name)
            .enable_all()
            .build()
            .expect("threads");
        Self { runtime: Some(runtime) }
    }

    pub fn runtime(&self) -> &Runtime {
        self.runtime.as_ref().expect("there until it is dropped")
    }

    /// Answers whoever connects, over HTTP/1 or HTTP/2.
    pub fn serve<A, F>(&self, listener: TcpListener, answer: A)
    where
        A: Fn(Parts, Bytes) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Answer> + Send + 'static,
    {
        self.runtime().spawn(accept(listener, answer));
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        // A test's own runtime does not allow to wait for these threads.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// A free port; nobody can take it in between.
pub fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.set_nonblocking(true).expect("a socket that does not block");
    let address = listener.local_addr().expect("an address");
    (listener, address)
}

async fn accept<A, F>(listener: TcpListener, answer: A)
where
    A: Fn(Parts, Bytes) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Answer> + Send + 'static,
{
    let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let answer = answer.clone();
        tokio::spawn(async move {
            let service = service_fn(|request: Request<Incoming>| {
                let answer = answer.clone();
                async move {
                    let (head, body) = request.into_parts();
                    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
                    // A task of its own: what has arrived goes on although its sender gives up, as with any server.
                    tokio::spawn(answer(head, body)).await.map_err(io::Error::other)?
                }
            });
            // Ends with an error also when the connection is broken on purpose.
            let _ = auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
        });
    }
}
