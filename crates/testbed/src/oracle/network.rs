//! The network between a client and the oracle: it delays, loses, repeats and refuses what the test orders.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::Oracle;
use super::failure::Failure;
use super::message::{Request, Response};

/// What becomes of one request and of its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fate {
    /// How long the request is on its way; `None` if it never arrives.
    pub there: Option<Duration>,
    /// How long after that it arrives a second time.
    pub again: Option<Duration>,
    pub back: Back,
}

/// What the client gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Back {
    /// The answer, after this time on its way.
    Answer(Duration),
    /// A connection that breaks so long after the request was sent.
    Broken(Duration),
    /// An answer of the service's front door, which carries nothing out.
    Refused { status: u16, code: &'static str, retry_after: Option<Duration> },
}

/// How long the other end of a black hole is waited for before the connection is given up.
pub const BLACK_HOLE: Duration = Duration::from_secs(30);

impl Fate {
    pub const PROMPT: Self = Self::slow(Duration::ZERO, Duration::ZERO);

    pub const fn slow(there: Duration, back: Duration) -> Self {
        Self { there: Some(there), again: None, back: Back::Answer(back) }
    }

    /// Lost before it is carried out.
    pub const fn dropped() -> Self {
        Self { there: None, again: None, back: Back::Broken(Duration::ZERO) }
    }

    /// Carried out, and the answer is lost.
    pub const fn reply_lost(there: Duration) -> Self {
        Self { there: Some(there), again: None, back: Back::Broken(there) }
    }

    /// Carried out and answered, and carried out once more later.
    pub const fn repeated(there: Duration, later: Duration) -> Self {
        Self { again: Some(later), ..Self::slow(there, there) }
    }

    /// Carried out in the end, when nobody waits for it any more.
    pub const fn black_hole(there: Option<Duration>) -> Self {
        Self { there, again: None, back: Back::Broken(BLACK_HOLE) }
    }

    /// The service is out of order.
    pub const fn unavailable() -> Self {
        Self { there: None, again: None, back: Back::Refused { status: 503, code: "ServerBusy", retry_after: None } }
    }

    pub const fn throttled(wait: Duration) -> Self {
        let back = Back::Refused { status: 429, code: "TooManyRequests", retry_after: Some(wait) };
        Self { there: None, again: None, back }
    }

    /// Whether the client gets its answer within that time.
    pub fn is_answered_within(&self, limit: Duration) -> bool {
        matches!((self.there, &self.back), (Some(there), Back::Answer(back)) if there + *back < limit)
    }
}

type Fates = Box<dyn FnMut(&Request) -> Fate + Send>;
type Witness = dyn Fn(Duration, &Request, &Response) + Send + Sync;

/// One client's way to an oracle. Its clones share their fates.
#[derive(Clone)]
pub struct Network {
    oracle: Arc<Mutex<Oracle>>,
    origin: Instant,
    /// How far the oracle's clock was put forward.
    ahead: Arc<Mutex<Duration>>,
    fates: Arc<Mutex<Fates>>,
    witness: Arc<Witness>,
}

impl Network {
    /// To an oracle of its own, by the clock of the runtime.
    pub fn new() -> Self {
        Self {
            oracle: Arc::new(Mutex::new(Oracle::new())),
            origin: Instant::now(),
            ahead: Arc::default(),
            fates: Arc::new(Mutex::new(Box::new(|_| Fate::PROMPT))),
            witness: Arc::new(|_, _, _| ()),
        }
    }

    /// Another client's way to the same oracle, by which nothing is lost yet. `witness` sees what is carried out of its
    /// requests, at that instant.
    pub fn another(&self, witness: impl Fn(Duration, &Request, &Response) + Send + Sync + 'static) -> Self {
        Self { fates: Arc::new(Mutex::new(Box::new(|_| Fate::PROMPT))), witness: Arc::new(witness), ..self.clone() }
    }

    /// Asks for the fate of each request from now on.
    pub fn ordain(&self, fates: impl FnMut(&Request) -> Fate + Send + 'static) {
        *lock(&self.fates) = Box::new(fates);
    }

    /// Puts the oracle's clock forward.
    pub fn advance(&self, time: Duration) {
        *lock(&self.ahead) += time;
    }

    /// The time by the oracle's clock.
    pub fn now(&self) -> Duration {
        self.origin.elapsed() + *lock(&self.ahead)
    }

    /// # Errors
    /// When the connection breaks; whether the request was, or will be, carried out is then unknown.
    pub async fn exchange(&self, request: Request) -> io::Result<Response> {
        let fate = (lock(&self.fates))(&request);
        if fate == Fate::PROMPT {
            return Ok(self.carry_out(&request));
        }
        // A task of its own: what was sent arrives, whether its sender waits or not.
        tokio::spawn(self.clone().meet(request, fate)).await.map_err(io::Error::other)?
    }

    async fn meet(self, request: Request, fate: Fate) -> io::Result<Response> {
        let Fate { there, again, back } = fate;
        let arrival = async move {
            sleep(there?).await;
            let response = self.carry_out(&request);
            if let Some(later) = again {
                tokio::spawn(async move {
                    sleep(later).await;
                    self.carry_out(&request);
                });
            }
            Some(response)
        };
        match back {
            Back::Answer(back) => {
                let response = arrival.await.ok_or(io::ErrorKind::ConnectionReset)?;
                sleep(back).await;
                Ok(response)
            }
            Back::Broken(after) => {
                tokio::spawn(arrival);
                sleep(after).await;
                Err(io::ErrorKind::ConnectionReset.into())
            }
            Back::Refused { status, code, retry_after } => {
                let response = Response::failed(Failure { status, code });
                Ok(match retry_after {
                    Some(wait) => response.with("retry-after", wait.as_secs()),
                    None => response,
                })
            }
        }
    }

    fn carry_out(&self, request: &Request) -> Response {
        let mut oracle = lock(&self.oracle);
        let now = self.now();
        let response = oracle.handle(now, request);
        (self.witness)(now, request, &response);
        response
    }
}

impl std::fmt::Debug for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Network").finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
