//! The task that fetches: when first asked, then before each end, for as long as somebody uses the secret.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use tokio::sync::{Notify, Semaphore, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tracing::warn;

use super::background::{Background, Clock};
use super::schedule;
use super::state::{Activity, State, seconds};
use super::{Secret, SecretSource};
use crate::error::{Error, ErrorKind, Result};
use crate::trace::TARGET;

/// What the driver and the callers share.
pub(super) struct Desk {
    source: Arc<dyn SecretSource>,
    turn: Arc<Semaphore>,
    pub(super) clock: Clock,
    pub(super) state: watch::Sender<State>,
    /// Somebody finds no good secret, or one that is due.
    pub(super) wanted: Notify,
    /// Whether anybody has asked since the last fetch began.
    pub(super) used: AtomicBool,
    pub(super) end: CancellationToken,
}

impl Desk {
    pub(super) fn new(source: impl SecretSource, background: &Background) -> Self {
        Self {
            source: Arc::new(source),
            turn: Arc::clone(&background.turn),
            clock: background.clock(),
            state: watch::Sender::new(State::default()),
            wanted: Notify::new(),
            used: AtomicBool::new(false),
            end: CancellationToken::new(),
        }
    }

    /// One fetch, counted from when it was wanted: another one may have to end first.
    async fn fetch(&self, limit: Duration) -> std::result::Result<Result<Secret>, TooLong> {
        let since = self.clock.now();
        self.used.store(false, Ordering::Release);
        self.state.send_modify(|state| state.become_active(Activity::Fetching { since }));
        let (source, turn) = (Arc::clone(&self.source), Arc::clone(&self.turn));
        // A task of its own: a panic of the source is a failed fetch. The turn is its own too, as giving it up does not stop a
        // source that blocks.
        let fetching = AbortOnDropHandle::new(tokio::spawn(async move {
            let _turn = turn.acquire_owned().await;
            source.fetch().await
        }));
        let fetched = timeout(limit, fetching).await.map_err(|_| TooLong)?;
        Ok(fetched.unwrap_or_else(|error| {
            Err(Error::new(ErrorKind::Credential, "the credential's code panicked").with_source(error))
        }))
    }

    /// Until then; or until somebody finds that the secret has come to its end before, as after a suspension.
    async fn rest(&self, until: Instant) {
        let early = async {
            sleep(schedule::SHORTEST_REST).await;
            loop {
                self.wanted.notified().await;
                let state = self.state.borrow();
                if !state.has_failed() && !state.is_good(self.clock.now(), SystemTime::now()) {
                    return;
                }
            }
        };
        tokio::select! {
            () = sleep_until(until) => {}
            () = early => {}
        }
    }

    async fn sleep_until_wanted(&self) {
        if !self.used.load(Ordering::Acquire) {
            self.state.send_modify(|state| state.become_active(Activity::Asleep));
            self.wanted.notified().await;
        }
    }
}

struct TooLong;

/// Until the last of those who share the secret is gone.
pub(super) async fn drive(desk: Arc<Desk>) {
    let end = desk.end.clone();
    end.run_until_cancelled(fetch_for_good(&desk)).await;
}

async fn fetch_for_good(desk: &Desk) {
    let (mut failures, mut too_long) = (0u32, 0u32);
    loop {
        let limit = schedule::limit(too_long);
        let outcome = desk.fetch(limit).await;
        too_long = if outcome.is_err() { too_long.saturating_add(1) } else { 0 };
        let outcome = outcome.unwrap_or_else(|TooLong| {
            let message = format!("signing in was given up after {}: the credential gave no answer", seconds(limit));
            Err(Error::new(ErrorKind::Credential, message))
        });
        let (now, wall) = (desk.clock.now(), SystemTime::now());
        let pause = match outcome {
            Ok(secret) => {
                failures = 0;
                let mut told = (None, false);
                desk.state.send_modify(|state| told = state.fetched(secret, now, wall));
                let (left, same) = told;
                left.map(|left| schedule::refresh_after(left, same, schedule::random()))
            }
            Err(error) => {
                failures = failures.saturating_add(1);
                let left = desk.state.borrow().left(now, wall);
                let is_good = left > Duration::ZERO;
                if is_good {
                    // Nobody else tells of it: requests go on with the secret that is there.
                    let left = seconds(left);
                    warn!(target: TARGET, event = "sign_in_failed", %error, left, "signing in again failed; the present access token is used");
                }
                let pause = schedule::pause(failures, error.retry_after(), is_good, schedule::random());
                desk.state.send_modify(|state| state.failed(error));
                // It must not outlast the secret, without which nobody can do anything.
                Some(if is_good { pause.min(left) } else { pause })
            }
        };
        match pause.and_then(|pause| Instant::now().checked_add(pause)) {
            Some(until) => desk.rest(until).await,
            // Good for good.
            None => std::future::pending().await,
        }
        desk.sleep_until_wanted().await;
    }
}
