//! `$cbs` and `$management`: requests, and where their answers go.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use fe2o3_amqp::types::messaging::{ApplicationProperties, Body, Message, Properties};
use fe2o3_amqp::types::primitives::{Binary, SimpleValue, Symbol, Timestamp, Value};
use fe2o3_amqp::{Receiver, Sender};
use tokio::sync::mpsc;

use crate::entrance::busy;
use crate::faults::What;
use crate::serve::Client;
use crate::token;
use crate::values::{self, AnyMessage};
use crate::world::{Asker, Refusal};

/// The links on which a connection's answers go.
#[derive(Default)]
pub(crate) struct Replies {
    /// By the address that the client has given its end, and by the node.
    links: Mutex<BTreeMap<String, mpsc::UnboundedSender<AnyMessage>>>,
}

impl Replies {
    pub(crate) fn open(&self, node: &str, reply_to: Option<String>, mut link: Sender) {
        let (send, mut answers) = mpsc::unbounded_channel::<AnyMessage>();
        let mut links = self.links.lock().expect("not poisoned");
        links.insert(format!("node {node}"), send.clone());
        if let Some(reply_to) = reply_to {
            links.insert(reply_to, send);
        }
        drop(links);
        tokio::spawn(async move {
            while let Some(answer) = answers.recv().await {
                // Some clients settle no answer, so nobody waits for that.
                if link.send_batchable(answer).await.map(drop).is_err() {
                    return;
                }
            }
        });
    }

    fn send(&self, node: &str, reply_to: Option<&String>, answer: AnyMessage) {
        let links = self.links.lock().expect("not poisoned");
        let link = reply_to.and_then(|reply_to| links.get(reply_to)).or_else(|| links.get(&format!("node {node}")));
        if let Some(link) = link {
            let _ = link.send(answer);
        }
    }
}

/// Answers what comes to a node.
pub(crate) async fn answer(node: String, mut requests: Receiver, client: Arc<Client>) {
    while let Ok(delivery) = requests.recv::<Body<Value>>().await {
        let _ = requests.accept(&delivery).await;
        let request = delivery.into_message();
        let operation = values::property(&request, "operation").unwrap_or_default();
        client.world.count(&operation);
        let fault = client.world.fault(&operation);
        let outcome = match fault {
            Some(What::Busy) => Err(busy()),
            _ if node == "$cbs" => put_token(&client, &request),
            _ => manage(&client, node.trim_end_matches("/$management"), &operation, &request),
        };
        let answer = message(&node, &request, outcome);
        let reply_to = request.properties.and_then(|properties| properties.reply_to);
        match fault {
            Some(What::Lose) => {}
            Some(What::Delay(time)) => {
                let (client, node) = (Arc::clone(&client), node.clone());
                tokio::spawn(async move {
                    tokio::time::sleep(time).await;
                    client.replies.send(&node, reply_to.as_ref(), answer);
                });
            }
            Some(What::Double) => {
                client.replies.send(&node, reply_to.as_ref(), answer.clone());
                client.replies.send(&node, reply_to.as_ref(), answer);
            }
            Some(What::Detach) => {
                client.world.detach_all();
                client.replies.send(&node, reply_to.as_ref(), answer);
            }
            Some(What::Busy) | None => client.replies.send(&node, reply_to.as_ref(), answer),
        }
    }
}

fn message(node: &str, request: &AnyMessage, outcome: Result<Value, Refusal>) -> AnyMessage {
    let correlation = request.properties.as_ref().and_then(|properties| properties.message_id.clone());
    // The two nodes name these differently.
    let [code, description] = match node {
        "$cbs" => ["status-code", "status-description"],
        _ => ["statusCode", "statusDescription"],
    };
    let told = ApplicationProperties::builder();
    let (told, body) = match outcome {
        Ok(Value::Null) if node == "$cbs" => (told.insert(code, 202).insert(description, "Accepted"), Value::Null),
        Ok(body) => (told.insert(code, 200).insert(description, "OK"), body),
        Err((condition, text)) => {
            let status = match condition {
                "com.microsoft:session-lock-lost" => 410,
                "com.microsoft:server-busy" => 503,
                "amqp:unauthorized-access" => 401,
                "amqp:not-found" => 404,
                _ => 400,
            };
            let condition = SimpleValue::Symbol(Symbol::from(condition));
            (told.insert(code, status).insert(description, text).insert("errorCondition", condition), Value::Null)
        }
    };
    let properties = Properties { correlation_id: correlation, ..Properties::default() };
    Message {
        properties: Some(properties),
        application_properties: Some(told.build()),
        ..Message::from(Body::Value(fe2o3_amqp::types::messaging::AmqpValue(body)))
    }
}

fn put_token(client: &Client, request: &AnyMessage) -> Result<Value, Refusal> {
    let property = |name| values::property(request, name).unwrap_or_default();
    let token = match &request.body {
        Body::Value(value) => values::text(&value.0),
        _ => None,
    };
    let rights = token::check(&client.world.settings, &property("type"), &property("name"), &token.unwrap_or_default());
    client.grant(rights.map_err(|text| ("amqp:unauthorized-access", text))?);
    Ok(Value::Null)
}

fn manage(client: &Client, queue: &str, operation: &str, request: &AnyMessage) -> Result<Value, Refusal> {
    let Body::Value(body) = &request.body else { return Err(("com.microsoft:argument-error", "no map".to_owned())) };
    let body = &body.0;
    if !client.may(queue, |rights| rights.listen) {
        return Err(("amqp:unauthorized-access", "ExpiredToken: the token is expired".to_owned()));
    }
    let link_name = values::property(request, "associated-link-name");
    let asker = Asker { connection: client.id, link_name: link_name.as_deref() };
    let session = || {
        let session = values::field(body, "session-id").and_then(values::text);
        session.ok_or_else(|| ("com.microsoft:argument-error", "no session-id".to_owned()))
    };
    let number = |name: &str| values::field(body, name).and_then(values::number);
    match operation {
        "com.microsoft:renew-session-lock" => {
            let expiration = client.world.renew(queue, &session()?, &asker)?;
            Ok(values::map([("expiration", Value::Timestamp(Timestamp::from(expiration)))]))
        }
        "com.microsoft:get-session-state" => {
            let state = client.world.state_of(queue, &session()?, &asker)?;
            let state = state.map_or(Value::Null, |state| Value::Binary(Binary::from(state)));
            Ok(values::map([("session-state", state)]))
        }
        "com.microsoft:set-session-state" => {
            let state = match values::field(body, "session-state") {
                Some(Value::Binary(bytes)) => Some(bytes.to_vec()),
                Some(Value::Null) => None,
                _ => return Err(("com.microsoft:argument-error", "no session-state".to_owned())),
            };
            client.world.set_state_of(queue, &session()?, &asker, state)?;
            Ok(values::map([]))
        }
        "com.microsoft:peek-message" => {
            let most = number("message-count").and_then(|most| usize::try_from(most).ok()).unwrap_or(1);
            let messages =
                client.world.peek(queue, &session()?, number("from-sequence-number").unwrap_or_default(), most);
            let entry =
                |message: &AnyMessage| values::map([("message", Value::Binary(Binary::from(values::encode(message))))]);
            Ok(values::map([("messages", Value::List(messages.iter().map(entry).collect()))]))
        }
        _ => Err(("amqp:not-implemented", format!("this broker does not know {operation}"))),
    }
}
