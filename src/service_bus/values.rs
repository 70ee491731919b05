//! Values of AMQP, read from a service that may send anything.

use fe2o3_amqp::types::messaging::message::__private::Deserializable;
use fe2o3_amqp::types::messaging::{Body, Message};
use fe2o3_amqp::types::primitives::{OrderedMap, Value};

/// A message whose body may be anything.
pub(super) type AnyMessage = Message<Body<Value>>;

/// A map with these keys, as the bodies of requests are.
pub(super) fn map<const N: usize>(entries: [(&str, Value); N]) -> Value {
    Value::Map(entries.into_iter().map(|(key, value)| (Value::String(key.to_owned()), value)).collect())
}

/// What stands under this key, however the service writes the key.
pub(super) fn field<'a>(map: &'a Value, key: &str) -> Option<&'a Value> {
    let Value::Map(map) = map else { return None };
    find(map, key)
}

fn find<'a>(map: &'a OrderedMap<Value, Value>, key: &str) -> Option<&'a Value> {
    map.iter().find(|(name, _)| text(name) == Some(key)).map(|(_, value)| value)
}

pub(super) fn text(value: &Value) -> Option<&str> {
    match value {
        Value::String(text) => Some(text),
        Value::Symbol(symbol) => Some(symbol.as_str()),
        _ => None,
    }
}

pub(super) fn number(value: &Value) -> Option<i64> {
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

/// The message of these bytes, unless they are none.
pub(super) fn decode(bytes: &[u8]) -> Option<AnyMessage> {
    let message: Deserializable<AnyMessage> = serde_amqp::from_slice(bytes).ok()?;
    Some(message.0)
}

/// The bytes of a message's body, where it has such.
pub(super) fn data(body: &Body<Value>) -> Option<Vec<u8>> {
    match body {
        Body::Data(parts) => Some(parts.iter().flat_map(|part| part.0.iter().copied()).collect()),
        Body::Value(value) => match &value.0 {
            Value::Binary(bytes) => Some(bytes.to_vec()),
            Value::String(text) => Some(text.clone().into_bytes()),
            _ => None,
        },
        _ => None,
    }
}
