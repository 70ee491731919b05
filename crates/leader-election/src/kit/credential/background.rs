//! Where sources run: a thread of their own, that may get stuck without harm to anything else.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::runtime::{Builder, Handle};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::error::{Error, ErrorKind, Result};

/// Where secrets are fetched: on a thread of its own, or on a runtime of the caller's.
///
/// Clones share the place, and fetch one at a time there. Give clones to those secrets that come from one credential, and a `Background`
/// of its own to each other one: a source that blocks its thread holds up all that share it.
///
/// ```
/// use leader_election::kit::credential::Background;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let for_most = Background::thread();
/// let for_a_credential_of_this_runtime = Background::runtime(tokio::runtime::Handle::current());
/// # let _ = (for_most, for_a_credential_of_this_runtime);
/// # }
/// ```
#[derive(Clone)]
pub struct Background {
    place: Place,
    /// Of all that is fetched here one at a time: a source may start a program.
    pub(super) turn: Arc<Semaphore>,
}

#[derive(Clone)]
enum Place {
    Thread(Arc<Thread>),
    Runtime(Handle),
}

/// Started on first use, and ended with the last clone. Each credential has one of its own: no other one can be the reason
/// why it is stuck. A thread that could not be started is tried again.
struct Thread {
    runtime: Mutex<Option<Handle>>,
    end: CancellationToken,
}

/// What elapsed time is read from. A runtime of the caller's may be one whose time is paused; a thread's never is, whatever
/// the time of those who ask.
#[derive(Debug, Clone, Copy)]
pub(super) enum Clock {
    Machine,
    Runtime,
}

impl Clock {
    pub(super) fn now(self) -> Instant {
        match self {
            Self::Machine => std::time::Instant::now().into(),
            Self::Runtime => Instant::now(),
        }
    }
}

impl Background {
    /// A thread, which is started when first needed, and ends with the last clone.
    #[must_use]
    pub fn thread() -> Self {
        Self::at(Place::Thread(Arc::new(Thread { runtime: Mutex::default(), end: CancellationToken::new() })))
    }

    /// A runtime of the caller's, which needs its time driver and has to live as long as this. For credentials that are bound to a
    /// runtime, and for tests in paused time; a runtime that is blocked or gone fetches nothing.
    #[must_use]
    pub fn runtime(runtime: Handle) -> Self {
        Self::at(Place::Runtime(runtime))
    }

    fn at(place: Place) -> Self {
        Self { place, turn: Arc::new(Semaphore::new(1)) }
    }

    pub(super) fn clock(&self) -> Clock {
        match self.place {
            Place::Thread(_) => Clock::Machine,
            Place::Runtime(_) => Clock::Runtime,
        }
    }

    pub(super) fn handle(&self) -> Result<Handle> {
        match &self.place {
            Place::Runtime(runtime) => Ok(runtime.clone()),
            Place::Thread(thread) => thread.handle(),
        }
    }
}

impl fmt::Debug for Background {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Background").finish_non_exhaustive()
    }
}

impl Thread {
    fn handle(&self) -> Result<Handle> {
        let mut started = self.runtime.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(runtime) = &*started {
            return Ok(runtime.clone());
        }
        let runtime = self.start().map_err(|error| {
            Error::new(ErrorKind::Credential, "the thread that signs in could not be started").with_source(error)
        })?;
        *started = Some(runtime.clone());
        Ok(runtime)
    }

    fn start(&self) -> std::io::Result<Handle> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let (handle, end) = (runtime.handle().clone(), self.end.clone());
        let run = move || runtime.block_on(end.cancelled_owned());
        std::thread::Builder::new().name("leader-sign-in".to_owned()).spawn(run)?;
        Ok(handle)
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        self.end.cancel();
    }
}
