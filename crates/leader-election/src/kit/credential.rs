//! Signing in, apart from the requests that need it.
//!
//! A credential is the user's code. It asks an identity endpoint or starts a program, and that can take longer than any
//! attempt may, fail for a while, block its thread, or never come back. None of this is the store's, so none of it happens
//! inside an attempt: [`SharedSecret`] fetches in the [`Background`], one fetch at a time, and a fetch goes on when the attempt
//! that waited for it is dropped. Requests get the secret that is there for as long as it is good.
//!
//! - [`schedule`]: when to fetch again (pure);
//! - [`state`]: what is known, and what a caller is told (pure);
//! - [`driver`]: the task that fetches;
//! - [`background`]: the thread it runs on.

mod background;
#[cfg(test)]
mod checks;
mod driver;
mod schedule;
mod state;

pub use background::Background;

use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use tokio::task::JoinHandle;
use tokio_util::sync::DropGuard;

use crate::error::Result;
use driver::Desk;
use state::{Verdict, slow};

/// Where a secret comes from: an identity endpoint, a program, a file.
#[async_trait]
pub trait SecretSource: Send + Sync + 'static {
    /// Fetches the secret. It may take long, and it may block its thread.
    ///
    /// # Errors
    /// With the source's own words, of the kind that its stores report: [`ErrorKind::Credential`](crate::ErrorKind) unless a
    /// better one fits. A `retry_after` is kept to.
    async fn fetch(&self) -> Result<Secret>;
}

/// What one signs in with. Its `Debug` shows none of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    /// Where it goes with a name: that of a user or an account.
    pub user: Option<String>,
    /// The token or the password.
    pub text: Arc<str>,
    /// By this machine's wall clock. `None`: for good.
    pub good_until: Option<SystemTime>,
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secret").field("good_until", &self.good_until).finish_non_exhaustive()
    }
}

/// One secret for all who need it. Clones share it.
#[derive(Clone)]
pub struct SharedSecret {
    inner: Arc<Inner>,
}

struct Inner {
    desk: Arc<Desk>,
    background: Background,
    driver: Mutex<Option<JoinHandle<()>>>,
    /// Ends the driver with the last clone.
    _end: DropGuard,
}

impl SharedSecret {
    /// Nothing is fetched before the first [`get`](Self::get).
    pub fn new(source: impl SecretSource, background: Background) -> Self {
        let desk = Arc::new(Desk::new(source, &background));
        let end = desk.end.clone().drop_guard();
        Self { inner: Arc::new(Inner { desk, background, driver: Mutex::default(), _end: end }) }
    }

    /// The secret: at once while the present one is good, and otherwise as soon as it is fetched. Nothing of the source runs
    /// on the caller's thread.
    ///
    /// # Errors
    /// The source's own when its last fetch has failed and the next one has not begun. A transient one with the time that
    /// signing in has taken so far, when `patience` is over. The fetch goes on in both cases.
    ///
    /// # Cancellation safety
    /// May be dropped at any time; the fetch goes on.
    pub async fn get(&self, patience: Duration) -> Result<Secret> {
        let desk = &self.inner.desk;
        let mut state = desk.state.subscribe();
        let deadline = tokio::time::Instant::now() + patience;
        desk.used.store(true, Ordering::Release);
        self.start()?;
        loop {
            let verdict = state.borrow_and_update().verdict(desk.clock.now(), SystemTime::now());
            match verdict {
                Verdict::Good { secret, due } => {
                    if due {
                        desk.wanted.notify_one();
                    }
                    return Ok(secret);
                }
                Verdict::Failed(error) => return Err(error),
                Verdict::Absent => desk.wanted.notify_one(),
            }
            if !matches!(tokio::time::timeout_at(deadline, state.changed()).await, Ok(Ok(()))) {
                return Err(slow(&state.borrow(), desk.clock.now()));
            }
        }
    }

    /// The driver, if it does not run: at first, and when the runtime it ran on has ended.
    fn start(&self) -> Result<()> {
        let mut driver = self.inner.driver.lock().unwrap_or_else(PoisonError::into_inner);
        if driver.as_ref().is_none_or(JoinHandle::is_finished) {
            *driver = Some(self.inner.background.handle()?.spawn(driver::drive(Arc::clone(&self.inner.desk))));
        }
        Ok(())
    }
}

impl fmt::Debug for SharedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedSecret").finish_non_exhaustive()
    }
}
