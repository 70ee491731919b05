//! Links of a queue: one that has a session, and one that brings messages.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use fe2o3_amqp::types::messaging::{Body, Outcome};
use fe2o3_amqp::types::primitives::Value;
use fe2o3_amqp::{Receiver, Sender};

use crate::entrance::error;
use crate::serve::Client;
use crate::world::{Accepted, Refusal};

/// How late a link may learn that its lock has expired.
const LOOK: Duration = Duration::from_millis(10);
const FAREWELL: Duration = Duration::from_secs(2);

/// Keeps the link until its client closes it, its lock is lost, or it is torn off.
pub(crate) async fn hold(queue: String, accepted: Accepted, mut link: Sender, _name: String, client: Arc<Client>) {
    let Accepted { link: id, session, .. } = accepted;
    let world = &client.world;
    let mut news = world.watch();
    let end = loop {
        // What is given waits for the client's credit.
        let next = world.give(&queue, &session, id);
        let event = {
            let verdict = async {
                loop {
                    if let Some(verdict) = world.verdict(&queue, &session, id) {
                        return verdict;
                    }
                    tokio::time::sleep(LOOK).await;
                }
            };
            match &next {
                Some(stored) => {
                    tokio::select! {
                        sent = link.send_batchable(stored.message.clone()) => Event::Sent(sent.ok().map(|settled| {
                            let completed = async { matches!(settled.await, Ok(Outcome::Accepted(_))) };
                            Box::pin(completed) as Pin<Box<dyn Future<Output = bool> + Send>>
                        })),
                        verdict = verdict => Event::Verdict(verdict),
                    }
                }
                None => {
                    tokio::select! {
                        _ = link.on_detach() => Event::Sent(None),
                        verdict = verdict => Event::Verdict(verdict),
                        _ = news.changed() => Event::News,
                    }
                }
            }
        };
        match (event, next) {
            (Event::News, _) => {}
            (Event::Verdict(verdict), _) => break Some(verdict),
            (Event::Sent(Some(settled)), Some(stored)) => {
                let (client, queue, session) = (Arc::clone(&client), queue.clone(), session.clone());
                tokio::spawn(async move {
                    let completed = settled.await;
                    client.world.settle(&queue, &session, id, stored.number, completed);
                });
            }
            (Event::Sent(_), _) => break None,
        }
    };
    match end {
        Some((condition, text)) => {
            client.world.free(id);
            let _ = tokio::time::timeout(FAREWELL, link.close_with_error(error(condition, text))).await;
        }
        // The client has closed it, or is gone.
        None => client.world.free(id),
    }
}

enum Event {
    /// With whether it is completed, as soon as that is known; `None` when the link is gone.
    Sent(Option<Pin<Box<dyn Future<Output = bool> + Send>>>),
    Verdict(Refusal),
    News,
}

/// Takes messages into the queue.
pub(crate) async fn take(queue: String, mut link: Receiver, client: Arc<Client>) {
    while let Ok(delivery) = link.recv::<Body<Value>>().await {
        client.world.count("send");
        let _ = match client.world.send(&queue, delivery.message().clone()) {
            Ok(()) => link.accept(&delivery).await,
            Err((condition, text)) => link.reject(&delivery, error(condition, text)).await,
        };
    }
}
