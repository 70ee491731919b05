//! The network between a worker and its store, with all that can go wrong in it: an HTTP proxy for one worker.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::sync::watch;

const LEASE_ACTION: &str = "x-ms-lease-action";

/// How bad the network is, while it is there.
#[derive(Debug, Clone, Copy)]
pub struct Weather {
    /// Of so many requests in a hundred something goes wrong.
    pub faulty_percent: u64,
    /// How many times as fast as the test's own clock those of the workers run.
    pub rate: f64,
    pub seed: u64,
}

/// What becomes of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Arrives,
    /// The answer comes this many milliseconds late.
    IsSlow(u64),
    /// The connection breaks before the server has it.
    IsDropped,
    /// The server carries it out, and the connection breaks.
    LosesItsAnswer,
    /// It arrives once more, this many milliseconds later.
    IsDoubled(u64),
    /// A machine on the way answers in the server's place.
    IsUnavailable,
}

/// Ends when dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    way: Arc<Way>,
    // None only while it is dropped.
    runtime: Option<tokio::runtime::Runtime>,
}

#[derive(Debug)]
struct Way {
    /// The server's `host:port`, and what the server calls itself in its answers, which workers must not go round by.
    server: String,
    own_names: Vec<String>,
    address: SocketAddr,
    client: reqwest::Client,
    cut: watch::Sender<bool>,
    weather: Weather,
    random: Mutex<u64>,
    faults: AtomicU64,
    notes: Mutex<Vec<Note>>,
}

/// What became of a request: of all that write, and of those with which something went wrong.
#[derive(Debug, Clone)]
pub struct Note {
    pub at: Instant,
    pub text: String,
    /// The service took or prolonged a lease because of it, or replaced a leader document.
    pub keeps_lease: bool,
}

impl Proxy {
    /// A way to the server at `server` (`host:port`). Where its answers name one of `own_names`, they name the proxy instead.
    pub fn start(server: &str, own_names: &[String], weather: Weather) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("proxy")
            .enable_all()
            .build()
            .expect("threads");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.set_nonblocking(true).expect("a socket that does not block");
        let address = listener.local_addr().expect("bound");
        let client = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).build().expect("an HTTP client");
        let way = Arc::new(Way {
            server: server.to_owned(),
            own_names: own_names.to_vec(),
            address,
            client,
            cut: watch::Sender::new(false),
            weather,
            random: Mutex::new(weather.seed),
            faults: AtomicU64::new(0),
            notes: Mutex::default(),
        });
        runtime.spawn(serve(listener, Arc::clone(&way)));
        Self { address, way, runtime: Some(runtime) }
    }

    /// `host:port`, in place of the server's.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// From now on nothing gets through. What is sent meanwhile arrives when the way is [mended](Self::mend), however late.
    pub fn cut(&self) {
        self.way.cut.send_replace(true);
    }

    pub fn mend(&self) {
        self.way.cut.send_replace(false);
    }

    /// What became of its requests, in order.
    pub fn notes(&self) -> Vec<Note> {
        self.way.notes.lock().expect("not poisoned").clone()
    }

    /// How many requests something went wrong with.
    pub fn faults(&self) -> u64 {
        self.way.faults.load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn serve(listener: TcpListener, way: Arc<Way>) {
    let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let way = Arc::clone(&way);
        tokio::spawn(async move {
            let answer = service_fn(|request| Arc::clone(&way).answer(request));
            // Ends with an error also when a connection is broken on purpose.
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await;
        });
    }
}

impl Way {
    /// An error breaks the connection.
    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> io::Result<Response<Full<Bytes>>> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
        // A task of its own: what is on its way arrives although its sender has given up.
        tokio::spawn(async move {
            if is_unconditional(&head) && *self.cut.borrow() {
                return Err(io::ErrorKind::ConnectionReset.into());
            }
            self.mended().await;
            let fate = match self.fate() {
                Fate::IsDoubled(_) if is_unconditional(&head) => Fate::Arrives,
                fate => fate,
            };
            if fate != Fate::Arrives {
                self.note(&head, &format!("{fate:?}"), false);
            }
            match fate {
                Fate::IsDropped => return Err(io::ErrorKind::ConnectionReset.into()),
                Fate::IsUnavailable => return Ok(unavailable()),
                _ => {}
            }
            let answer = self.forward(&head, body.clone()).await;
            match fate {
                Fate::LosesItsAnswer => return Err(io::ErrorKind::ConnectionReset.into()),
                Fate::IsSlow(millis) => self.wait(millis).await,
                Fate::IsDoubled(millis) => {
                    tokio::spawn(async move {
                        self.wait(millis).await;
                        self.mended().await;
                        // Nobody waits for this answer.
                        let _ = self.forward(&head, body).await;
                    });
                }
                _ => {}
            }
            answer
        })
        .await
        .map_err(io::Error::other)?
    }

    async fn mended(&self) {
        // Fails only when the sender is gone, and this is it.
        let _ = self.cut.subscribe().wait_for(|cut| !cut).await;
    }

    async fn forward(&self, head: &hyper::http::request::Parts, body: Bytes) -> io::Result<Response<Full<Bytes>>> {
        let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
        let mut headers = head.headers.clone();
        headers.remove("host");
        let request =
            self.client.request(head.method.clone(), format!("http://{}{path}", self.server)).headers(headers);
        let answer = request.body(body).send().await.map_err(io::Error::other)?;
        if head.method != hyper::Method::GET && head.method != hyper::Method::HEAD {
            self.note(head, answer.status().as_str(), answer.status().is_success() && keeps_lease(head));
        }
        let mut response = Response::builder().status(answer.status());
        for (name, value) in answer.headers() {
            if !["content-length", "transfer-encoding", "connection", "keep-alive"].contains(&name.as_str()) {
                response = response.header(name, value);
            }
        }
        // What a HEAD would have had as its body.
        let length = answer.headers().get("content-length").cloned().filter(|_| head.method == hyper::Method::HEAD);
        if let Some(length) = length {
            response = response.header("content-length", length);
        }
        let body = answer.bytes().await.map_err(io::Error::other)?;
        response.body(Full::new(self.rename(body))).map_err(io::Error::other)
    }

    fn rename(&self, body: Bytes) -> Bytes {
        let Ok(text) = std::str::from_utf8(&body) else { return body };
        if !self.own_names.iter().any(|name| text.contains(name.as_str())) {
            return body;
        }
        let own = self.address.to_string();
        self.own_names.iter().fold(text.to_owned(), |text, name| text.replace(name.as_str(), &own)).into()
    }

    fn note(&self, head: &hyper::http::request::Parts, outcome: &str, keeps_lease: bool) {
        let action = head.headers.get(LEASE_ACTION).and_then(|action| action.to_str().ok()).unwrap_or_default();
        let part = head.uri.query().and_then(|query| query.split('&').find(|part| part.starts_with("comp=")));
        let text = format!("{} {} {}{action}: {outcome}", head.method, head.uri.path(), part.unwrap_or_default());
        self.notes.lock().expect("not poisoned").push(Note { at: Instant::now(), text, keeps_lease });
    }

    fn fate(&self) -> Fate {
        if self.below(100) >= self.weather.faulty_percent {
            return Fate::Arrives;
        }
        self.faults.fetch_add(1, Ordering::Relaxed);
        match self.below(5) {
            0 => Fate::IsSlow(self.below(5_000)),
            1 => Fate::IsDropped,
            2 => Fate::LosesItsAnswer,
            3 => Fate::IsDoubled(self.below(30_000)),
            _ => Fate::IsUnavailable,
        }
    }

    /// A number below this one.
    fn below(&self, bound: u64) -> u64 {
        let mut state = self.random.lock().expect("not poisoned");
        // SplitMix64, by Steele, Lea and Flood.
        *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = *state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % bound
    }

    /// Milliseconds of the workers' clocks.
    async fn wait(&self, millis: u64) {
        tokio::time::sleep(Duration::from_millis(millis).div_f64(self.weather.rate)).await;
    }
}

/// Azurite does not look at the condition of `Set Blob Tags`, by which the service refuses an older leader's that comes late; with
/// Azurite it would lower the fence. So this one is never late: it arrives at once, once, or not at all. What comes of a late one
/// is tested on the oracle, in `tests/fencing_blob/strict.rs`.
fn is_unconditional(head: &hyper::http::request::Parts) -> bool {
    head.method == hyper::Method::PUT && head.uri.query().is_some_and(|query| query.contains("comp=tags"))
}

/// Whether this request takes or prolongs a leader's lease if it succeeds.
fn keeps_lease(head: &hyper::http::request::Parts) -> bool {
    let action = head.headers.get(LEASE_ACTION).map(hyper::header::HeaderValue::as_bytes);
    matches!(action, Some(b"acquire" | b"renew")) || head.uri.path().contains("/colls/leaders/docs")
}

fn unavailable() -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::new(Bytes::from_static(b"out of order")));
    *answer.status_mut() = hyper::StatusCode::SERVICE_UNAVAILABLE;
    answer
}
