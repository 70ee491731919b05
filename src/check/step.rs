//! One step, and what it has seen.

use std::pin::Pin;
use std::time::Duration;

use tokio::task::JoinSet;

use super::{Finding, Ground, Verdict};
use leader_election::{Error, ErrorKind, Result};

type Act = Box<dyn FnOnce(Ground) -> Pin<Box<dyn Future<Output = Result<Seen>> + Send>> + Send>;

/// What is to be verified, and how.
pub(crate) struct Step {
    pub(crate) number: &'static str,
    says: &'static str,
    waits: Option<(&'static str, Duration)>,
    alone: bool,
    act: Act,
}

impl Step {
    /// The claim of that number, what it says, and what tells whether it is so.
    pub(crate) fn new<F>(
        number: &'static str,
        says: &'static str,
        act: impl FnOnce(Ground) -> F + Send + 'static,
    ) -> Self
    where
        F: Future<Output = Result<Seen>> + Send + 'static,
    {
        Self { number, says, waits: None, alone: false, act: Box::new(|ground| Box::pin(act(ground))) }
    }

    /// It waits for this, for so long.
    pub(crate) fn waiting(self, what: &'static str, time: Duration) -> Self {
        Self { waits: Some((what, time)), ..self }
    }

    /// Others beside it would spoil what it measures.
    pub(crate) fn alone(self) -> Self {
        Self { alone: true, ..self }
    }

    pub(super) fn is_alone(&self) -> bool {
        self.alone || self.waits.is_none()
    }

    pub(super) fn waits(&self) -> Option<(&'static str, Duration)> {
        self.waits
    }

    /// Takes it, in a task of its own, which ends with this call.
    pub(super) async fn take(self, ground: Ground, limit: Duration) -> Finding {
        let Self { number, says: expectation, act, .. } = self;
        let mut task = JoinSet::new();
        task.spawn(tokio::time::timeout(limit, act(ground)));
        let seen = match task.join_next().await {
            Some(Ok(Ok(Ok(seen)))) => seen,
            Some(Ok(Ok(Err(error)))) => Seen::of(&error),
            Some(Ok(Err(_))) => Seen::new(Verdict::Unanswered, format!("not done after {} s", limit.as_secs())),
            Some(Err(_)) | None => Seen::new(Verdict::Unanswered, "the step panicked: a bug of this program"),
        };
        Finding { number, expectation, verdict: seen.verdict, seen: seen.text }
    }
}

/// What was seen, and what it means for the claim.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(super) verdict: Verdict,
    pub(super) text: String,
}

impl Seen {
    pub(crate) fn new(verdict: Verdict, text: impl Into<String>) -> Self {
        Self { verdict, text: text.into() }
    }

    /// As documented if it is so.
    pub(crate) fn is_so(is_so: bool, text: impl Into<String>) -> Self {
        Self::new(if is_so { Verdict::AsDocumented } else { Verdict::Differs }, text)
    }

    pub(crate) fn differs(text: impl Into<String>) -> Self {
        Self::new(Verdict::Differs, text)
    }

    pub(crate) fn measured(text: impl Into<String>) -> Self {
        Self::new(Verdict::Measured, text)
    }

    pub(crate) fn not_checked(text: impl Into<String>) -> Self {
        Self::new(Verdict::NotChecked, text)
    }

    /// A step that came to no end.
    fn of(error: &Error) -> Self {
        let verdict = match error.kind() {
            ErrorKind::Denied | ErrorKind::Credential => Verdict::Denied,
            _ if error.is_transient() => Verdict::Unanswered,
            ErrorKind::InvalidSetting | ErrorKind::NotFound => Verdict::Unfit,
            _ => Verdict::Differs,
        };
        Self::new(verdict, error.to_string())
    }
}
