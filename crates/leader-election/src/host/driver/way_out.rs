//! Every way out of a run: its election has stopped, or its driver has panicked.
//!
//! The host is free for the next run when nothing runs under this one any more. What is dropped then, with the delegate's
//! closure in it, is dropped apart from the renewal thread.

use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::Instant;

use super::{Driver, overrun};
use crate::caught::caught_call;
use crate::election::{EndReason, Report};
use crate::error::{Error, ErrorKind, Result};

/// How long the end of a run waits for its last words to be written.
const FLUSH_LIMIT: Duration = Duration::from_secs(1);

/// A driver that leaves in order however it ends.
pub(in super::super) struct Running(Option<Box<Driver>>);

impl Running {
    pub(in super::super) fn new(driver: Driver) -> Self {
        Self(Some(Box::new(driver)))
    }

    pub(in super::super) async fn run(mut self) {
        if let Some(driver) = &mut self.0 {
            let outcome = driver.drive().await;
            if let Some(driver) = self.0.take() {
                driver.leave(outcome);
            }
        }
    }
}

/// A panic of the driver, which a bug or the caller's clock can cause; or the end of the runtime that drives it.
impl Drop for Running {
    fn drop(&mut self) {
        let Some(mut driver) = self.0.take() else { return };
        driver.end_term_without_driver();
        driver.leave(Err(Error::new(
            ErrorKind::Runtime,
            "the election's driver failed: its runtime was shut down, or a clock of yours panicked, or this is a bug",
        )));
    }
}

impl Driver {
    /// No leader goes on without its driver. The way out of its task is that of an overrun.
    fn end_term_without_driver(&mut self) {
        let Some(leader) = &mut self.leader else { return };
        let token = leader.shared.fencing_token();
        let was_leading = leader.shared.reason().is_none();
        leader.shared.revoke();
        let shown = self.run.terms.end();
        self.announcer.lane().discard(shown);
        leader.shared.cancel(EndReason::RenewalTimedOut);
        let aborted_before = std::mem::replace(&mut leader.aborted, true);
        leader.shared.work().abort();
        let reason = leader.shared.reason().unwrap_or(EndReason::RenewalTimedOut);
        if was_leading {
            self.announcer.report(self.now, Report::Stopping { token, reason });
        }
        if !aborted_before {
            self.announcer.explain("the election's driver failed, so nobody renews".to_owned());
            self.announcer.task_aborted(self.now);
            self.announcer.report(self.now, Report::Ended { token, reason });
        }
    }

    fn leave(mut self: Box<Self>, outcome: Result<()>) {
        self.attempt.take().into_iter().for_each(|attempt| attempt.abort());
        self.change = None;
        if self.leader.is_none() {
            self.end(outcome);
            return;
        }
        if outcome.as_ref().is_err_and(|error| error.kind() == ErrorKind::Overrun) {
            self.announcer.stopped();
            self.tell(outcome);
            self.later(|driver| driver.wait_for_the_task(Ok(())));
        } else {
            self.later(|driver| driver.wait_for_the_task(outcome));
        }
    }

    fn later<F: Future<Output = ()> + Send + 'static>(self: Box<Self>, wait: impl FnOnce(Box<Self>) -> F) {
        // Without a runtime nothing waits: the task was aborted, and its own runtime ends it.
        match Handle::try_current() {
            Ok(here) => drop(here.spawn(wait(self))),
            Err(_) => drop(self.leader.as_ref().map(|leader| leader.shared.work().take_span())),
        }
    }

    /// Keeps the host's slot until nothing runs any more; tells of an overrun if the lease is over before.
    async fn wait_for_the_task(mut self: Box<Self>, outcome: Result<()>) {
        let Some(leader) = self.leader.take() else { return self.end(outcome) };
        let mut outcome = Some(outcome);
        if self.run.done.is_some() {
            let limit = leader.shared.deadline().overrun_at().map(Instant::from_std);
            let late = async {
                match limit {
                    Some(limit) => tokio::time::sleep_until(limit).await,
                    None => std::future::pending().await,
                }
            };
            let gone = tokio::select! {
                () = leader.shared.work().gone() => true,
                () = late => false,
            };
            if !gone {
                let token = leader.shared.fencing_token();
                self.announcer.report(self.now, Report::Overrun { token });
                if self.run.options.abort_process_on_overrun {
                    self.last_words.say(token);
                    std::process::abort();
                }
                self.announcer.stopped();
                outcome = None;
                self.tell(Err(overrun(&leader)));
            }
        }
        leader.shared.work().gone().await;
        leader.unpublish(self.now);
        let shown = self.run.terms.end();
        self.announcer.task_gone(self.now);
        self.announcer.lane().discard((leader.shared.work().take_span(), leader, shown));
        self.end(outcome.unwrap_or(Ok(())));
    }

    /// Nothing of the run is left: the slot is freed, what the caller gave is dropped, and whoever waits is told. By then all is
    /// written that was told of the run, unless the subscriber is stuck.
    fn end(mut self: Box<Self>, outcome: Result<()>) {
        self.announcer.stopped();
        let (slot, done) = (self.run.slot.take(), self.run.done.take());
        let (written, flushed) = std::sync::mpsc::channel();
        self.announcer.lane().post(move || {
            let _ = written.send(());
        });
        self.announcer.notices().clone().post(move || {
            let _ = flushed.recv_timeout(FLUSH_LIMIT);
            drop(slot);
            drop(caught_call(move || drop(self)));
            if let Some(done) = done {
                let _ = done.send(outcome);
            }
        });
    }

    fn tell(&mut self, outcome: Result<()>) {
        if let Some(done) = self.run.done.take() {
            self.announcer.notices().post(move || drop(done.send(outcome)));
        }
    }
}
