//! The one error type of this crate.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::token::{FencingToken, InvalidFencingToken};

/// Shorthand for results of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What went wrong, in one sentence that names the setting, the right or the service to look at.
///
/// [`kind`](Self::kind) is for programs, `Display` for people, `source()` for the causes below. Neither these nor
/// `Debug` ever hold a secret: URLs lose their query (a SAS signature stands there) before they come here.
///
/// ```
/// use leader_election::{ErrorKind, HolderId};
///
/// let error = HolderId::new("two\nlines").unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::InvalidSetting);
/// assert!(!error.is_transient());
/// assert!(error.to_string().contains("holder"));
/// ```
#[derive(Debug, Clone)]
pub struct Error {
    kind: ErrorKind,
    message: Cow<'static, str>,
    retry_after: Option<Duration>,
    fenced_by: Option<FencingToken>,
    source: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

/// The class of an [`Error`].
///
/// A store's errors keep two truths apart. After a *transient* one nobody knows whether the request was carried out;
/// the host repeats it until the lease's deadline. All others are for a human: repeating will not help.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// No answer within the time limit. Transient.
    Timeout,
    /// The service could not be reached, or the connection broke. Transient.
    Unreachable,
    /// The service answered that it cannot serve now (5xx). Transient.
    Unavailable,
    /// The service asks for fewer requests (429, or 503 with a busy code). Transient.
    Throttled,
    /// The credential could not produce an access token. Transient, as identity endpoints come up late.
    Credential,
    /// The caller lacks a right, or the signature or token was refused (401, 403).
    Denied,
    /// The host name, the container or the like does not exist.
    NotFound,
    /// A setting that cannot work; found before anything was sent, or named by the service (400).
    InvalidSetting,
    /// What the store's record holds cannot be used. Nothing is overwritten.
    CorruptRecord,
    /// A newer leader has written to the resource, and it refuses this one: stop. See
    /// [`Error::fenced_by`](crate::Error::fenced_by).
    Fenced,
    /// What was to be written to has changed since it was read, or a condition of the caller's own does not hold. Nothing was
    /// written.
    Conflict,
    /// The service refused for another reason.
    Refused,
    /// The leader's task returned an error, and [`AfterTask::EndHost`](crate::AfterTask) was chosen.
    TaskFailed,
    /// The leader's task panicked, and [`AfterTask::EndHost`](crate::AfterTask) was chosen or there was
    /// [one term](crate::LeaderHost::run_one_term) only.
    TaskPanicked,
    /// The leader's task, or what it has started, still runs past its lease although it was aborted: it blocks its thread. The
    /// lease was left to run out. It is returned only where
    /// [`abort_process_on_overrun`](crate::LeaderHostOptions::abort_process_on_overrun) is off.
    Overrun,
    /// This host already runs, or a task of an earlier run still does.
    AlreadyRunning,
    /// A thread or runtime that elections need could not be started, or failed; or this process was forked from one that had
    /// started them.
    Runtime,
}

impl ErrorKind {
    /// Whether the outcome of the request is unknown and repeating it makes sense.
    #[must_use]
    pub fn is_transient(self) -> bool {
        matches!(self, Self::Timeout | Self::Unreachable | Self::Unavailable | Self::Throttled | Self::Credential)
    }
}

impl Error {
    /// Creates an error; stores outside this crate use it too.
    pub fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, message: message.into(), retry_after: None, fenced_by: None, source: None }
    }

    /// Adds the cause, which `source()` returns. It must hold no secret.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<BoxError>) -> Self {
        self.source = Some(Arc::from(source.into()));
        self
    }

    /// Adds how long the service asked to wait.
    #[must_use]
    pub fn with_retry_after(mut self, wait: Option<Duration>) -> Self {
        self.retry_after = wait;
        self
    }

    /// The class of this error.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Short for `kind().is_transient()`.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        self.kind.is_transient()
    }

    /// How long the service asked to wait before the next request, if it did.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// Of a resource's own refusal: the leader whose token is `token` comes after the one with `newer`.
    ///
    /// For a resource that keeps the highest token it has seen; services behind a network can answer with 409 and the text.
    #[must_use]
    pub fn fenced(token: FencingToken, newer: FencingToken) -> Self {
        let message = format!("fenced: a newer leader (term {newer}) has written; this one (term {token}) must stop");
        Self { fenced_by: Some(newer), ..Self::new(ErrorKind::Fenced, message) }
    }

    /// The newer leader's token, where a resource refused this leader for it.
    #[must_use]
    pub fn fenced_by(&self) -> Option<FencingToken> {
        self.fenced_by
    }

    /// A setting that cannot work, with what would.
    pub fn setting(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::InvalidSetting, message)
    }
}

impl From<InvalidFencingToken> for Error {
    fn from(invalid: InvalidFencingToken) -> Self {
        Self::new(ErrorKind::CorruptRecord, invalid.to_string())
    }
}
