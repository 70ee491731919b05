//! Requests as the documentation has them, and their answers.

use azure_core::http::headers::{HeaderName, HeaderValue};
use azure_core::http::policies::Policy;
use azure_core::http::{ClientOptions, Context, Pipeline, PipelineSendOptions, Request, RetryOptions, Url};
use std::sync::Arc;
use std::time::Duration;

use super::calls::{self, Call};
use crate::blob::address::Address;
use crate::blob::emulator_key::EmulatorKey;
use crate::blob::errors;
use crate::blob::transport::{self, Access, SCOPE};
use leader_election::{Error, ErrorKind, Result, kit::patience};

/// The one that the SDK sends.
const VERSION: &str = "2026-04-06";
const LIMIT: Duration = Duration::from_secs(20);

/// A container, and by what right it is used.
pub(super) struct Raw {
    address: Address,
    access: Access,
    pipeline: Pipeline,
}

pub(super) struct Answer {
    pub(super) status: u16,
    headers: Vec<(String, String)>,
}

impl Answer {
    pub(super) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Nothing, where there is none.
    pub(super) fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(header, _)| header.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str()).unwrap_or_default()
    }
}

impl Raw {
    pub(super) fn new(address: &Address, access: Access) -> Result<Self> {
        let signing = match access {
            Access::EmulatorKey => vec![Arc::new(EmulatorKey) as Arc<dyn Policy>],
            _ => Vec::new(),
        };
        let options = ClientOptions {
            retry: RetryOptions::none(),
            transport: Some(transport::own(address)?),
            ..ClientOptions::default()
        };
        let (name, version) = (option_env!("CARGO_PKG_NAME"), option_env!("CARGO_PKG_VERSION"));
        let pipeline = Pipeline::new(name, version, options, Vec::new(), signing, None);
        Ok(Self { address: address.clone(), access, pipeline })
    }

    /// Whatever the service says of it.
    pub(super) async fn send(&self, blob: &str, call: &Call) -> Result<Answer> {
        let mut request = Request::new(self.url(blob, call.query)?, call.method);
        request.insert_header("x-ms-version", VERSION);
        for (name, value) in &call.headers {
            request.insert_header(HeaderName::from_static(name), HeaderValue::from(value.clone()));
        }
        if let Access::Credential(credential) = &self.access {
            let token = credential.token(&[SCOPE], patience::OF_A_LOOK).await?;
            request.insert_header("authorization", format!("Bearer {}", token.text));
        }
        request.set_body(call.body.as_bytes().to_vec());
        let options = PipelineSendOptions { skip_checks: true, ..PipelineSendOptions::default() };
        let context = Context::new();
        let sent = tokio::time::timeout(LIMIT, self.pipeline.send(&context, &mut request, Some(options))).await;
        let no_answer = |_| Error::new(ErrorKind::Timeout, format!("{} had no answer within 20 s", call.name()));
        let response = sent.map_err(no_answer)?.map_err(|error| errors::explain("checking", &self.address, &error))?;
        let headers = response.headers().iter();
        let headers = headers.map(|(name, value)| (name.as_str().to_owned(), value.as_str().to_owned())).collect();
        Ok(Answer { status: response.status().into(), headers })
    }

    /// What has to succeed for a step to mean anything.
    pub(super) async fn expect(&self, blob: &str, call: &Call) -> Result<Answer> {
        let answer = self.send(blob, call).await?;
        if answer.is_success() {
            return Ok(answer);
        }
        let kind = match answer.status {
            401 | 403 => ErrorKind::Denied,
            429 | 500.. => ErrorKind::Unavailable,
            _ => ErrorKind::Refused,
        };
        let code = answer.header("x-ms-error-code");
        Err(Error::new(kind, format!("{}, which this step begins with, failed: {} {code}", call.name(), answer.status)))
    }

    /// Deletes a blob, and whatever lease is on it; none is as good.
    pub(super) async fn remove(&self, blob: &str) -> Result<()> {
        let mut deleted = self.send(blob, &calls::delete()).await?;
        if deleted.status == 412 {
            self.send(blob, &calls::breaking("0")).await?;
            deleted = self.send(blob, &calls::delete()).await?;
        }
        // Azurite cannot break a lease that it has granted without a duration; it is of this check.
        if !deleted.is_success() && deleted.status != 404 {
            self.send(blob, &calls::release(calls::A)).await?;
            let under_it = self.send(blob, &calls::delete().under(calls::A)).await?;
            deleted = if under_it.is_success() { under_it } else { self.send(blob, &calls::delete()).await? };
        }
        match deleted.status {
            202 | 404 => Ok(()),
            401 | 403 => Err(Error::new(
                ErrorKind::Denied,
                "the right to delete blobs is missing, which no election needs; delete it by hand",
            )),
            status => Err(Error::new(
                ErrorKind::Refused,
                format!("deleting its blob failed: {status} {}", deleted.header("x-ms-error-code")),
            )),
        }
    }

    fn url(&self, blob: &str, query: &str) -> Result<Url> {
        let mut url = self.address.container_url().clone();
        url.path_segments_mut().map_err(|()| Error::setting("the container URL has no path"))?.push(blob);
        let signature = url.query().map(str::to_owned);
        let parts: Vec<_> =
            [Some(query.to_owned()).filter(|query| !query.is_empty()), signature].into_iter().flatten().collect();
        url.set_query(Some(parts.join("&")).filter(|query| !query.is_empty()).as_deref());
        Ok(url)
    }
}
