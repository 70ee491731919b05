//! What holds whatever an account says of itself.

#![allow(clippy::expect_used)]

use serde_json::Value;

use super::Account;

/// An account is taken for one with a single write region only if it says so and shows no second one.
pub(crate) fn properties(body: &[u8]) {
    let Some(account) = Account::read(body) else { return };
    let said: Value = serde_json::from_slice(body).expect("it was read");
    let count = |name: &str| said[name].as_array().map_or(1, Vec::len);
    let (writable, readable) = (count("writableLocations"), count("readableLocations"));
    if !account.multiple_write_regions {
        assert_eq!(said["enableMultipleWriteLocations"], Value::Bool(false));
        assert!(writable <= 1);
    }
    if !account.can_lose_writes() {
        assert!(account.regions <= 1 || account.consistency == "Strong");
        assert!(account.regions >= readable.max(writable));
    }
}

#[cfg(test)]
mod properties {
    use proptest::prelude::*;
    use serde_json::json;

    use super::properties;

    fn anything() -> impl Strategy<Value = serde_json::Value> {
        let leaf =
            prop::sample::select(vec![json!(null), json!(true), json!(false), json!("false"), json!(0), json!({})]);
        let regions = prop::collection::vec(Just(json!({"name": "somewhere"})), 0..4).prop_map(serde_json::Value::from);
        prop_oneof![leaf, regions]
    }

    proptest! {
        #[test]
        fn no_account_passes_for_one_with_a_single_write_region_unless_it_says_so(
            flag in anything(),
            writable in anything(),
            readable in anything(),
            level in prop_oneof![Just(json!("Strong")), Just(json!("Session")), anything()],
            leave_out in 0..16_u8,
        ) {
            let mut said = json!({"userConsistencyPolicy": {"defaultConsistencyLevel": level}});
            let parts =
                [("enableMultipleWriteLocations", flag), ("writableLocations", writable), ("readableLocations", readable)];
            for (bit, (name, part)) in parts.into_iter().enumerate() {
                if leave_out & (1 << bit) == 0 || leave_out & 8 != 0 {
                    said[name] = part;
                }
            }
            properties(said.to_string().as_bytes());
        }
    }
}
