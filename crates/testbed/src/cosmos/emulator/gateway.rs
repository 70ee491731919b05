//! The http side of the emulator.

use std::io;
use std::sync::Arc;

use azure_core::http::headers::{HeaderName, HeaderValue};
use azure_core::http::{Method, Request, Url};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::http::request::Parts;

use super::authorize::{self, Refusal};
use super::{Account, Kind};

type Response = hyper::Response<Full<Bytes>>;

/// One port of the account.
#[derive(Debug, Clone)]
pub(super) struct Gateway {
    account: Arc<Account>,
    region: Option<Url>,
}

impl Gateway {
    /// The port that leads to the region that takes the writes.
    pub(super) fn front(account: Arc<Account>) -> Self {
        Self { account, region: None }
    }

    pub(super) fn region(account: Arc<Account>, url: Url) -> Self {
        Self { account, region: Some(url) }
    }

    pub(super) async fn answer(self, head: Parts, body: Bytes) -> io::Result<Response> {
        let (method, kind) = (head.method.as_str(), Kind::of(head.uri.path()));
        self.account.requests.note(method, kind);
        self.account.faults.until_it_goes_on().await;

        let url = self.target().join(head.uri.path()).map_err(io::Error::other)?;
        if let Err(Refusal { status, substatus }) = authorize::authorize(method, &url, &head.headers) {
            return Ok(failure(status, substatus, "this signature or token does not allow it"));
        }
        if kind != Kind::Item {
            return self.forward(&head, url, body).await;
        }
        if let Some(status) = self.account.faults.failure() {
            return Ok(failure(status, if status == 429 { 3200 } else { 0 }, "the test has ordered it"));
        }
        let lost = self.account.faults.loses(method);
        let response = self.forward(&head, url, body).await?;
        if lost { Err(io::ErrorKind::ConnectionReset.into()) } else { Ok(response) }
    }

    async fn forward(&self, head: &Parts, url: Url, body: Bytes) -> io::Result<Response> {
        let method = head.method.as_str().parse::<Method>().map_err(io::Error::other)?;
        let mut request = Request::new(url, method);
        for (name, value) in &head.headers {
            let value = value.to_str().map_err(io::Error::other)?;
            request.insert_header(HeaderName::from(name.as_str().to_owned()), HeaderValue::from(value.to_owned()));
        }
        request.set_body(body);
        self.account.execute(&request).await
    }

    fn target(&self) -> Url {
        self.region.clone().unwrap_or_else(|| self.account.write_region())
    }
}

impl Account {
    /// Fails where the region cannot be reached.
    pub(super) async fn execute(&self, request: &Request) -> io::Result<Response> {
        let response = self.client.execute_request(request).await.map_err(io::Error::other)?;
        let response = response.try_into_raw_response().await.map_err(io::Error::other)?;
        let mut answer = hyper::Response::builder().status(u16::from(response.status()));
        for (name, value) in response.headers().iter() {
            answer = answer.header(name.as_str(), value.as_str());
        }
        answer.body(Full::new(response.body().as_ref().to_vec().into())).map_err(io::Error::other)
    }
}

/// As Cosmos DB tells one.
fn failure(status: u16, substatus: u16, message: &str) -> Response {
    let body = serde_json::json!({ "code": status.to_string(), "message": message });
    let mut response = hyper::Response::builder().status(status).header("content-type", "application/json");
    response = response.header("x-ms-substatus", substatus);
    if status == 429 {
        response = response.header("x-ms-retry-after-ms", 20);
    }
    response.body(Full::new(body.to_string().into())).expect("a response")
}
