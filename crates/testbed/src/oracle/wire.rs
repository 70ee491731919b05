//! The SDK's way to the oracle without a socket. Nothing waits on anything but the runtime's clock, so paused time works.

use std::sync::Arc;

use async_trait::async_trait;
use azure_core::error::{Error, ErrorKind};
use azure_core::http::headers::{HeaderName, HeaderValue, Headers};
use azure_core::http::{AsyncRawResponse, Body, HttpClient, StatusCode, Transport};

use super::message::{Request, Response};
use super::network::Network;

impl Network {
    /// For an SDK client on this runtime.
    pub fn transport(&self) -> Transport {
        Transport::new(Arc::new(self.clone()))
    }
}

#[async_trait]
impl HttpClient for Network {
    async fn execute_request(&self, request: &azure_core::http::Request) -> azure_core::Result<AsyncRawResponse> {
        let Body::Bytes(body) = request.body() else {
            return Err(Error::with_message(ErrorKind::Other, "the oracle takes no streams"));
        };
        let headers =
            request.headers().iter().map(|(name, value)| (name.as_str().to_owned(), value.as_str().to_owned()));
        let request = Request::new(request.method().as_str(), request.url(), headers, body.to_vec());
        let answered = self.exchange(request).await;
        answered.map(raw).map_err(|error| Error::with_error(ErrorKind::Io, error, "the connection broke"))
    }
}

fn raw(response: Response) -> AsyncRawResponse {
    let mut headers = Headers::new();
    for (name, value) in response.headers {
        headers.insert(HeaderName::from(name), HeaderValue::from(value));
    }
    AsyncRawResponse::from_bytes(StatusCode::from(response.status), headers, response.body)
}
