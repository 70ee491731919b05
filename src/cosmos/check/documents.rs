//! Documents under optimistic concurrency.

use std::sync::Arc;
use std::time::Duration;

use azure_core::time::parse_rfc7231;
use serde_json::{Value, json};

use super::raw::{Answer, Raw};
use super::{document, step, text};
use crate::check::{Seen, Step};
use leader_election::{Error, ErrorKind, Result};

/// The step that writes to ids that are longer than its name.
pub(super) const LONG: &str = "C11";
/// A document's own time-to-live, and how long it is waited out.
const TTL: u64 = 2;
const OUTLIVED: Duration = Duration::from_secs(5);

pub(super) fn steps(raw: &Arc<Raw>) -> Vec<Step> {
    let own_ttl = step(
        raw,
        "C8",
        "A document's own time-to-live counts where the container has one, and nowhere else",
        |raw, id| Box::pin(async move { own_ttl(&raw, &id).await }),
    );
    vec![
        step(
            raw,
            "C4",
            "An id is created once: a second time is a conflict (409), and nothing is changed",
            |raw, id| Box::pin(async move { created_once(&raw, &id).await }),
        ),
        step(
            raw,
            "C5",
            "A replacement over another ETag is refused (412); each write has a new ETag, with the same content too",
            |raw, id| Box::pin(async move { compare_and_swap(&raw, &id).await }),
        ),
        step(raw, "C6", "A document that is not there is neither read nor replaced (404)", |raw, id| {
            Box::pin(async move { absent(&raw, &id).await })
        }),
        step(raw, "C7", "A read after a write shows it", |raw, id| {
            Box::pin(async move { read_after_write(&raw, &id).await })
        }),
        own_ttl.waiting("a document's time-to-live", OUTLIVED),
        step(raw, "C9", "_ts is the service's time of the write, in whole seconds", |raw, id| {
            Box::pin(async move { timestamp(&raw, &id).await })
        }),
        step(raw, "C10", "A batch is carried out whole or not at all", |raw, id| {
            Box::pin(async move { batch(&raw, &id).await })
        }),
        step(raw, LONG, "An id has 1,023 bytes at the most", |raw, id| {
            Box::pin(async move { longest_id(&raw, &id).await })
        }),
        step(raw, "C12", "A look costs about 1 request unit, a renewal about 10", |raw, id| {
            Box::pin(async move { charge(&raw, &id).await })
        }),
    ]
}

/// What a step begins with.
async fn made(raw: &Raw, id: &str) -> Result<Answer> {
    let made = raw.create(id, document(id, "1")).await?;
    match made.status {
        201 => Ok(made),
        401 | 403 => Err(Error::new(ErrorKind::Denied, "this identity may not create items")),
        status => Err(Error::new(
            ErrorKind::Refused,
            format!("creating a document, which this step begins with, failed: {status}"),
        )),
    }
}

async fn created_once(raw: &Raw, id: &str) -> Result<Seen> {
    made(raw, id).await?;
    let again = raw.create(id, document(id, "2")).await?.status;
    let stands = text(&raw.read(id).await?);
    Ok(Seen::is_so(
        again == 409 && stands == "1",
        format!("a second time: {again}; what stands there is the {stands}. one"),
    ))
}

async fn compare_and_swap(raw: &Raw, id: &str) -> Result<Seen> {
    let first = made(raw, id).await?.etag();
    let replaced = raw.replace(id, document(id, "1"), &first).await?;
    let second = replaced.etag();
    let outdated = raw.replace(id, document(id, "3"), &first).await?.status;
    let nonsense = raw.replace(id, document(id, "4"), "\"none\"").await?.status;
    let read = raw.read(id).await?;
    let new = second != first && !second.is_empty();
    let is_so = replaced.status == 200
        && new
        && (outdated, nonsense) == (412, 412)
        && read.etag() == second
        && text(&read) == "1";
    let new = if new { "a new ETag" } else { "the same ETag" };
    let seen =
        format!("over its ETag: {}, {new}; over an older one: {outdated}; over nonsense: {nonsense}", replaced.status);
    Ok(Seen::is_so(is_so, seen))
}

async fn absent(raw: &Raw, id: &str) -> Result<Seen> {
    let read = raw.read(id).await?.status;
    let replaced = raw.replace(id, document(id, "1"), "\"none\"").await?.status;
    Ok(Seen::is_so((read, replaced) == (404, 404), format!("read: {read}; replaced over an ETag: {replaced}")))
}

async fn read_after_write(raw: &Raw, id: &str) -> Result<Seen> {
    const TIMES: usize = 20;
    let mut etag = made(raw, id).await?.etag();
    for number in 1..=TIMES {
        let expected = number.to_string();
        etag = raw.replace(id, document(id, &expected), &etag).await?.etag();
        let read = raw.read(id).await?;
        if text(&read) != expected || read.etag() != etag {
            return Ok(Seen::differs(format!("read {number} shows an older version")));
        }
    }
    Ok(Seen::is_so(true, format!("{TIMES} of {TIMES} times")))
}

async fn own_ttl(raw: &Raw, id: &str) -> Result<Seen> {
    let container = raw.container().await?;
    if container.status != 200 {
        return Ok(Seen::not_checked("this identity may not read the container's properties"));
    }
    let counts = container.json().get("defaultTtl").is_some_and(|ttl| !ttl.is_null());
    let mut short = document(id, "1");
    short["ttl"] = json!(TTL);
    let made = raw.create(id, short).await?;
    if made.status != 201 {
        return Ok(Seen::differs(format!("a document with a time-to-live: {}", made.status)));
    }
    tokio::time::sleep(OUTLIVED).await;
    let there = raw.read(id).await?.status == 200;
    let container = if counts { "the container has one" } else { "the container has none" };
    let outlived = if there { "is still there" } else { "is gone" };
    let seen = format!("{container}; a document with ttl {TTL} {outlived} after {} s", OUTLIVED.as_secs());
    Ok(Seen::is_so(there != counts, seen))
}

async fn timestamp(raw: &Raw, id: &str) -> Result<Seen> {
    let made = made(raw, id).await?;
    let Some(ts) = made.json().get("_ts").and_then(Value::as_i64) else {
        return Ok(Seen::differs("no _ts, or none in whole seconds"));
    };
    match parse_rfc7231(made.header("date")) {
        Ok(date) => {
            let apart = date.unix_timestamp() - ts;
            Ok(Seen::is_so(apart.abs() <= 2, format!("{apart} s before the answer's Date")))
        }
        Err(_) => Ok(Seen::not_checked("whole seconds; the answer has no Date to compare them with")),
    }
}

async fn batch(raw: &Raw, id: &str) -> Result<Seen> {
    let etag = made(raw, id).await?.etag();
    let failing = json!([
        { "operationType": "Replace", "id": id, "resourceBody": document(id, "2"), "ifMatch": etag },
        { "operationType": "Replace", "id": id, "resourceBody": document(id, "3"), "ifMatch": "\"none\"" },
    ]);
    let refused = raw.batch(id, failing).await?;
    let codes = |answer: &Answer| {
        let outcomes = answer.json();
        let outcomes = outcomes.as_array().into_iter().flatten();
        outcomes.filter_map(|outcome| outcome.get("statusCode").and_then(Value::as_u64)).collect::<Vec<_>>()
    };
    let (outcomes, stands) = (codes(&refused), text(&raw.read(id).await?));
    let carried_out = raw
        .batch(
            id,
            json!([{ "operationType": "Replace", "id": id, "resourceBody": document(id, "2"), "ifMatch": etag }]),
        )
        .await?;
    let then = text(&raw.read(id).await?);
    let is_so = outcomes == [424, 412] && stands == "1" && codes(&carried_out) == [200] && then == "2";
    let seen = format!(
        "with an outdated second operation: {} {outcomes:?}, what stands there is {stands}; without: {} {:?}, then {then}",
        refused.status,
        carried_out.status,
        codes(&carried_out)
    );
    Ok(Seen::is_so(is_so, seen))
}

/// The longest id that there may be, and one that is longer, beginning with this one.
pub(super) fn long_ids(id: &str) -> [String; 2] {
    [1_023, 1_024].map(|length: usize| format!("{id}{}", "x".repeat(length.saturating_sub(id.len()))))
}

async fn longest_id(raw: &Raw, id: &str) -> Result<Seen> {
    let [longest, too_long] = long_ids(id);
    let fits = raw.create(&longest, document(&longest, "1")).await?.status;
    let over = raw.create(&too_long, document(&too_long, "1")).await?.status;
    Ok(Seen::is_so((fits, over) == (201, 400), format!("1,023 bytes: {fits}; 1,024: {over}")))
}

async fn charge(raw: &Raw, id: &str) -> Result<Seen> {
    let etag = made(raw, id).await?.etag();
    let (read, replaced) = (raw.read(id).await?, raw.replace(id, document(id, "2"), &etag).await?);
    Ok(match (read.charge(), replaced.charge()) {
        (Some(look), Some(renewal)) => {
            Seen::is_so(look <= 2.0 && (5.0..=15.0).contains(&renewal), format!("look {look}, renewal {renewal}"))
        }
        _ => Seen::not_checked("the answers tell no charge"),
    })
}
