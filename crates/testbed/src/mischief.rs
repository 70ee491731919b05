//! What can go wrong between a blob client and the service, at the test's will.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use azure_core::error::{Error, ErrorKind};
use azure_core::http::headers::{HeaderName, Headers};
use azure_core::http::policies::{Policy, PolicyResult};
use azure_core::http::{AsyncRawResponse, ClientOptions, Context, Method, Request, RetryOptions, StatusCode, Url};
use azure_storage_blob::{BlobContainerClient, BlobContainerClientOptions};

use super::azurite::Azurite;
use super::sas;

/// What becomes of a request that writes.
#[derive(Debug, Clone)]
pub enum Fate {
    /// It is carried out, and the answer is lost.
    LoseAnswer,
    /// It does not arrive for now; [`Mischief::deliver`] brings it.
    Delay,
    /// The oldest of the delayed ones arrives right before it.
    ComesSecond,
    /// It is not carried out, and answered so.
    Refuse(u16, &'static str),
}

/// A pipeline policy that counts requests and disturbs them.
#[derive(Debug, Default)]
pub struct Mischief {
    sent: Mutex<Vec<String>>,
    fates: Mutex<VecDeque<Fate>>,
    delayed: Mutex<Vec<Request>>,
    due: Mutex<Vec<Request>>,
    delivered: Mutex<Vec<u16>>,
}

impl Mischief {
    /// A client of that container that has this policy, and no retries but those of the code under test.
    pub fn client(self: &Arc<Self>, azurite: &Azurite, container: &str) -> BlobContainerClient {
        self.client_with(azurite, container, RetryOptions::none())
    }

    /// Likewise, with retries of the client's own.
    pub fn client_with(
        self: &Arc<Self>,
        azurite: &Azurite,
        container: &str,
        retry: RetryOptions,
    ) -> BlobContainerClient {
        self.client_at(&format!("{}?{}", azurite.container_url(container), sas::account_sas(1)), retry)
    }

    /// Likewise, of the container at that URL.
    pub fn client_at(self: &Arc<Self>, url: &str, retry: RetryOptions) -> BlobContainerClient {
        let client_options = ClientOptions {
            per_try_policies: vec![Arc::clone(self) as Arc<dyn Policy>],
            retry,
            ..ClientOptions::default()
        };
        let options = BlobContainerClientOptions { client_options, ..BlobContainerClientOptions::default() };
        BlobContainerClient::new(Url::parse(url).expect("a URL"), None, Some(options)).expect("a client")
    }

    /// The next requests that write meet these fates, in turn.
    pub fn next(&self, fates: impl IntoIterator<Item = Fate>) {
        self.fates.lock().expect("not poisoned").extend(fates);
    }

    /// The delayed requests arrive right before the next request of any kind.
    pub fn deliver(&self) {
        let delayed = std::mem::take(&mut *self.delayed.lock().expect("not poisoned"));
        self.due.lock().expect("not poisoned").extend(delayed);
    }

    /// The statuses of the requests that arrived late.
    pub fn delivered(&self) -> Vec<u16> {
        self.delivered.lock().expect("not poisoned").clone()
    }

    /// What was sent since the last call, such as `PUT` or `GET tags`.
    pub fn take_sent(&self) -> Vec<String> {
        std::mem::take(&mut *self.sent.lock().expect("not poisoned"))
    }

    fn note(&self, request: &Request) {
        let url = request.url();
        let part = url.query_pairs().find(|(name, _)| name == "comp").map(|(_, part)| format!(" {part}"));
        let line = format!("{}{}", request.method(), part.unwrap_or_default());
        self.sent.lock().expect("not poisoned").push(line);
    }

    fn fate(&self, request: &Request) -> Option<Fate> {
        let writes = matches!(request.method(), Method::Put | Method::Delete);
        if writes { self.fates.lock().expect("not poisoned").pop_front() } else { None }
    }
}

#[async_trait]
impl Policy for Mischief {
    async fn send(&self, ctx: &Context, request: &mut Request, next: &[Arc<dyn Policy>]) -> PolicyResult {
        let fate = self.fate(request);
        let mut due = std::mem::take(&mut *self.due.lock().expect("not poisoned"));
        if let Some(Fate::ComesSecond) = fate {
            due.push(self.delayed.lock().expect("not poisoned").remove(0));
        }
        for mut late in due {
            let answer = next[0].send(ctx, &mut late, &next[1..]).await?;
            self.delivered.lock().expect("not poisoned").push(answer.status().into());
        }
        self.note(request);
        match fate {
            None | Some(Fate::ComesSecond) => next[0].send(ctx, request, &next[1..]).await,
            Some(Fate::LoseAnswer) => {
                next[0].send(ctx, request, &next[1..]).await?;
                Err(Error::with_message(ErrorKind::Io, "scripted: the answer is lost"))
            }
            Some(Fate::Delay) => {
                self.delayed.lock().expect("not poisoned").push(request.clone());
                Err(Error::with_message(ErrorKind::Io, "scripted: it has not arrived"))
            }
            Some(Fate::Refuse(status, code)) => {
                let mut headers = Headers::new();
                headers.insert(HeaderName::from_static("x-ms-error-code"), code);
                Ok(AsyncRawResponse::from_bytes(StatusCode::from(status), headers, Vec::new()))
            }
        }
    }
}
