//! Requests to a node of the service, and their answers:
//! [request-response operations](https://learn.microsoft.com/azure/service-bus-messaging/service-bus-amqp-request-response).

use std::collections::BTreeMap;

use fe2o3_amqp::link::{CreditMode, RecvError};
use fe2o3_amqp::session::SessionHandle;
use fe2o3_amqp::types::definitions::SenderSettleMode;
use fe2o3_amqp::types::messaging::{ApplicationProperties, Body, Message, MessageId, Properties};
use fe2o3_amqp::types::primitives::{SimpleValue, Value};
use fe2o3_amqp::{Receiver, Sendable, Sender};
use uuid::Uuid;

use super::errors::Fault;
use super::values;

/// A link to a node and one back.
pub(super) struct Rpc {
    sender: Sender,
    receiver: Receiver,
    name: String,
    asked: u64,
    /// Answers that came before they were waited for; `None` while they are still to come.
    answers: BTreeMap<u64, Option<Answer>>,
}

/// A request that is on its way. Several can be, and are answered in any order.
pub(super) struct Asked(u64);

struct Answer {
    status: i64,
    condition: String,
    text: String,
    body: Value,
}

impl Rpc {
    pub(super) async fn open(session: &mut SessionHandle<()>, node: &str) -> Result<Self, Fault> {
        let name = Uuid::new_v4().to_string();
        let receiver = Receiver::builder()
            .name(format!("{name}-answers"))
            .source(node)
            .target(name.clone())
            .credit_mode(CreditMode::Auto(20))
            .auto_accept(true)
            .attach(session)
            .await?;
        let sender = Sender::builder()
            .name(format!("{name}-requests"))
            .source(name.clone())
            .target(node)
            .sender_settle_mode(SenderSettleMode::Mixed)
            .attach(session)
            .await?;
        Ok(Self { sender, receiver, name, asked: 0, answers: BTreeMap::new() })
    }

    /// Sends a request. It is settled by its answer, not by the node's receipt of it.
    pub(super) async fn ask<const N: usize>(
        &mut self,
        operation: &str,
        properties: [(&str, &str); N],
        body: Value,
    ) -> Result<Asked, Fault> {
        self.asked += 1;
        let number = self.asked;
        let about =
            Properties::builder().message_id(format!("{}:{number}", self.name)).reply_to(self.name.clone()).build();
        let mut application = ApplicationProperties::builder().insert("operation", operation);
        for (key, value) in properties {
            application = application.insert(key, SimpleValue::String(value.to_owned()));
        }
        let message =
            Message::builder().properties(about).application_properties(application.build()).value(body).build();
        let sent = Sendable::builder().message(message).settled(true).build();
        // What it returns settles at once; nobody waits for it.
        drop(self.sender.send_batchable(sent).await.map_err(|error| Fault::broken(&error))?);
        self.answers.insert(number, None);
        Ok(Asked(number))
    }

    /// Waits for the answer. Late ones to other requests, and second ones, are passed over.
    pub(super) async fn answer(&mut self, asked: Asked) -> Result<Value, Fault> {
        loop {
            if let Some(Some(_)) = self.answers.get(&asked.0) {
                let answer = self.answers.remove(&asked.0).flatten();
                return answer.ok_or_else(|| Fault::Broken("no answer".to_owned()))?.outcome();
            }
            let delivery = self.receiver.recv::<Body<Value>>().await.map_err(|error| match &error {
                RecvError::LinkStateError(state) => state.into(),
                other => Fault::broken(other),
            })?;
            let message = delivery.into_message();
            if let Some(waiting) = self.number_of(&message).and_then(|number| self.answers.get_mut(&number)) {
                *waiting = Some(Answer::of(message));
            }
        }
    }

    /// Sends a request and waits for its answer.
    pub(super) async fn call<const N: usize>(
        &mut self,
        operation: &str,
        properties: [(&str, &str); N],
        body: Value,
    ) -> Result<Value, Fault> {
        let asked = self.ask(operation, properties, body).await?;
        self.answer(asked).await
    }

    fn number_of(&self, message: &values::AnyMessage) -> Option<u64> {
        let Some(MessageId::String(id)) = &message.properties.as_ref()?.correlation_id else { return None };
        id.strip_prefix(&self.name)?.strip_prefix(':')?.parse().ok()
    }
}

impl Answer {
    fn of(message: values::AnyMessage) -> Self {
        let properties = message.application_properties.map(|properties| properties.0).unwrap_or_default();
        let find = |names: [&str; 2]| {
            let found = properties.iter().find(|(name, _)| names.contains(&name.as_str()));
            found.map(|(_, value)| Value::from(value.clone()))
        };
        let text = |names| find(names).as_ref().and_then(values::text).unwrap_or_default().to_owned();
        let body = match message.body {
            Body::Value(value) => value.0,
            _ => Value::Null,
        };
        Self {
            status: find(["statusCode", "status-code"]).as_ref().and_then(values::number).unwrap_or_default(),
            condition: text(["errorCondition", "error-condition"]),
            text: text(["statusDescription", "status-description"]),
            body,
        }
    }

    fn outcome(self) -> Result<Value, Fault> {
        match (self.status, self.condition.as_str()) {
            (200..=299, _) => Ok(self.body),
            (401 | 403, "") => Err(Fault::refused("amqp:unauthorized-access", &self.text)),
            (404, "") => Err(Fault::refused("amqp:not-found", &self.text)),
            (410, "") => Err(Fault::refused("com.microsoft:session-lock-lost", &self.text)),
            (503, "") => Err(Fault::refused("com.microsoft:server-busy", &self.text)),
            (status, "") => Err(Fault::refused(&format!("status {status}"), &self.text)),
            (_, condition) => Err(Fault::refused(condition, &self.text)),
        }
    }
}
