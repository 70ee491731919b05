//! What the leader's tasks of these tests do.

use std::pin::Pin;
use std::time::Duration;

use leader_election::{Leadership, TaskError};

pub type Act = Pin<Box<dyn Future<Output = Result<(), TaskError>> + Send>>;

/// Works until its token is cancelled.
pub async fn until_cancelled(leader: Leadership) -> Result<(), TaskError> {
    leader.token().cancelled().await;
    Ok(())
}

/// Does not heed its token; only an abortion ends it.
pub async fn for_ever(_: Leadership) -> Result<(), TaskError> {
    std::future::pending().await
}

/// Works until its token is cancelled, and takes this time to finish then.
pub fn draining(time: Duration) -> impl FnMut(Leadership) -> Act + Send + 'static {
    move |leader| {
        Box::pin(async move {
            leader.token().cancelled().await;
            tokio::time::sleep(time).await;
            Ok(())
        })
    }
}

/// Returns this after that time, whatever its token says.
pub fn lasting(time: Duration, outcome: Result<(), &'static str>) -> impl FnMut(Leadership) -> Act + Send + 'static {
    move |_| {
        Box::pin(async move {
            tokio::time::sleep(time).await;
            outcome.map_err(Into::into)
        })
    }
}
