//! One request and its whole answer, within bounds.

use leader_election::kit::redact::scrubbed;
use leader_election::{Error, ErrorKind, Result};
use reqwest::header::HeaderMap;
use reqwest::{RequestBuilder, Response};

/// What a server answered.
#[derive(Clone)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body, whole.
    pub body: Vec<u8>,
}

impl std::fmt::Debug for Answer {
    /// Without what it says: a secret may be among it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Answer").field("status", &self.status).field("bytes", &self.body.len()).finish_non_exhaustive()
    }
}

impl Answer {
    /// Whether the status tells of success.
    #[must_use]
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The header of this name, if it is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// Sends a request and reads its answer, of `most` bytes at the most. `what` is the server in the words of an error: "etcd at 127.0.0.1:2379".
///
/// # Errors
/// [`Timeout`](ErrorKind::Timeout), [`Unreachable`](ErrorKind::Unreachable): transient, it may have been carried out.
/// [`InvalidSetting`](ErrorKind::InvalidSetting) for a server whose certificate is not trusted.
/// [`Refused`](ErrorKind::Refused) for an answer that is longer.
///
/// # Cancellation safety
/// May be dropped; the request may have been carried out then.
pub async fn answer(request: RequestBuilder, most: usize, what: &str) -> Result<Answer> {
    let mut response = request.send().await.map_err(|error| failed(&error, what))?;
    let (status, headers) = (response.status().as_u16(), std::mem::take(response.headers_mut()));
    let body = body(&mut response, most, what).await?;
    Ok(Answer { status, headers, body })
}

async fn body(response: &mut Response, most: usize, what: &str) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| failed(&error, what))? {
        if chunk.len() > most - body.len() {
            return Err(Error::new(ErrorKind::Refused, format!("{what} answered more than {most} bytes")));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// What a request without an answer is. It does not tell the URL, in which a secret may stand.
#[must_use]
pub fn failed(error: &reqwest::Error, what: &str) -> Error {
    let (kind, text) = if is_about_certificates(error) {
        (
            ErrorKind::InvalidSetting,
            format!("{what} is not trusted: give its certificate authority, and the name that its certificate is for"),
        )
    } else if error.is_builder() {
        (ErrorKind::InvalidSetting, format!("no request to {what} can be made"))
    } else if error.is_timeout() {
        (ErrorKind::Timeout, format!("{what} gave no answer"))
    } else if error.is_connect() {
        (ErrorKind::Unreachable, format!("{what} cannot be reached"))
    } else {
        (ErrorKind::Unreachable, format!("{what} ended the connection before its answer"))
    };
    let cause = scrubbed(error);
    let root = cause.root();
    // A timeout's own words say no more.
    let text = if kind == ErrorKind::Timeout { text } else { format!("{text} ({root})") };
    Error::new(kind, text).with_source(cause)
}

/// Whether TLS failed for what the certificates say, which no retry mends.
fn is_about_certificates(error: &reqwest::Error) -> bool {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if within(error).downcast_ref::<rustls::Error>().is_some_and(is_for_a_human) {
            return true;
        }
        cause = error.source();
    }
    false
}

/// What an error of a socket has inside, which can be one of a socket again, and is none of its sources: the TLS library says so by no
/// other way.
fn within<'a>(mut error: &'a (dyn std::error::Error + 'static)) -> &'a (dyn std::error::Error + 'static) {
    while let Some(inner) = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
        error = inner;
    }
    error
}

fn is_for_a_human(error: &rustls::Error) -> bool {
    use rustls::{AlertDescription as Alert, Error};
    match error {
        Error::InvalidCertificate(_) | Error::NoCertificatesPresented | Error::UnsupportedNameType => true,
        // The server does not like ours.
        Error::AlertReceived(alert) => matches!(
            alert,
            Alert::BadCertificate
                | Alert::CertificateExpired
                | Alert::CertificateRequired
                | Alert::CertificateRevoked
                | Alert::CertificateUnknown
                // What is signed by another authority of the same name.
                | Alert::DecryptError
                | Alert::UnknownCA
                | Alert::UnsupportedCertificate
                | Alert::AccessDenied
        ),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
