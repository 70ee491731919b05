//! News of a release, by a second connection on which the server speaks unasked.

use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use leader_election::kit::on_request_threads;
use redis::RedisConnectionInfo;
use redis::aio::{PubSub, PubSubSink, PubSubStream};
use tokio::time::{Instant, sleep, timeout};

use crate::connection::{self, LIMIT};
use crate::line::Line;

/// So often the server is asked whether it is still there: a connection that a device on the way has forgotten would be silent for ever.
const PING: Duration = Duration::from_secs(30);
/// After the first disconnection, then twice as long each time.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// A connection that has lasted so long was a good one: the next failure is a first one.
const LASTED: Duration = Duration::from_secs(60);

/// A standby's subscription. A message that is lost costs one poll, so nothing here is an error.
pub(crate) struct Watch {
    line: Arc<Line>,
    channel: String,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    subscription: Option<Subscription>,
    /// Disconnections in a row.
    failures: u32,
}

struct Subscription {
    sink: PubSubSink,
    stream: PubSubStream,
    since: Instant,
}

impl Watch {
    pub(crate) fn new(line: Arc<Line>, channel: String) -> Self {
        Self { line, channel, state: Mutex::default() }
    }

    /// Returns when the lease was freed, and once when the subscription broke, as something may have been missed. Dropped, it closes the
    /// subscription.
    pub(crate) async fn news(self: &Arc<Self>) {
        let watch = Arc::clone(self);
        if on_request_threads(async move { watch.wait().await }).await.is_err() {
            // There are no threads, so there is no news: the host polls.
            std::future::pending().await
        }
    }

    /// Closes what is still open.
    pub(crate) fn end(&self) {
        self.state().subscription = None;
    }

    async fn wait(&self) {
        let kept = self.state().subscription.take();
        let mut subscription = match kept {
            Some(subscription) => subscription,
            None => loop {
                let pause = pause(self.state().failures);
                sleep(pause).await;
                if let Some(subscription) = self.subscribe().await {
                    break subscription;
                }
                // There was none to be missed by: nobody is woken for it.
                let mut state = self.state();
                state.failures = state.failures.saturating_add(1);
            },
        };
        if subscription.message().await {
            let mut state = self.state();
            state.failures = 0;
            state.subscription = Some(subscription);
        } else {
            let mut state = self.state();
            let first = subscription.since.elapsed() > LASTED;
            state.failures = if first { 1 } else { state.failures.saturating_add(1) };
        }
    }

    async fn subscribe(&self) -> Option<Subscription> {
        let server = &self.line.server;
        let secret = server.secret(self.line.patience()).await.ok()?;
        let opening = async {
            let stream = connection::stream(server).await.ok()?;
            let mut info = RedisConnectionInfo::default().set_skip_set_lib_name();
            if let Some(secret) = &secret {
                info = info.set_password(&secret.text);
                if let Some(user) = &secret.user {
                    info = info.set_username(user);
                }
            }
            let (mut sink, stream) = PubSub::new(&info, stream).await.ok()?.split();
            sink.subscribe(&self.channel).await.ok()?;
            Some(Subscription { sink, stream, since: Instant::now() })
        };
        timeout(LIMIT, opening).await.ok().flatten()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Subscription {
    /// Whether there was a message; else the subscription is broken.
    async fn message(&mut self) -> bool {
        loop {
            match timeout(PING, next(&mut self.stream)).await {
                Ok(there) => return there,
                Err(_) => match timeout(LIMIT, self.sink.ping::<redis::Value>()).await {
                    Ok(Ok(_)) => {}
                    _ => return false,
                },
            }
        }
    }
}

async fn next(stream: &mut PubSubStream) -> bool {
    use futures_core::Stream as _;
    let mut stream = pin!(stream);
    std::future::poll_fn(|context| stream.as_mut().poll_next(context)).await.is_some()
}

fn pause(failures: u32) -> Duration {
    match failures {
        0 => Duration::ZERO,
        _ => (FIRST_PAUSE * 2_u32.saturating_pow(failures.min(6) - 1)).min(LONGEST_PAUSE),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_grows_to_its_longest() {
        assert_eq!(pause(0), Duration::ZERO);
        assert_eq!([1, 2, 3, 6, u32::MAX].map(pause).map(|pause| pause.as_secs()), [1, 2, 4, 30, 30]);
    }
}
