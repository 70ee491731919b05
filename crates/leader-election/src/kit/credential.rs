//! Signing in, apart from the requests that need it.
//!
//! A credential is the user's code. It asks an identity endpoint or starts a program, and that can take longer than any
//! attempt may, fail for a while, block its thread, or never come back. None of this is the store's, so none of it happens
//! inside an attempt: [`SharedSecret`] fetches in the [`Background`], one fetch at a time, and a fetch goes on when the attempt
//! that waited for it is dropped. Requests get the secret that is there for as long as it is good.
//!
//! For a store whose service asks for a token or a password that changes. Implement [`SecretSource`], make one [`SharedSecret`] for all
//! elections of a process, and ask it in each request:
//!
//! ```
//! use leader_election::kit::credential::{Background, Secret, SecretSource, SharedSecret};
//! use leader_election::kit::patience::within_an_attempt;
//! use leader_election::{Error, ErrorKind, Result, async_trait};
//! use std::path::PathBuf;
//! use std::time::{Duration, SystemTime};
//!
//! /// A password in a mounted file, which is changed from time to time.
//! struct PasswordFile(PathBuf);
//!
//! #[async_trait]
//! impl SecretSource for PasswordFile {
//!     async fn fetch(&self) -> Result<Secret> {
//!         let failed = |error| Error::new(ErrorKind::Credential, format!("{}: {error}", self.0.display()));
//!         let text = std::fs::read_to_string(&self.0).map_err(failed)?; // it may block: it has a thread of its own
//!         Ok(Secret::new(text.trim_end()).with_good_until(Some(SystemTime::now() + Duration::from_secs(300))))
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
//! # let directory = tempfile::tempdir()?;
//! # let path = directory.path().join("password");
//! # std::fs::write(&path, "hunter2\n")?;
//! let shared = SharedSecret::new(PasswordFile(path), Background::thread());
//!
//! // In each request of the store:
//! let lease = Duration::from_secs(15);
//! let secret = shared.get(within_an_attempt(lease)).await?;
//! assert_eq!(&*secret.text, "hunter2");
//! assert!(!format!("{secret:?} {shared:?}").contains("hunter2"));
//! # Ok(())
//! # }
//! ```

// `schedule` says when to fetch again, and `state` what is known and what a caller is told: both are pure. `driver` is the task
// that fetches, and `background` the thread that it runs on.
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

/// Where a secret comes from: an identity endpoint, a program, a file. The [module](self) has an example.
///
/// One fetch at a time is made, and is given up after a minute or two; after a failure the next one is made 1, 2, 4 and 8 s later.
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
///
/// ```
/// use leader_election::kit::credential::Secret;
/// use std::time::{Duration, SystemTime};
///
/// let password = Secret::new("hunter2").with_user(Some("leases".to_owned()));
/// assert_eq!(password.good_until, None, "for good");
/// let token = Secret::new("eyJ0eXAi").with_good_until(Some(SystemTime::now() + Duration::from_secs(3_600)));
/// assert!(!format!("{token:?}").contains("eyJ0eXAi"));
/// ```
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Secret {
    /// Where it goes with a name: that of a user or an account.
    pub user: Option<String>,
    /// The token or the password.
    pub text: Arc<str>,
    /// By this machine's wall clock. `None`: for good.
    pub good_until: Option<SystemTime>,
}

impl Secret {
    /// A secret that is good for good, and goes without a name.
    #[must_use]
    pub fn new(text: impl AsRef<str>) -> Self {
        Self { user: None, text: text.as_ref().into(), good_until: None }
    }

    /// Replaces [`user`](Self::user).
    #[must_use]
    pub fn with_user(self, user: Option<String>) -> Self {
        Self { user, ..self }
    }

    /// Replaces [`good_until`](Self::good_until). The secret is fetched anew ten minutes before, or at half of its life if that is
    /// later.
    #[must_use]
    pub fn with_good_until(self, good_until: Option<SystemTime>) -> Self {
        Self { good_until, ..self }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secret").field("good_until", &self.good_until).finish_non_exhaustive()
    }
}

/// One secret for all who need it. Clones share it. The [module](self) has an example.
///
/// While somebody [asks](Self::get) for it, it is fetched anew before its end; else when somebody asks again. The last clone that is
/// dropped ends the fetching.
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
    #[must_use]
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
