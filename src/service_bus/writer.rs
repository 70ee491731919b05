//! A session's state as a small document that older leaders cannot write.

pub(super) mod visit;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use azure_core::credentials::Secret;
use serde_json::{Value, json};

use super::access::Access;
use super::address::{Address, ServiceBusQueue, check_name};
use super::connection::Way;
use crate::shared_credential::SharedCredential;
use crate::writer::fenced;
use leader_election::kit::on_request_threads;
use leader_election::{Error, ErrorKind, FencingToken, Result};
use leader_election_http::Trust;
use visit::{After, Visits};

/// How long an operation may take, unless the caller says otherwise.
const LIMIT: Duration = Duration::from_secs(30);

/// A small text in the state of a session, which a leader that was replaced can no longer write.
///
/// For what a leader has to remember from term to term: a position, a cursor, the last run. It is [64 KiB](Self::MAX) at the most. The
/// service lets only whoever has accepted the session read or write its state; each operation accepts it, compares this leader's fencing
/// token with the highest that was there, and closes it. So reading also shuts older leaders out: what you
/// read, think over and write has no older leader's write in between.
///
/// The session is one of its own: not an election's, and on a queue without the option
/// [`push`](crate::ServiceBusMutexOptions::push). Clones share a connection.
///
/// ```no_run
/// use azure_identity::ManagedIdentityCredential;
/// use azure_leader_election::{FencedSessionState, Leadership, ServiceBusQueue};
///
/// # async fn task(leadership: Leadership) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
/// let queue = ServiceBusQueue::new("sb://mynamespace.servicebus.windows.net/elections")?;
/// let credential = ManagedIdentityCredential::new(None)?;
/// let cursor = FencedSessionState::new(queue, "nightly-billing-cursor", leadership.fencing_token(), credential)?;
/// let last = cursor.read().await?.unwrap_or_default();
/// cursor.overwrite(&format!("{last}+1")).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct FencedSessionState {
    visits: Arc<Visits>,
    token: FencingToken,
}

impl FencedSessionState {
    /// The most bytes that the text may have: 65,536.
    pub const MAX: usize = 64 * 1024;

    /// The session of that name, for the leader with this token, with an Entra ID credential. Nothing is sent yet.
    ///
    /// # Errors
    /// [`InvalidSetting`](ErrorKind::InvalidSetting) for a name that cannot be: 1 to 128 ASCII letters, digits, `.`, `-` and `_`, not
    /// beginning with a dot.
    pub fn new(
        queue: ServiceBusQueue,
        session: &str,
        token: FencingToken,
        credential: impl Into<SharedCredential>,
    ) -> Result<Self> {
        Self::open(queue, session, token, Access::Credential(credential.into()))
    }

    /// As [`new`](Self::new), with a connection string.
    ///
    /// # Errors
    /// As [`new`](Self::new), and for a text that is no connection string of this queue's namespace.
    pub fn with_connection_string(
        queue: ServiceBusQueue,
        session: &str,
        token: FencingToken,
        connection_string: Secret,
    ) -> Result<Self> {
        let access = Access::of_connection_string(&connection_string, &queue)?;
        Self::open(queue, session, token, access)
    }

    fn open(queue: ServiceBusQueue, session: &str, token: FencingToken, access: Access) -> Result<Self> {
        check_name("session", session)?;
        let way = Way::new(queue.clone(), access, &Trust::default())?;
        let address = Address { queue, session: session.to_owned() };
        Ok(Self { visits: Arc::new(Visits::new(Arc::new(way), address, LIMIT)), token })
    }

    /// Gives an operation at most this long, all its requests together. Default 30 s.
    #[must_use]
    pub fn with_limit(self, limit: Duration) -> Self {
        match Arc::try_unwrap(self.visits) {
            Ok(visits) => Self { visits: Arc::new(visits.with_limit(limit)), ..self },
            Err(visits) => Self { visits, ..self },
        }
    }

    /// Reads the text; `None` before the first write. From then on older leaders are refused.
    ///
    /// # Errors
    /// [`Fenced`](ErrorKind::Fenced) when a newer leader was here; [`CorruptRecord`](ErrorKind::CorruptRecord) when something else stands in
    /// the session's state; transient when the outcome is not known.
    ///
    /// # Cancellation safety
    /// Dropped, it has read or not.
    pub async fn read(&self) -> Result<Option<String>> {
        self.run("reading", None).await
    }

    /// Replaces the text.
    ///
    /// # Errors
    /// As [`read`](Self::read), and [`InvalidSetting`](ErrorKind::InvalidSetting) for more than [`MAX`](Self::MAX) bytes. After a transient
    /// error the text may have been replaced: read it.
    ///
    /// # Cancellation safety
    /// Dropped, it was carried out or not.
    pub async fn overwrite(&self, text: &str) -> Result<()> {
        if text.len() > Self::MAX {
            return Err(Error::setting(format!(
                "a fenced state must have 65,536 bytes at the most, not {}",
                text.len()
            )));
        }
        self.run("writing", Some(text.to_owned())).await.map(drop)
    }

    async fn run(&self, doing: &'static str, text: Option<String>) -> Result<Option<String>> {
        let this = self.clone();
        let visit = async move { this.visits.visit(doing, |state| this.decide(state, text)).await };
        on_request_threads(visit).await?
    }

    fn decide(&self, state: Option<&[u8]>, text: Option<String>) -> Result<After<Option<String>>> {
        let before = state.map(|state| self.parse(state)).transpose()?;
        let (fence, present) = before.unzip();
        if let Some(newer) = fence.filter(|fence| *fence > self.token) {
            return Err(fenced(self.visits.address(), self.token, newer));
        }
        let present = present.flatten();
        let next = text.clone().or_else(|| present.clone());
        let state =
            json!({ "schemaVersion": 1, "fencingToken": self.token.get(), "text": next }).to_string().into_bytes();
        match text {
            None if fence == Some(self.token) => Ok(After::Leave(present)),
            _ => Ok(After::Write(state, present)),
        }
    }

    fn parse(&self, state: &[u8]) -> Result<(FencingToken, Option<String>)> {
        let corrupt = || {
            let at = self.visits.address();
            Error::new(
                ErrorKind::CorruptRecord,
                format!("{at} holds no fenced state; something else writes to it. Nothing was changed"),
            )
        };
        // Each character may be written by six bytes.
        let read: Option<Value> = (state.len() <= 8 * Self::MAX).then(|| serde_json::from_slice(state).ok()).flatten();
        let read = read.ok_or_else(corrupt)?;
        let token = read.get("fencingToken").and_then(Value::as_u64).and_then(|token| FencingToken::new(token).ok());
        match (read.get("schemaVersion").and_then(Value::as_u64), token, read.get("text")) {
            (Some(1), Some(token), Some(Value::Null)) => Ok((token, None)),
            (Some(1), Some(token), Some(Value::String(text))) if text.len() <= Self::MAX => {
                Ok((token, Some(text.clone())))
            }
            _ => Err(corrupt()),
        }
    }
}

impl fmt::Debug for FencedSessionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FencedSessionState")
            .field("session", &self.visits.address().to_string())
            .field("token", &self.token)
            .finish()
    }
}
