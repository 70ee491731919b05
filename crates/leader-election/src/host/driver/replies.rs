//! What the store's replies mean.

use super::Driver;
use super::attempt::{Outcome, Reply};
use crate::election::{AttemptId, Event, Failure, Moment};
use crate::error::Error;
use crate::port::{Acquire, Renew};
use crate::status::Operation;

impl Driver {
    /// What it means to the election.
    pub(super) fn translate(&mut self, now: Moment, attempt: AttemptId, reply: Reply) -> Event {
        let Reply { operation, sent_at, outcome } = reply;
        self.announcer.request_ended(now, operation, now.since(sent_at), outcome.summary());
        match outcome {
            Outcome::Acquire(Ok(Acquire::Granted(grant))) => {
                self.forget_refusal();
                Event::Acquired { attempt, grant }
            }
            Outcome::Acquire(Ok(Acquire::Held(held))) => {
                self.forget_refusal();
                self.show_standby(now, held.leader.clone());
                Event::Held { attempt, held }
            }
            Outcome::Renew(Ok(Renew::Renewed)) => {
                self.announcer.renewed();
                Event::Renewed { attempt }
            }
            Outcome::Renew(Ok(Renew::Lost(loss))) => {
                self.announcer.lost(loss);
                Event::Lost { attempt }
            }
            Outcome::Release(Ok(())) => {
                self.listen_anew();
                Event::Released { attempt }
            }
            Outcome::Acquire(Err(error)) | Outcome::Renew(Err(error)) | Outcome::Release(Err(error)) => {
                let failure = if error.is_transient() {
                    Failure::Unknown { retry_after: error.retry_after() }
                } else {
                    Failure::Refused
                };
                self.note_failure(now, operation, error);
                Event::Failed { attempt, failure }
            }
        }
    }

    /// An error of the store's is dropped elsewhere, as there may be a value of the store's in it.
    fn forget_refusal(&mut self) {
        if let Some(refusal) = self.refusal.take() {
            self.announcer.lane().discard(refusal);
        }
    }

    pub(super) fn note_failure(&mut self, now: Moment, operation: Operation, error: Error) {
        if operation == Operation::Acquire && !error.is_transient() {
            let before = self.refusal.replace(error.clone());
            self.announcer.lane().discard(before);
        }
        self.announcer.attempt_failed(now, operation, error);
    }
}
