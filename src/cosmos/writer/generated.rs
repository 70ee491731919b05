//! Made-up fence documents and partition keys.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::laws;
use crate::laws::strategies::{number, text};
use leader_election::FencingToken;

fn write() -> impl Strategy<Value = Value> {
    prop_oneof![
        20 => any::<u128>().prop_map(|write| Value::from(format!("{write:032x}"))),
        1 => any::<u128>().prop_map(|write| Value::from(uuid::Uuid::from_u128(write).urn().to_string())),
        1 => text().prop_map(Value::from),
        1 => any::<i32>().prop_map(Value::from),
    ]
}

/// Fence documents that are right but for a part.
fn document() -> impl Strategy<Value = Value> {
    let token = prop_oneof![
        6 => (1..=FencingToken::MAX).prop_map(Value::from),
        2 => number().prop_map(|text| serde_json::from_str(&text).unwrap_or(Value::String(text))),
        1 => any::<f64>().prop_map(Value::from),
    ];
    let writes = prop_oneof![8 => prop::collection::vec(write(), 0..12).prop_map(Value::from), 1 => text().prop_map(Value::from)];
    (token, writes, 0..20_u8).prop_map(|(token, writes, left_out)| match left_out {
        0 => json!({"writes": writes}),
        1 => json!({"token": token}),
        2 => json!([token, writes]),
        _ => json!({"id": "leader-fence", "tenant": "contoso", "token": token, "writes": writes, "_ts": 7}),
    })
}

proptest! {
    #[test]
    fn invariant_14_a_document_is_the_fence_it_is_written_again_as_or_an_error(document in document()) {
        laws::document(document);
    }

    #[test]
    fn in_any_partition_that_is_accepted_the_fence_is_read_as_it_was_written(
        levels in prop::collection::vec(("/?([a-e]{0,2}|id|token|writes)(/[a-e]{1,2})?/?", text()), 0..5),
        token in 1..=FencingToken::MAX,
        writes in prop::collection::vec(any::<u128>(), 0..12),
    ) {
        let levels: Vec<_> = levels.iter().map(|(path, value)| (path.as_str(), value.as_str())).collect();
        laws::place(&levels, token, &writes);
    }
}

#[test]
fn a_partition_key_that_would_overwrite_the_fence_or_itself_is_refused() {
    for levels in [
        &[("token", "7")][..],
        &[("writes", "x")],
        &[("/id/a", "x")],
        &[("tenant", "x"), ("id", "y")],
        &[("a", "x"), ("a", "y")],
        &[("a", "x"), ("a/b", "y")],
        &[("a/b", "x"), ("a", "y")],
    ] {
        laws::place(levels, 7, &[]);
    }
}
