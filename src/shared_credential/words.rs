//! What a credential says when it fails: kept, in one line, without what may be secret in it.

use std::error::Error as StdError;
use std::time::Duration;

use azure_core::error::ErrorKind as SdkKind;
use azure_core::http::RawResponse;
use azure_core::http::headers::HeaderName;

use leader_election::{
    Error, ErrorKind,
    kit::redact::{advice, scrub, scrubbed},
};

/// How much of it is shown; the causes have all of it.
const LENGTH: usize = 400;

/// The failure of a credential of the user's.
pub(super) fn sign_in_failed(error: &azure_core::Error) -> Error {
    let cause = scrubbed(error);
    let status = response(error).map(|(status, _)| format!("HTTP {status}")).unwrap_or_default();
    let advice = advice(&format!("{status} {}", cause.whole())).map(|advice| format!("; {advice}")).unwrap_or_default();
    Error::new(ErrorKind::Credential, format!("signing in failed: {}{advice}", one_line(&error.to_string())))
        .with_retry_after(retry_after(error))
        .with_source(cause)
}

/// The credential's failure among the causes of a request's, in its own words, and as an error of ours.
#[cfg(any(feature = "blob", feature = "cosmos"))]
pub(crate) fn credential_error(
    doing: &str,
    what: &dyn std::fmt::Display,
    error: &(dyn StdError + 'static),
) -> Option<Error> {
    let failure = of_credential(error)?;
    let why = own(failure).unwrap_or_else(|| sign_in_failed(failure));
    let failed = Error::new(ErrorKind::Credential, format!("{doing} {what} failed: {why}"));
    Some(failed.with_retry_after(why.retry_after()).with_source(scrubbed(failure)))
}

/// The failure of a credential, where one is the cause.
#[cfg(any(feature = "blob", feature = "cosmos"))]
fn of_credential<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a azure_core::Error> {
    let sdk = |error: &'a (dyn StdError + 'static)| error.downcast_ref::<azure_core::Error>();
    chain(error).filter_map(sdk).find(|error| matches!(error.kind(), SdkKind::Credential))
}

/// What a [`SharedCredential`](super::SharedCredential) has said, which is worded already.
pub(super) fn own(error: &azure_core::Error) -> Option<Error> {
    chain(error).find_map(|error| error.downcast_ref::<Error>()).cloned()
}

fn retry_after(error: &azure_core::Error) -> Option<Duration> {
    let (_, raw) = response(error)?;
    let asked = raw?.headers().get_optional_str(&HeaderName::from_static("retry-after"))?;
    asked.trim().parse().ok().map(Duration::from_secs)
}

/// What an endpoint has answered, where that is the cause.
fn response(error: &azure_core::Error) -> Option<(u16, Option<&RawResponse>)> {
    chain(error).filter_map(|error| error.downcast_ref::<azure_core::Error>()).find_map(|error| match error.kind() {
        SdkKind::HttpResponse { status, raw_response, .. } => Some((u16::from(*status), raw_response.as_deref())),
        _ => None,
    })
}

/// Bounded: whoever builds an error may build one that is its own cause.
fn chain<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |&error: &&'a (dyn StdError + 'static)| error.source()).take(16)
}

/// The lines that say something of this failure: not the heading of several of them, nor where to read about all there are.
fn one_line(text: &str) -> String {
    let lines: Vec<String> = text.lines().map(|line| scrub(line.trim())).filter(|line| says_something(line)).collect();
    let told = if lines.len() > 1 && lines[0].ends_with(':') { &lines[1..] } else { &lines[..] };
    let line: String = told.join("; ").chars().filter(|c| !c.is_control()).collect();
    if line.is_empty() {
        return "the credential says nothing of why".to_owned();
    }
    match line.char_indices().nth(LENGTH) {
        Some((end, _)) => format!("{} ...", &line[..end]),
        None => line,
    }
}

fn says_something(line: &str) -> bool {
    !line.is_empty() && !line.starts_with("To troubleshoot, visit")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> String {
        let error = azure_core::Error::with_message(SdkKind::Credential, text.to_owned());
        sign_in_failed(&error).to_string()
    }

    #[test]
    fn the_credentials_own_words_are_kept_in_one_line() {
        let said = told(
            "Multiple errors were encountered:\nERROR: Please run 'az login' to set up account.\n\nazd: not found",
        );
        assert_eq!(said, "signing in failed: ERROR: Please run 'az login' to set up account.; azd: not found");
        assert!(told("").contains("nothing of why"));
        assert!(told(&"ä".repeat(5000)).chars().count() < 450);
        assert!(!told("GET http://169.254.169.254/token?secret=S refused").contains("secret=S"));
    }

    #[cfg(any(feature = "blob", feature = "cosmos"))]
    #[test]
    fn what_a_shared_credential_has_said_is_not_said_twice() {
        let ours = Error::new(ErrorKind::Credential, "signing in has taken 9.0 s so far, and goes on");
        let sdk =
            azure_core::Error::with_error(SdkKind::Credential, ours, "signing in has taken 9.0 s so far, and goes on");
        let told = credential_error("reading", &"the blob", &sdk).expect("a credential's").to_string();
        assert_eq!(told, "reading the blob failed: signing in has taken 9.0 s so far, and goes on");
    }
}
