//! What becomes of an attach.

use std::sync::Arc;
use std::time::Duration;

use fe2o3_amqp::acceptor::{LinkAcceptor, LinkEndpoint, ListenerSessionHandle};
use fe2o3_amqp::types::definitions::{self, ErrorCondition, Fields, Role};
use fe2o3_amqp::types::messaging::{Source, TargetArchetype};
use fe2o3_amqp::types::performatives::Attach;
use fe2o3_amqp::types::primitives::Value;
use tokio::sync::mpsc;

use crate::faults::What;
use crate::serve::Client;
use crate::world::{Accepted, Refusal};
use crate::{holders, nodes, values};

const FILTER: &str = "com.microsoft:session-filter";
const TIMEOUT: &str = "com.microsoft:timeout";
/// Of a wait whose client has named no time.
const WAIT: Duration = Duration::from_secs(60);
/// For how long a refusal waits for the client's answer to it.
const FAREWELL: Duration = Duration::from_secs(2);

/// An attach and what was decided on it.
pub(crate) struct Decided {
    attach: Attach,
    outcome: Result<Admission, Refusal>,
}

enum Admission {
    /// To `$cbs`, or the management of a queue.
    Node(String),
    /// Messages into the queue.
    Send(String),
    /// A session of the queue.
    Session(String, Accepted),
}

pub(crate) fn consider(attach: Attach, client: &Arc<Client>, decide: &mpsc::UnboundedSender<Decided>) {
    let address = match attach.role {
        Role::Sender => target_address(&attach),
        Role::Receiver => attach.source.as_ref().and_then(|source| source.address.clone()),
    };
    let address = path(&address.unwrap_or_default());
    let now = |outcome| {
        let _ = decide.send(Decided { attach: attach.clone(), outcome });
    };
    if address == "$cbs" {
        return now(Ok(Admission::Node(address)));
    }
    let (queue, node) = match address.strip_suffix("/$management") {
        Some(queue) => (queue, true),
        None => (address.as_str(), false),
    };
    let Some(kind) = client.world.settings.queues.iter().find(|known| known.name == queue) else {
        let text = format!("The messaging entity 'sb://testbroker/{queue}' could not be found.");
        return now(Err(("amqp:not-found", text)));
    };
    let right = |rights: &crate::token::Rights| match attach.role {
        Role::Sender if !node => rights.send,
        _ => rights.listen,
    };
    if !client.may(queue, right) {
        let text = format!(
            "Unauthorized access. 'Listen' or 'Send' claim(s) are required to perform this operation. Resource: '{queue}'."
        );
        return now(Err(("amqp:unauthorized-access", text)));
    }
    if node {
        return now(Ok(Admission::Node(address)));
    }
    if attach.role == Role::Sender {
        return now(Ok(Admission::Send(queue.to_owned())));
    }
    client.world.count("attach");
    if client.world.fault("attach") == Some(What::Busy) {
        return now(Err(busy()));
    }
    let wanted = filter(&attach);
    match wanted {
        Some(_) if !kind.needs_sessions => now(Err((
            "amqp:not-allowed",
            "A sessionful message receiver cannot be created on an entity that does not require sessions. Ensure RequiresSession is set \
             to true when creating a Queue or Subscription to enable sessionful behavior."
                .to_owned(),
        ))),
        None if kind.needs_sessions => now(Err((
            "amqp:not-allowed",
            "It is not possible for an entity that requires sessions to create a non-sessionful message receiver.".to_owned(),
        ))),
        None => now(Err(("amqp:not-implemented", "this broker hands out sessions alone".to_owned()))),
        Some(Some(session)) => {
            let accepted = client.world.accept(queue, &session, &attach.name, client.id);
            now(accepted.map(|accepted| Admission::Session(queue.to_owned(), accepted)));
        }
        Some(None) => wait(attach, queue.to_owned(), client, decide.clone()),
    }
}

fn wait(attach: Attach, queue: String, client: &Arc<Client>, decide: mpsc::UnboundedSender<Decided>) {
    let properties = attach.properties.as_ref();
    let asked =
        properties.and_then(|all| all.iter().find(|(name, _)| name.as_str() == TIMEOUT).map(|(_, value)| value));
    let asked = asked.and_then(values::number).and_then(|ms| u64::try_from(ms).ok()).map(Duration::from_millis);
    let told = client.world.wait(&queue, &attach.name, client.id);
    tokio::spawn(async move {
        let outcome = match tokio::time::timeout(asked.unwrap_or(WAIT), told).await {
            Ok(Ok(accepted)) => Ok(Admission::Session(queue, accepted)),
            _ => {
                Err(("com.microsoft:timeout", "The operation did not complete within the allotted timeout.".to_owned()))
            }
        };
        let _ = decide.send(Decided { attach, outcome });
    });
}

pub(crate) async fn admit(decided: Decided, session: &mut ListenerSessionHandle, client: &Arc<Client>) {
    let Decided { mut attach, outcome } = decided;
    let name = attach.name.clone();
    let reply_to = target_address(&attach);
    match outcome {
        Err(refusal) => refuse(attach, refusal, session).await,
        Ok(Admission::Node(node)) => match LinkAcceptor::new().accept_incoming_attach(attach, session).await {
            Ok(LinkEndpoint::Receiver(requests)) => {
                tokio::spawn(nodes::answer(node, requests, Arc::clone(client)));
            }
            Ok(LinkEndpoint::Sender(answers)) => client.replies.open(&node, reply_to, answers),
            Err(_) => {}
        },
        Ok(Admission::Send(queue)) => {
            if let Ok(LinkEndpoint::Receiver(messages)) =
                LinkAcceptor::new().accept_incoming_attach(attach, session).await
            {
                tokio::spawn(holders::take(queue, messages, Arc::clone(client)));
            }
        }
        Ok(Admission::Session(queue, accepted)) => {
            let filter = [(FILTER.into(), Value::String(accepted.session.clone()))].into_iter().collect();
            if let Some(source) = &mut attach.source {
                source.filter = Some(filter);
            }
            let properties: Fields =
                [("com.microsoft:locked-until-utc".into(), Value::Long(accepted.until_ticks))].into_iter().collect();
            let acceptor = LinkAcceptor::builder().properties(properties).build();
            match acceptor.accept_incoming_attach(attach, session).await {
                Ok(LinkEndpoint::Sender(link)) => {
                    tokio::spawn(holders::hold(queue, accepted, link, name, Arc::clone(client)));
                }
                _ => client.world.free(accepted.link),
            }
        }
    }
}

/// As the service refuses: the link is attached to nothing, and closed with the reason.
async fn refuse(mut attach: Attach, (condition, text): Refusal, session: &mut ListenerSessionHandle) {
    let error = error(condition, text);
    let acceptor = LinkAcceptor::builder().verify_incoming_source(false).verify_incoming_target(false).build();
    match attach.role {
        Role::Receiver => attach.source = None::<Box<Source>>,
        Role::Sender => attach.target = None::<Box<TargetArchetype>>,
    }
    match acceptor.accept_incoming_attach(attach, session).await {
        Ok(LinkEndpoint::Sender(link)) => say_farewell(link.close_with_error(error)).await,
        Ok(LinkEndpoint::Receiver(link)) => say_farewell(link.close_with_error(error)).await,
        Err(_) => {}
    }
}

/// The reason goes out together with the attach: a client closes such a link at once, and would be answered without it.
async fn say_farewell<T>(closing: impl Future<Output = T> + Send + 'static) {
    let mut closing = Box::pin(closing);
    if tokio::time::timeout(Duration::ZERO, &mut closing).await.is_err() {
        tokio::spawn(async move { tokio::time::timeout(FAREWELL, closing).await.map(drop) });
    }
}

pub(crate) fn error(condition: &str, text: String) -> definitions::Error {
    definitions::Error::new(ErrorCondition::Custom(condition.into()), text, None)
}

pub(crate) fn busy() -> Refusal {
    (
        "com.microsoft:server-busy",
        "The request was terminated because the namespace is being throttled. Error code: 50009.".to_owned(),
    )
}

/// Some clients write a node's whole URL.
fn path(address: &str) -> String {
    let path = address.split_once("://").and_then(|(_, rest)| rest.split_once('/')).map_or(address, |(_, path)| path);
    path.to_owned()
}

fn target_address(attach: &Attach) -> Option<String> {
    match attach.target.as_deref()? {
        TargetArchetype::Target(target) => target.address.clone(),
        #[allow(unreachable_patterns)]
        _ => None,
    }
}

/// `None`: no session was asked for; `Some(None)`: any.
fn filter(attach: &Attach) -> Option<Option<String>> {
    let filter = attach.source.as_ref()?.filter.as_ref()?;
    let (_, wanted) = filter.iter().find(|(name, _)| name.as_str() == FILTER)?;
    Some(values::text(wanted))
}
