//! Keys that refuse older leaders.

mod command;
mod errors;
mod fence;
mod script;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use leader_election::kit::{on_request_threads, write_fenced};
use leader_election::{Error, ErrorKind, FencingToken, Result};
use redis::Pipeline;
use tokio::sync::Mutex;

use crate::RedisServer;
use crate::line::Line;
use fence::{Fence, Mark, Tag};
use script::{Answer, WRITE};

pub use command::{CommittedCommands, KeyCommand, KeyReply};
pub use errors::RefusedCommand;

/// How long an operation may take, all its requests together, unless the caller says otherwise.
const LIMIT: Duration = Duration::from_secs(60);
/// How often a write is sent again when there is no answer.
const UNANSWERED: u32 = 4;
/// How often it gets another number, as somebody else wrote under the same token meanwhile.
const ROUNDS: u32 = 32;
/// Before a request is repeated that was not answered, then twice as long, and so on.
const PAUSE: Duration = Duration::from_millis(50);
/// The most bytes of an answer.
const MOST: usize = 8 * 1024 * 1024;

/// The keys of one hash tag, such as `{billing}:total`, which only the latest leader can write to.
///
/// Each write is one script, which Redis carries out with nothing in between: it looks at the fence, the key `{billing}:leader-fence`, and
/// runs the commands only if no newer leader has written. The fence has the highest [`FencingToken`] and the numbers of the last eight
/// writes, so a write whose answer was lost is found, and a late duplicate of one's own write is refused. So once a newer leader has
/// written, an older one is refused, however long it was paused and whatever its clock shows.
///
/// A write costs one request. Those of one `FencedKeys` run one after the other. Keep one for each tag and leadership.
///
/// # What the fence does not do
/// - It keeps an older leader out once a newer one has *written*. A leader that reads, thinks and writes calls [`raise`](Self::raise) before it
///   reads. All writers of the keys must go through it.
/// - **It lives as long as the data.** A failover that loses the newest writes loses the fence's newest number with them: an older leader can then write to the
///   data that is left, until the newer one writes again. It is never behind its data, as both are one write.
/// - **Redis undoes nothing.** When a command is refused, those before it stay carried out: see [`RefusedCommand`].
/// - All tokens must come from one election. Whoever deletes the fence lets an older leader write again.
///
/// # Errors of all operations
/// [`Fenced`](ErrorKind::Fenced) when a newer leader has written, with [its token](Error::fenced_by); [`Conflict`](ErrorKind::Conflict) when
/// a command was refused, with a [`RefusedCommand`] as its source; [`CorruptRecord`](ErrorKind::CorruptRecord) when the fence is none;
/// [`InvalidSetting`](ErrorKind::InvalidSetting) for commands that cannot be, before anything is sent; a transient error when nobody knows
/// whether the write was carried out. `Fenced` with a transient error as its source: the write was sent before and not answered, and so much
/// was written since that the fence does not tell any more whether it was carried out.
///
/// An operation that is dropped may still be carried out; the fence makes that harmless. All are bounded by [`with_limit`](Self::with_limit), and
/// run on the crate's request threads.
///
/// ```no_run
/// use leader_election::{Leadership, TaskError};
/// use leader_election_redis::{FencedKeys, KeyCommand, RedisServer};
///
/// async fn bill(leader: Leadership, server: RedisServer) -> Result<(), TaskError> {
///     let billing = FencedKeys::new(server, "billing", leader.fencing_token())?;
///     billing.raise().await?; // from here on no older leader can write
///     // ... read what is due ...
///     billing.set("{billing}:last-run", "2026-11-28").await?;
///     billing
///         .execute(vec![
///             KeyCommand::new("INCRBY").key("{billing}:total").arg("12"),
///             KeyCommand::new("SREM").key("{billing}:due").arg("subscription-7"),
///         ])
///         .await?;
///     Ok(())
/// }
/// ```
pub struct FencedKeys {
    inner: Arc<Inner>,
    limit: Duration,
}

struct Inner {
    line: Line,
    tag: Tag,
    token: FencingToken,
    turn: Mutex<()>,
}

impl FencedKeys {
    /// The keys with this hash tag on the server, written to under `token`. Nothing is sent yet.
    ///
    /// # Errors
    /// [`InvalidSetting`](ErrorKind::InvalidSetting) for a tag other than 1 to 128 of the ASCII letters, digits, `.`, `-`, `_`, `:` and `/`.
    pub fn new(server: RedisServer, tag: &str, token: FencingToken) -> Result<Self> {
        let tag = Tag::new(tag)?;
        server.prepare();
        let line = Line::new(server, tag.to_string());
        Ok(Self { inner: Arc::new(Inner { line, tag, token, turn: Mutex::default() }), limit: LIMIT })
    }

    /// Sets how long an operation may take, all its requests together. Default 60 s, which is more than a leader's task is given after its
    /// cancellation. A request is given up, and repeated, after a quarter of it.
    #[must_use]
    pub fn with_limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Sets a key of the tag, if no newer leader has written.
    ///
    /// # Errors
    /// As [above](Self#errors-of-all-operations).
    pub async fn set(&self, key: impl Into<String>, value: impl Into<Vec<u8>>) -> Result<()> {
        self.execute(vec![KeyCommand::new("SET").key(key).arg(value)]).await.map(drop)
    }

    /// Runs these commands, 100 at the most, in one step, if no newer leader has written. Each names at least one key of the tag, and all
    /// together have 1 MiB at the most.
    ///
    /// One whose answer was lost is sent again with the same number, and carried out once.
    ///
    /// # Errors
    /// As [above](Self#errors-of-all-operations).
    pub async fn execute(&self, commands: Vec<KeyCommand>) -> Result<CommittedCommands> {
        command::check(&commands, &self.inner.tag)?;
        self.run(commands).await
    }

    /// Takes the fence before anything is written: from then on no older leader can write to the keys. A leader that acts on what it reads
    /// calls this before it reads. It costs as much as a write.
    ///
    /// # Errors
    /// As [above](Self#errors-of-all-operations).
    pub async fn raise(&self) -> Result<()> {
        self.run(Vec::new()).await.map(drop)
    }

    async fn run(&self, commands: Vec<KeyCommand>) -> Result<CommittedCommands> {
        let (inner, limit) = (Arc::clone(&self.inner), self.limit);
        on_request_threads(async move {
            tokio::time::timeout(limit, inner.carry_out(&commands, limit / 4)).await.unwrap_or_else(|_| {
                let message = format!(
                    "{} were not written to within {limit:?}; whether the write was carried out is not known",
                    inner.place()
                );
                Err(Error::new(ErrorKind::Timeout, message))
            })
        })
        .await?
    }
}

impl Inner {
    async fn carry_out(&self, commands: &[KeyCommand], patience: Duration) -> Result<CommittedCommands> {
        let _turn = self.turn.lock().await;
        let mut mark = Mark::next(self.token, 0)?;
        let mut unanswered: Option<Error> = None;
        // Whether the write of this mark was sent and not answered.
        let mut in_doubt = false;
        let mut silent = 0;
        for _ in 0..ROUNDS {
            if unanswered.is_some() {
                silent += 1;
                if silent > UNANSWERED {
                    break;
                }
                tokio::time::sleep(PAUSE * 2_u32.pow(silent)).await;
            }
            match self.send(&mark, commands, patience).await {
                Ok(Answer::Done(replies)) => return Ok(CommittedCommands { replies: Some(replies) }),
                Ok(Answer::DoneBefore) => return Ok(CommittedCommands { replies: None }),
                Ok(Answer::Refused(refused)) => return Err(refused.into_error(&self.place())),
                Ok(Answer::Newer(fence)) if fence.token() > self.token => {
                    let error = write_fenced(&self.place(), self.token, fence.token());
                    let unanswered = unanswered.filter(|_| in_doubt && fence.may_have_forgotten(&mark));
                    return Err(unanswered.map_or(error.clone(), |unanswered| error.with_source(unanswered)));
                }
                // Somebody else wrote under this token, with a higher number.
                Ok(Answer::Newer(fence)) => {
                    if let Some(unanswered) = unanswered.filter(|_| in_doubt && fence.may_have_forgotten(&mark)) {
                        return Err(unanswered);
                    }
                    // From here on the old number is refused for ever, so it can be written under another one.
                    mark = Mark::next(self.token, fence.number())?;
                    (unanswered, in_doubt) = (None, false);
                }
                Err(error) if error.is_transient() => {
                    in_doubt |= matches!(error.kind(), ErrorKind::Timeout | ErrorKind::Unreachable);
                    unanswered = Some(error);
                }
                Err(error) => return Err(error),
            }
        }
        Err(unanswered.unwrap_or_else(|| {
            let message =
                format!("the fence of {} changes all the time: does something else write to it?", self.place());
            Error::new(ErrorKind::Unavailable, message)
        }))
    }

    async fn send(&self, mark: &Mark, commands: &[KeyCommand], patience: Duration) -> Result<Answer> {
        const WRITING: &str = "writing to fenced keys on";
        let mut request = Pipeline::new();
        request.cmd("EVAL").arg(WRITE);
        script::arguments(&mut request, &self.tag.fence(), mark, commands);
        let asked = tokio::time::timeout(patience, self.line.ask(WRITING, &request, MOST));
        let answers = asked.await.unwrap_or_else(|_| Err(crate::errors::late(WRITING, &self.line.server, patience)))?;
        let unexpected = || crate::errors::unexpected(WRITING, &self.line.server);
        let answer = answers.into_iter().next().ok_or_else(unexpected)?;
        Answer::of(answer, &self.tag, &self.place()).ok_or_else(unexpected)?
    }

    fn place(&self) -> String {
        format!("the keys {} on {}", self.tag, self.line.server)
    }
}

impl fmt::Debug for FencedKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FencedKeys")
            .field("keys", &self.inner.place())
            .field("token", &self.inner.token)
            .finish_non_exhaustive()
    }
}

/// What [`Answer::Newer`] carries.
impl Fence {
    fn may_have_forgotten(&self, mark: &Mark) -> bool {
        self.is_full() && self.marks().all(|other| (other.token, other.number) > (mark.token, mark.number))
    }
}
