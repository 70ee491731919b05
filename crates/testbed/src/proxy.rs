//! The network between a worker and its store, with all that can go wrong in it: an HTTP proxy for one worker.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::http::request::Parts;
use hyper::{Method, Response, StatusCode, Uri};
use tokio::sync::watch;

use super::http::{Answer, Threads, listen};
use super::random::Random;

const LEASE_ACTION: &str = "x-ms-lease-action";
const TAGS: &str = "x-ms-tags";

/// How bad the network is, while it is there.
#[derive(Debug, Clone, Copy)]
pub struct Weather {
    /// Of so many requests in a hundred something goes wrong.
    pub faulty_percent: u64,
    /// How many times as fast as the test's own clock those of the workers run.
    pub rate: f64,
    pub seed: u64,
}

impl Weather {
    /// Nothing goes wrong.
    pub const CLEAR: Self = Self { faulty_percent: 0, rate: 1.0, seed: 0 };
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
    threads: Threads,
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
    random: Mutex<Random>,
    notes: Mutex<Vec<Note>>,
    carried: Mutex<Vec<Carried>>,
    /// How many requests are on their way to the server yet.
    under_way: watch::Sender<usize>,
}

/// What became of a request: of all that write, and of those with which something went wrong.
#[derive(Debug, Clone)]
pub struct Note {
    pub at: Instant,
    pub text: String,
}

/// A request that reached the server, also one whose sender is gone, and what the server said.
#[derive(Debug, Clone)]
pub struct Carried {
    /// The server dealt with it between these two.
    pub sent: Instant,
    pub answered: Instant,
    pub method: Method,
    pub uri: Uri,
    pub body: Bytes,
    /// The tags that the blob is to have.
    pub tags: Option<String>,
    /// What is to be done with the blob's lease.
    pub action: Option<String>,
    pub status: StatusCode,
}

impl Carried {
    /// Whether somebody looked at the lease of a blob, or at a leader document.
    pub fn is_look(&self) -> bool {
        // A blob of the critical section's that is no lease.
        self.reads() && !self.uri.path().contains("/register-") && (self.is_about_leader() || self.is_about_blob())
    }

    /// Whether a lease was taken, prolonged or released, or a leader document replaced.
    pub fn concerns_lease(&self) -> bool {
        let replaced = !self.reads() && self.is_about_leader();
        self.status.is_success() && (self.action.is_some() || replaced)
    }

    /// Likewise, but for a release of a blob's lease. That of a leader document looks like any other.
    pub fn keeps_lease(&self) -> bool {
        self.concerns_lease() && self.action.as_deref() != Some("release")
    }

    fn reads(&self) -> bool {
        self.method == Method::GET || self.method == Method::HEAD
    }

    fn is_about_leader(&self) -> bool {
        self.uri.path().contains("/colls/leaders/docs")
    }

    fn is_about_blob(&self) -> bool {
        // Account, container and blob.
        self.uri.path().split('/').count() == 4
    }
}

impl Proxy {
    /// A way to the server at `server` (`host:port`). Where its answers name one of `own_names`, they name the proxy instead.
    pub fn start(server: &str, own_names: &[String], weather: Weather) -> Self {
        let (listener, address) = listen();
        let client = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).build().expect("an HTTP client");
        let way = Arc::new(Way {
            server: server.to_owned(),
            own_names: own_names.to_vec(),
            address,
            client,
            cut: watch::Sender::new(false),
            weather,
            random: Mutex::new(Random::new(weather.seed)),
            notes: Mutex::default(),
            carried: Mutex::default(),
            under_way: watch::Sender::new(0),
        });
        let threads = Threads::start("proxy", 1);
        let answering = Arc::clone(&way);
        threads.serve(listener, move |head, body| Arc::clone(&answering).answer(head, body));
        Self { address, way, threads }
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

    /// All that reached the server, in the order of its answers.
    pub fn carried(&self) -> Vec<Carried> {
        self.way.carried.lock().expect("not poisoned").clone()
    }

    /// Waits until nothing is on its way any more, at most so long: no sender is left that could send more.
    pub fn settle(&self, limit: Duration) {
        let nothing = async {
            // Fails only when the sender is gone, and this has it.
            let _ = self.way.under_way.subscribe().wait_for(|requests| *requests == 0).await;
        };
        // What is late for longer than that is not waited for.
        let _ = self.threads.runtime().block_on(async { tokio::time::timeout(limit, nothing).await });
    }
}

/// A request is on its way as long as this is there.
struct UnderWay(Arc<Way>);

impl UnderWay {
    fn new(way: &Arc<Way>) -> Self {
        way.under_way.send_modify(|requests| *requests += 1);
        Self(Arc::clone(way))
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.under_way.send_modify(|requests| *requests -= 1);
    }
}

impl Way {
    async fn answer(self: Arc<Self>, head: Parts, body: Bytes) -> Answer {
        let under_way = UnderWay::new(&self);
        if is_unconditional(&head) && *self.cut.borrow() {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        self.mended().await;
        let fate = match self.fate() {
            Fate::IsDoubled(_) if is_unconditional(&head) => Fate::Arrives,
            fate => fate,
        };
        if fate != Fate::Arrives {
            self.note(&head, &format!("{fate:?}"));
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
                    let _under_way = under_way;
                    self.wait(millis).await;
                    self.mended().await;
                    // Nobody waits for this answer.
                    let _ = self.forward(&head, body).await;
                });
            }
            _ => {}
        }
        answer
    }

    async fn mended(&self) {
        // Fails only when the sender is gone, and this is it.
        let _ = self.cut.subscribe().wait_for(|cut| !cut).await;
    }

    async fn forward(&self, head: &Parts, body: Bytes) -> Answer {
        let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
        let mut headers = head.headers.clone();
        headers.remove("host");
        let request =
            self.client.request(head.method.clone(), format!("http://{}{path}", self.server)).headers(headers);
        let sent = Instant::now();
        let answer = request.body(body.clone()).send().await.map_err(io::Error::other)?;
        if head.method != Method::GET && head.method != Method::HEAD {
            self.note(head, answer.status().as_str());
        }
        self.carried.lock().expect("not poisoned").push(Carried {
            sent,
            answered: Instant::now(),
            method: head.method.clone(),
            uri: head.uri.clone(),
            body,
            tags: header(head, TAGS).map(str::to_owned),
            action: header(head, LEASE_ACTION).map(str::to_owned),
            status: answer.status(),
        });
        let mut response = Response::builder().status(answer.status());
        for (name, value) in answer.headers() {
            if !["content-length", "transfer-encoding", "connection", "keep-alive"].contains(&name.as_str()) {
                response = response.header(name, value);
            }
        }
        // What a HEAD would have had as its body.
        let length = answer.headers().get("content-length").cloned().filter(|_| head.method == Method::HEAD);
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

    fn note(&self, head: &Parts, outcome: &str) {
        let action = header(head, LEASE_ACTION).unwrap_or_default();
        let part = head.uri.query().and_then(|query| query.split('&').find(|part| part.starts_with("comp=")));
        let text = format!("{} {} {}{action}: {outcome}", head.method, head.uri.path(), part.unwrap_or_default());
        self.notes.lock().expect("not poisoned").push(Note { at: Instant::now(), text });
    }

    fn fate(&self) -> Fate {
        if self.below(100) >= self.weather.faulty_percent {
            return Fate::Arrives;
        }
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
        self.random.lock().expect("not poisoned").below(bound)
    }

    /// Milliseconds of the workers' clocks.
    async fn wait(&self, millis: u64) {
        tokio::time::sleep(Duration::from_millis(millis).div_f64(self.weather.rate)).await;
    }
}

/// Azurite does not look at the condition of `Set Blob Tags`, by which the service refuses an older leader's that comes late; with
/// Azurite it would lower the fence. So this one is never late: it arrives at once, once, or not at all. What comes of a late one
/// is tested on the oracle, in `tests/azure/fencing_blob/strict.rs`.
fn is_unconditional(head: &Parts) -> bool {
    head.method == Method::PUT && head.uri.query().is_some_and(|query| query.contains("comp=tags"))
}

fn header<'a>(head: &'a Parts, name: &str) -> Option<&'a str> {
    head.headers.get(name)?.to_str().ok()
}

fn unavailable() -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::new(Bytes::from_static(b"out of order")));
    *answer.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    answer
}
