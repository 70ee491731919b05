//! The payment endpoint: it keeps the ledger, and refuses older leaders.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use azure_leader_election::{Error, ErrorKind, Fenced, FencingToken, TaskError};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::TcpListener;
use tokio::sync::mpsc::UnboundedSender;

use crate::director::Event;

/// A payment is booked at once, and its answer takes a moment more.
const ANSWER: Duration = Duration::from_millis(50);

pub struct Endpoint {
    due: Fenced<BTreeSet<String>>,
    fencing: bool,
    events: UnboundedSender<Event>,
}

impl Endpoint {
    pub fn new(subscriptions: BTreeSet<String>, fencing: bool, events: UnboundedSender<Event>) -> Self {
        Self { due: Fenced::new(subscriptions), fencing, events }
    }

    /// Serves on a free port of this machine; returns its address.
    pub async fn serve(self) -> Result<String, TaskError> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = format!("http://{}", listener.local_addr()?);
        let endpoint = Arc::new(self);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let endpoint = Arc::clone(&endpoint);
                tokio::spawn(async move {
                    let answer = service_fn(move |request| Arc::clone(&endpoint).answer(request));
                    // The connection of a worker that was killed ends with an error, which nobody needs.
                    let _ =
                        auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), answer).await;
                });
            }
        });
        Ok(address)
    }

    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
        let (status, text) = match self.handle(request).await {
            Ok(text) => (StatusCode::OK, text),
            Err(error) if error.kind() == ErrorKind::Fenced => (StatusCode::CONFLICT, error.to_string()),
            Err(error) => (StatusCode::BAD_REQUEST, error.to_string()),
        };
        let mut response = Response::new(Full::from(text));
        *response.status_mut() = status;
        Ok(response)
    }

    async fn handle(&self, request: Request<Incoming>) -> Result<String, Error> {
        let (head, body) = request.into_parts();
        let token = head.headers.get(FencingToken::HEADER).and_then(|value| value.to_str().ok());
        let token: FencingToken = token.unwrap_or_default().parse()?;
        match (&head.method, head.uri.path()) {
            (&Method::POST, "/take-over") => self.take_over(token).await,
            (&Method::POST, "/charges") => {
                let body = body.collect().await.map_err(|error| bad(&error.to_string()))?.to_bytes();
                let subscription = String::from_utf8(body.into()).map_err(|_| bad("a subscription is a text"))?;
                self.charge(token, subscription).await
            }
            _ => Err(bad("POST /take-over, or POST /charges")),
        }
    }

    /// Refuses all older leaders from now on, and reads what is due.
    async fn take_over(&self, token: FencingToken) -> Result<String, Error> {
        let due = self.due.admit(self.admitted_as(token)?).await?;
        Ok(due.iter().map(|subscription| format!("{subscription}\n")).collect())
    }

    /// The look at the token and the booking are one step: the guard is held for both.
    async fn charge(&self, token: FencingToken, subscription: String) -> Result<String, Error> {
        let mut due = match self.due.admit(self.admitted_as(token)?).await {
            Ok(due) => due,
            Err(error) => {
                self.tell(Event::Refused);
                return Err(error);
            }
        };
        due.remove(&subscription);
        // As a bank does: what is ordered is done, also what is ordered again.
        self.tell(Event::Booked { token, subscription });
        drop(due);
        tokio::time::sleep(ANSWER).await;
        Ok("charged".to_owned())
    }

    /// An endpoint that does not look at the token takes everybody for the same leader.
    fn admitted_as(&self, token: FencingToken) -> Result<FencingToken, Error> {
        if self.fencing { Ok(token) } else { Ok(FencingToken::new(1)?) }
    }

    fn tell(&self, event: Event) {
        // The program is about to end when nobody listens.
        let _ = self.events.send(event);
    }
}

fn bad(what: &str) -> Error {
    Error::new(ErrorKind::Refused, what.to_owned())
}
