//! Waiting at the service for the session to become free.

use std::sync::Arc;
use std::time::Duration;

use fe2o3_amqp::session::SessionHandle;
use tokio::sync::oneshot;
use tokio_util::task::AbortOnDropHandle;

use super::election::Bells;
use crate::service_bus::errors::Fault;
use crate::service_bus::session::{HeldSession, Which};

/// For how long the service lets a standby wait, before the standby asks again.
const WAIT: Duration = Duration::from_secs(60);

/// A wait that is under way, or over. Dropped, it is given up.
pub(super) struct Waiting {
    outcome: oneshot::Receiver<Result<HeldSession, Fault>>,
    _task: AbortOnDropHandle<()>,
}

impl Waiting {
    pub(super) fn start(
        amqp: SessionHandle<()>,
        queue: String,
        bells: Arc<Bells>,
        fallen: Arc<dyn Fn() + Send + Sync>,
    ) -> Self {
        let (tell, outcome) = oneshot::channel();
        let task = tokio::spawn(async move {
            let waiting = HeldSession::accept(amqp, &queue, Which::Next(WAIT), fallen);
            let accepted = tokio::time::timeout(WAIT + WAIT / 4, waiting).await;
            let accepted = accepted.unwrap_or_else(|_| Err(Fault::Broken("no end of a wait".to_owned())));
            // Nobody may want it any more: then it is closed by being dropped.
            let _ = tell.send(accepted);
            bells.news.notify_one();
        });
        Self { outcome, _task: AbortOnDropHandle::new(task) }
    }

    /// What has come of it; `None` while it lasts.
    pub(super) fn over(&mut self) -> Option<Result<HeldSession, Fault>> {
        match self.outcome.try_recv() {
            Ok(outcome) => Some(outcome),
            Err(oneshot::error::TryRecvError::Empty) => None,
            Err(oneshot::error::TryRecvError::Closed) => Some(Err(Fault::Broken("the wait has ended".to_owned()))),
        }
    }
}
