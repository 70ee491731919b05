//! Requests to several members at once.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument;

use super::member::Member;
use crate::caught::caught;
use crate::error::{Error, ErrorKind, Result};

/// What is asked of a member. Of each kind one request at the most goes on when nobody waits for it any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Look,
    Acquire,
    Renew,
    Release,
    Break,
}

const KINDS: usize = 5;

/// The requests that go on after their call is decided: to the members that were slower than the majority. The next one of its kind ends
/// it, and so does its time limit; all end with the quorum.
#[derive(Debug)]
pub(super) struct Stragglers(Vec<Mutex<[Option<AbortOnDropHandle<()>>; KINDS]>>);

impl Stragglers {
    pub(super) fn new(members: usize) -> Self {
        Self((0..members).map(|_| Mutex::default()).collect())
    }

    fn put(&self, member: usize, kind: Kind, task: Option<AbortOnDropHandle<()>>) {
        let mut tasks = self.0[member].lock().unwrap_or_else(PoisonError::into_inner);
        let earlier = std::mem::replace(&mut tasks[kind as usize], task);
        drop(tasks);
        // Its destructor may be a user's.
        drop(earlier);
    }

    /// Ends what might still take or prolong the lease of a member, before that is given back.
    pub(super) fn end_claims(&self, member: usize) {
        self.put(member, Kind::Acquire, None);
        self.put(member, Kind::Renew, None);
    }
}

/// The requests of one call, each a task of its own where the caller runs: of a host these are the request threads. Dropping it drops them.
pub(super) struct Calls<'q, R> {
    stragglers: &'q Stragglers,
    /// After what time without an answer a member counts as gone, and a request that nobody waits for is given up.
    limit: Duration,
    tasks: Vec<(usize, Kind, AbortOnDropHandle<()>)>,
    tell: mpsc::UnboundedSender<Heard<R>>,
    answers: mpsc::UnboundedReceiver<Heard<R>>,
}

/// An answer.
pub(super) struct Heard<R> {
    pub(super) member: usize,
    pub(super) round: u32,
    pub(super) answer: Result<R>,
}

impl<'q, R: Send + 'static> Calls<'q, R> {
    pub(super) fn new(stragglers: &'q Stragglers, limit: Duration) -> Self {
        let (tell, answers) = mpsc::unbounded_channel();
        Self { stragglers, limit, tasks: vec![], tell, answers }
    }

    /// Sends one request. `note` sees the answer also when nobody waits for it any more.
    pub(super) fn send(
        &mut self,
        (index, member): (usize, &Arc<Member>),
        kind: Kind,
        round: u32,
        request: impl Future<Output = Result<R>> + Send + 'static,
        note: impl FnOnce(&R) + Send + 'static,
    ) -> Result<()> {
        let runtime = Handle::try_current().map_err(|error| {
            Error::new(ErrorKind::Runtime, "a quorum is used on a Tokio runtime").with_source(error)
        })?;
        let (tell, member, limit) = (self.tell.clone(), Arc::clone(member), self.limit);
        member.asked(limit);
        let task = async move {
            let unanswered = Unanswered(Some(&member));
            let answer = tokio::time::timeout(limit, caught(request)).await;
            unanswered.ends();
            let answer = match answer {
                Ok(Ok(answer)) => answer,
                Ok(Err(panicked)) => {
                    let message = format!("the code of the member {} panicked: {}", member.name, panicked.0);
                    Err(Error::new(ErrorKind::Unavailable, message))
                }
                Err(_) => Err(Error::new(
                    ErrorKind::Timeout,
                    format!("no answer of the member {} within {limit:?}", member.name),
                )),
            };
            if let Ok(answer) = &answer {
                note(answer);
            }
            member.answered(&answer, limit);
            let _ = tell.send(Heard { member: index, round, answer });
        };
        self.tasks.push((index, kind, AbortOnDropHandle::new(runtime.spawn(task.in_current_span()))));
        Ok(())
    }

    /// The next answer.
    pub(super) async fn next(&mut self) -> Option<Heard<R>> {
        self.answers.recv().await
    }

    /// One that is there already.
    pub(super) fn ready(&mut self) -> Option<Heard<R>> {
        self.answers.try_recv().ok()
    }

    /// The call is decided: what is still on its way goes on without it.
    pub(super) fn leave(self) {
        for (member, kind, task) in self.tasks {
            if !task.is_finished() {
                self.stragglers.put(member, kind, Some(task));
            }
        }
    }
}

/// A request that is dropped has no answer.
struct Unanswered<'m>(Option<&'m Member>);

impl Unanswered<'_> {
    fn ends(mut self) {
        self.0 = None;
    }
}

impl Drop for Unanswered<'_> {
    fn drop(&mut self) {
        if let Some(member) = self.0 {
            member.given_up();
        }
    }
}
