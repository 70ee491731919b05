//! Values of AMQP as clients write them, each in its own way.

use fe2o3_amqp::types::messaging::message::__private::Serializable;
use fe2o3_amqp::types::messaging::{Body, Message};
use fe2o3_amqp::types::primitives::{SimpleValue, Value};

pub(crate) type AnyMessage = Message<Body<Value>>;

/// Strings, symbols and, by the client for Python, bytes.
pub(crate) fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Symbol(symbol) => Some(symbol.as_str().to_owned()),
        Value::Binary(bytes) => String::from_utf8(bytes.to_vec()).ok(),
        Value::Described(described) => text(&described.value),
        _ => None,
    }
}

pub(crate) fn number(value: &Value) -> Option<i64> {
    match value {
        Value::Ubyte(n) => Some(i64::from(*n)),
        Value::Ushort(n) => Some(i64::from(*n)),
        Value::Uint(n) => Some(i64::from(*n)),
        Value::Ulong(n) => i64::try_from(*n).ok(),
        Value::Byte(n) => Some(i64::from(*n)),
        Value::Short(n) => Some(i64::from(*n)),
        Value::Int(n) => Some(i64::from(*n)),
        Value::Long(n) => Some(*n),
        Value::Timestamp(at) => Some(at.milliseconds()),
        _ => None,
    }
}

pub(crate) fn field<'a>(map: &'a Value, key: &str) -> Option<&'a Value> {
    let Value::Map(map) = map else { return None };
    map.iter().find(|(name, _)| text(name).as_deref() == Some(key)).map(|(_, value)| value)
}

pub(crate) fn map<const N: usize>(entries: [(&str, Value); N]) -> Value {
    Value::Map(entries.into_iter().map(|(key, value)| (Value::String(key.to_owned()), value)).collect())
}

pub(crate) fn property(message: &AnyMessage, name: &str) -> Option<String> {
    let properties = message.application_properties.as_ref()?;
    let (_, value) = properties.0.iter().find(|(key, _)| key.as_str() == name)?;
    text(&simple(value))
}

fn simple(value: &SimpleValue) -> Value {
    Value::from(value.clone())
}

pub(crate) fn encode(message: &AnyMessage) -> Vec<u8> {
    serde_amqp::to_vec(&Serializable(message.clone())).expect("a message that was received can be written")
}
