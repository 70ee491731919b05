//! What the service's refusals mean, and what to do about them.

use fe2o3_amqp::connection::ConnectionStopReason;
use fe2o3_amqp::link::{LinkStateError, ReceiverAttachError, SenderAttachError, SessionStopReason};
use fe2o3_amqp::types::definitions::{self, ErrorCondition};
use fe2o3_amqp::types::primitives::Symbol;

use super::address::Address;
use leader_election::{
    Error, ErrorKind,
    kit::redact::{advice, is_unknown_host, printable, scrubbed},
};

/// Why there is no answer to a request, or none that was wished for.
#[derive(Debug)]
pub(super) enum Fault {
    /// The service said no. The connection is as good as before.
    Refused { condition: String, text: String },
    /// The connection, a session or a link is gone, or says what cannot be understood. It is thrown away.
    Broken(String),
    /// It has a sentence already.
    Told(Error),
}

const CANNOT_BE_LOCKED: &str = "com.microsoft:session-cannot-be-locked";
const UNEXPLAINED: &str = "unexplained";
const LOCK_LOST: &str = "com.microsoft:session-lock-lost";

impl Fault {
    pub(super) fn refused(condition: &str, text: &str) -> Self {
        Self::Refused { condition: printable(condition), text: printable(text) }
    }

    fn of(error: &definitions::Error) -> Self {
        let condition = condition(&error.condition);
        Self::refused(condition.as_str(), error.description.as_deref().unwrap_or_default())
    }

    pub(super) fn broken(error: &(dyn std::error::Error + 'static)) -> Self {
        Self::Broken(scrubbed(error).root())
    }

    /// Somebody else has the session.
    pub(super) fn is_locked(&self) -> bool {
        matches!(self, Self::Refused { condition, .. } if condition == CANNOT_BE_LOCKED)
    }

    pub(super) fn is_unexplained(&self) -> bool {
        matches!(self, Self::Refused { condition, .. } if condition == UNEXPLAINED)
    }

    /// We had the session, and have it no more.
    pub(super) fn is_lock_lost(&self) -> bool {
        matches!(self, Self::Refused { condition, .. } if condition == LOCK_LOST)
    }

    pub(super) fn spoils_connection(&self) -> bool {
        matches!(self, Self::Broken(_))
    }

    /// What was being done to which session, and what to do about it.
    pub(super) fn explain(self, doing: &str, address: &Address) -> Error {
        match self {
            Self::Told(error) => error,
            Self::Broken(why) => silence(doing, address, &why),
            Self::Refused { condition, text } => refusal(doing, address, &condition, &text),
        }
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Told(error)
    }
}

impl From<ReceiverAttachError> for Fault {
    fn from(error: ReceiverAttachError) -> Self {
        match error {
            ReceiverAttachError::RemoteClosedWithError(error) => Self::of(&error),
            ReceiverAttachError::SessionStopped(reason) => stopped(&reason),
            // Our answer to the refusal has crossed its reason.
            ReceiverAttachError::IncomingSourceIsNone => Self::refused(UNEXPLAINED, "a refusal without a reason"),
            other => Self::broken(&other),
        }
    }
}

impl From<SenderAttachError> for Fault {
    fn from(error: SenderAttachError) -> Self {
        match error {
            SenderAttachError::RemoteClosedWithError(error) => Self::of(&error),
            SenderAttachError::SessionStopped(reason) => stopped(&reason),
            other => Self::broken(&other),
        }
    }
}

impl From<&LinkStateError> for Fault {
    /// A link that was ours to keep; what the service says of it is why it is gone.
    fn from(error: &LinkStateError) -> Self {
        match error {
            LinkStateError::RemoteClosedWithError(error) | LinkStateError::RemoteDetachedWithError(error) => {
                let condition = condition(&error.condition);
                Self::Broken(printable(&format!(
                    "{} {}",
                    condition.as_str(),
                    error.description.as_deref().unwrap_or_default()
                )))
            }
            other => Self::broken(other),
        }
    }
}

/// A session or a connection that ended under a request. Who is refused at the door is told so by this.
fn stopped(reason: &SessionStopReason) -> Fault {
    match reason {
        SessionStopReason::RemoteEndedWithError(error)
        | SessionStopReason::ConnectionStopped(ConnectionStopReason::RemoteClosedWithError(error)) => Fault::of(error),
        other => Fault::Broken(printable(&format!("{other:?}"))),
    }
}

fn condition(condition: &ErrorCondition) -> Symbol {
    match condition {
        ErrorCondition::AmqpError(error) => error.into(),
        ErrorCondition::ConnectionError(error) => error.into(),
        ErrorCondition::SessionError(error) => error.into(),
        ErrorCondition::LinkError(error) => error.into(),
        ErrorCondition::Custom(symbol) => symbol.clone(),
    }
}

/// By the conditions of
/// [the exceptions of Service Bus](https://learn.microsoft.com/azure/service-bus-messaging/service-bus-messaging-exceptions).
fn refusal(doing: &str, address: &Address, condition: &str, text: &str) -> Error {
    let queue = &address.queue;
    let (kind, advice) = match condition {
        "amqp:unauthorized-access" | "com.microsoft:auth-failed" => (
            ErrorKind::Denied,
            format!(
                "give the identity the roles Azure Service Bus Data Receiver and Azure Service Bus Data Sender on {queue}, or the \
                 key the rights Listen and Send; check that the key is this namespace's and this machine's clock is right"
            ),
        ),
        "amqp:not-found" | "com.microsoft:entity-not-found" => (
            ErrorKind::NotFound,
            format!(
                "there is no {queue}: create the queue with `requiresSession`, by Bicep or by `az servicebus queue create --enable-session true`"
            ),
        ),
        "com.microsoft:entity-disabled" => (ErrorKind::Refused, format!("{queue} is disabled: enable it")),
        // https://github.com/Azure/azure-sdk-for-net/blob/main/sdk/servicebus/Azure.Messaging.ServiceBus/TROUBLESHOOTING.md
        "amqp:not-allowed" | "com.microsoft:operation-not-supported" => (
            ErrorKind::InvalidSetting,
            format!(
                "{queue} needs sessions, which a queue has from its creation on or never: create another with `requiresSession`, in a \
                 namespace of the tier Standard or Premium (Basic has no sessions)"
            ),
        ),
        "com.microsoft:server-busy" | "amqp:resource-limit-exceeded" => {
            (ErrorKind::Throttled, "the namespace is busy, or over its quota".to_owned())
        }
        "com.microsoft:argument-error" | "amqp:decode-error" | "amqp:invalid-field" | "amqp:not-implemented" => {
            (ErrorKind::Refused, "the service does not understand the request".to_owned())
        }
        _ if text.contains("Basic tier") || text.contains("BasicTier") => (
            ErrorKind::InvalidSetting,
            format!("{queue} is in a namespace of the tier Basic, which has no sessions: take Standard or Premium"),
        ),
        CANNOT_BE_LOCKED => (ErrorKind::Unavailable, "another process has the session at this moment".to_owned()),
        LOCK_LOST => (ErrorKind::Unavailable, "the session was lost at this moment".to_owned()),
        _ => (ErrorKind::Unavailable, "the service cannot serve now".to_owned()),
    };
    Error::new(kind, format!("{doing} {address} failed: {condition} ({text}); {advice}"))
}

/// No answer came: the network, the name service, TLS, or a time limit.
pub(super) fn silence(doing: &str, address: &Address, why: &str) -> Error {
    let host = address.queue.host();
    if is_unknown_host(why) {
        let text = format!("{doing} {address} failed: there is no host {host}: check the namespace's name");
        return Error::new(ErrorKind::NotFound, text);
    }
    let kind = if why.contains("certificate") { ErrorKind::Refused } else { ErrorKind::Unreachable };
    let advice = advice(why).map(|advice| format!("; {advice}")).unwrap_or_default();
    Error::new(kind, format!("{doing} {address} failed: {host} gave no answer ({why}){advice}"))
}

pub(super) fn too_late(doing: &str, address: &Address) -> Error {
    Error::new(ErrorKind::Timeout, format!("{doing} {address} failed: no answer within the time for it"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service_bus::ServiceBusQueue;

    fn told(condition: &str, text: &str) -> Error {
        let queue = ServiceBusQueue::new("sb://ns.servicebus.windows.net/elections").expect("valid");
        let address = Address::of_election(queue, "nightly").expect("valid");
        Fault::refused(condition, text).explain("accepting", &address)
    }

    #[test]
    fn what_a_human_must_mend_says_how_and_all_else_is_tried_again() {
        for (condition, kind, word) in [
            ("amqp:unauthorized-access", ErrorKind::Denied, "Data Receiver"),
            ("amqp:not-found", ErrorKind::NotFound, "requiresSession"),
            ("amqp:not-allowed", ErrorKind::InvalidSetting, "Standard or Premium"),
            ("com.microsoft:entity-disabled", ErrorKind::Refused, "disabled"),
            ("com.microsoft:server-busy", ErrorKind::Throttled, "busy"),
            ("com.microsoft:timeout", ErrorKind::Unavailable, "cannot serve"),
            ("amqp:internal-error", ErrorKind::Unavailable, "cannot serve"),
        ] {
            let error = told(condition, "");
            assert_eq!(error.kind(), kind, "{condition}");
            assert!(error.to_string().contains(word), "{error}");
        }
        assert_eq!(
            told("amqp:internal-error", "SubCode=40000. BasicTierNotSupported").kind(),
            ErrorKind::InvalidSetting
        );
    }
}
