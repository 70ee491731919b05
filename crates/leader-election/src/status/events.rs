//! The stream of events, for one reader.

use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};

use super::LeaderEvent;

/// What happens in a host, one event after the other; see [`LeaderHost::events`](crate::LeaderHost::events).
///
/// The host waits for no reader. One that falls more than 256 events behind gets [`LeaderEvent::Missed`] in the place of those that
/// it lost, and then the oldest that are left.
///
/// ```
/// use leader_election::{CancellationToken, LeaderHost, MemoryMutex};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> leader_election::Result<()> {
/// let host = LeaderHost::new(MemoryMutex::new());
/// let mut events = host.events();
/// tokio::spawn(async move {
///     while let Some(event) = events.recv().await {
///         println!("{event}");
///     }
/// });
/// # host.run_one_term(CancellationToken::new(), async |_leader| ()).await?;
/// # Ok(())
/// # }
/// ```
///
/// It is no `Stream`, so that this crate needs none of the crates that have the trait. With `futures` it becomes one:
///
/// ```
/// # use leader_election::{LeaderEvent, LeaderEvents};
/// fn stream(events: LeaderEvents) -> impl futures::Stream<Item = LeaderEvent> {
///     futures::stream::unfold(events, async |mut events| Some((events.recv().await?, events)))
/// }
/// ```
#[derive(Debug)]
pub struct LeaderEvents(Receiver<LeaderEvent>);

impl LeaderEvents {
    pub(crate) fn new(receiver: Receiver<LeaderEvent>) -> Self {
        Self(receiver)
    }

    /// Waits for the next event. `None` when the host and all its clones are gone, and everything has been read.
    ///
    /// # Cancellation safety
    /// May be dropped at any time; no event is lost.
    pub async fn recv(&mut self) -> Option<LeaderEvent> {
        match self.0.recv().await {
            Ok(event) => Some(event),
            Err(RecvError::Lagged(count)) => Some(LeaderEvent::Missed { count }),
            Err(RecvError::Closed) => None,
        }
    }

    /// The next event, if there is one already.
    pub fn try_recv(&mut self) -> Option<LeaderEvent> {
        match self.0.try_recv() {
            Ok(event) => Some(event),
            Err(TryRecvError::Lagged(count)) => Some(LeaderEvent::Missed { count }),
            Err(TryRecvError::Empty | TryRecvError::Closed) => None,
        }
    }
}
