//! What holds whatever a fence document or a partition key says.

#![allow(clippy::expect_used)]

use serde_json::Value;
use uuid::Uuid;

use super::FencedPartition;
use super::fence::{Fence, Place};
use crate::laws::presentable;
use leader_election::{ErrorKind, FencingToken};

/// A document is the fence that it is written again as, but for what is too old to be remembered; all else is an error, never a
/// low token.
pub(crate) fn document(document: Value) {
    let place = Place::new(&[("tenant", "contoso")]).expect("valid");
    let said = document.get("token").and_then(Value::as_u64);
    match place.read(document) {
        Ok(fence) => {
            assert_eq!(said, Some(fence.token.get()));
            assert!((1..=FencingToken::MAX).contains(&fence.token.get()));
            let again = place.document(&fence);
            assert!(again["writes"].as_array().is_some_and(|writes| writes.len() <= 8));
            assert_eq!(place.read(again).expect("its own document"), fence);
        }
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::CorruptRecord);
            presentable(&error);
        }
    }
}

/// In any partition that is accepted, the fence is read as it was written, next to the key's own properties.
pub(crate) fn place(levels: &[(&str, &str)], token: u64, writes: &[u128]) {
    let place = match Place::new(levels) {
        Ok(place) => place,
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::InvalidSetting);
            return presentable(&error);
        }
    };
    let token = FencingToken::new(token).expect("in range");
    let first = Fence::after(None, token, Uuid::from_u128(0));
    let fence = writes.iter().fold(first, |fence, write| Fence::after(Some(&fence), token, Uuid::from_u128(*write)));
    let document = place.document(&fence);
    for (path, value) in levels {
        let at = path.trim_matches('/').split('/').fold(&document, |at, name| &at[name]);
        assert_eq!(at, value, "{path} of {document}");
    }
    assert_eq!(document["id"], FencedPartition::FENCE_ID, "{levels:?}");
    let read = place.read(document).expect("its own document");
    assert_eq!(read, fence);
    assert!(writes.iter().rev().take(8).all(|write| read.wrote(Uuid::from_u128(*write))));
    assert!(levels.iter().all(|(_, value)| value.len() < 8 || !place.to_string().contains(*value)));
}
