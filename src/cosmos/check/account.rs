//! The account and the container.

use std::sync::Arc;

use serde_json::Value;

use super::raw::Raw;
use super::step;
use crate::check::{Seen, Step, Verdict};
use leader_election::{Error, ErrorKind, Result};

pub(super) fn steps(raw: &Arc<Raw>) -> Vec<Step> {
    vec![
        step(raw, "C1", "The account tells its regions, and has one that takes writes", |raw, _| {
            Box::pin(async move { regions(&raw).await })
        }),
        step(raw, "C2", "The container's partition key is /id", |raw, _| {
            Box::pin(async move { partition_key(&raw).await })
        }),
        step(raw, "C3", "The container's time-to-live is known, and a document with ttl -1 outlives it", |raw, _| {
            Box::pin(async move { time_to_live(&raw).await })
        }),
    ]
}

async fn regions(raw: &Raw) -> Result<Seen> {
    let answer = raw.account().await?;
    if matches!(answer.status, 401 | 403) {
        return Err(Error::new(
            ErrorKind::Denied,
            "the account's properties may not be read: the data action readMetadata",
        ));
    }
    let account = answer.json();
    let count = |name: &str| account.get(name).and_then(Value::as_array).map_or(0, Vec::len);
    let (writable, readable) = (count("writableLocations"), count("readableLocations"));
    let flag = account.get("enableMultipleWriteLocations").and_then(Value::as_bool);
    let consistency = account.pointer("/userConsistencyPolicy/defaultConsistencyLevel").and_then(Value::as_str);
    let (Some(flag), Some(consistency)) = (flag, consistency) else {
        return Ok(Seen::differs("enableMultipleWriteLocations or defaultConsistencyLevel is not told"));
    };
    let text =
        format!("{writable} of {readable} regions take writes, multi-region writes {flag}, consistency {consistency}");
    if flag || writable > 1 {
        return Ok(Seen::new(Verdict::Unfit, format!("{text}: two workers could lead; turn multi-region writes off")));
    }
    if readable > 1 && consistency != "Strong" {
        let advice = "a forced failover can lose the latest term; take Strong consistency, or one region";
        return Ok(Seen::new(Verdict::Unfit, format!("{text}: {advice}")));
    }
    Ok(Seen::is_so(writable == 1, text))
}

async fn properties(raw: &Raw) -> Result<std::result::Result<Value, Seen>> {
    let answer = raw.container().await?;
    Ok(match answer.status {
        200 => Ok(answer.json()),
        401 | 403 => Err(Seen::not_checked("this identity may not read the container's properties")),
        status => Err(Seen::differs(format!("reading the container: {status}"))),
    })
}

async fn partition_key(raw: &Raw) -> Result<Seen> {
    let container = match properties(raw).await? {
        Ok(container) => container,
        Err(seen) => return Ok(seen),
    };
    let paths = container.pointer("/partitionKey/paths").cloned().unwrap_or_default();
    let text = format!("partition key {paths}");
    Ok(match paths == serde_json::json!(["/id"]) {
        true => Seen::is_so(true, text),
        false => Seen::new(Verdict::Unfit, format!("{text}: make a container with the partition key /id")),
    })
}

async fn time_to_live(raw: &Raw) -> Result<Seen> {
    let container = match properties(raw).await? {
        Ok(container) => container,
        Err(seen) => return Ok(seen),
    };
    Ok(match container.get("defaultTtl").and_then(Value::as_i64) {
        None => Seen::measured("the container has no time-to-live, so nothing in it runs out"),
        Some(-1) => Seen::measured("the container's default is never; C8 tells whether a document's own counts"),
        Some(seconds) => Seen::measured(format!(
            "the container deletes documents after {seconds} s, but for those with ttl -1, as an election's"
        )),
    })
}
