//! What no table has.

use std::sync::Arc;

use super::calls::{self, acquire, head, put, set_metadata};
use super::raw::Raw;
use crate::check::{Ground, Seen, Step};
use leader_election::Result;

pub(super) fn steps(raw: &Arc<Raw>) -> Vec<Step> {
    let step = |number, says, act: fn(Arc<Raw>, String) -> Acting| {
        let raw = Arc::clone(raw);
        Step::new(number, says, move |ground: Ground| act(raw, ground.name(number)))
    };
    vec![
        step(
            "B28",
            "A look without the lease's id shows its state and kind, the metadata, the ETag and the service's time",
            |raw, blob| Box::pin(async move { look(&raw, &blob).await }),
        ),
        step("B29", "The metadata of a blob has 8 KiB at the most, and more is refused", |raw, blob| {
            Box::pin(async move { metadata(&raw, &blob).await })
        }),
        step("B30", "A blob that is deleted and created anew has another ETag than before", |raw, blob| {
            Box::pin(async move { anew(&raw, &blob).await })
        }),
    ]
}

type Acting = std::pin::Pin<Box<dyn Future<Output = Result<Seen>> + Send>>;

async fn look(raw: &Raw, blob: &str) -> Result<Seen> {
    raw.expect(blob, &put().with("x-ms-meta-leadercheck", "value")).await?;
    raw.expect(blob, &acquire(calls::A, "60")).await?;
    let seen = raw.expect(blob, &head()).await?;
    let metadata = seen.header("x-ms-meta-leadercheck") == "value";
    let lease = (seen.header("x-ms-lease-state"), seen.header("x-ms-lease-status"), seen.header("x-ms-lease-duration"));
    let missing = ["etag", "date", "last-modified"].into_iter().find(|name| seen.header(name).is_empty());
    let is_so = metadata && lease == ("leased", "locked", "fixed") && missing.is_none();
    let lacks = missing.map(|name| format!("; no {name}")).unwrap_or_default();
    let metadata = if metadata { "metadata" } else { "no metadata" };
    Ok(Seen::is_so(is_so, format!("{} {} {}, {metadata}{lacks}", lease.0, lease.1, lease.2)))
}

async fn metadata(raw: &Raw, blob: &str) -> Result<Seen> {
    raw.expect(blob, &put()).await?;
    // Names and values count. In several, as a single header may be bounded on the way.
    let with = |bytes: usize| {
        let rest = bytes - "teambilling".len() - 2 * 4_000 - "ab".len() - "c".len();
        let call = set_metadata().with("x-ms-meta-a", "x".repeat(4_000)).with("x-ms-meta-b", "x".repeat(4_000));
        call.with("x-ms-meta-c", "x".repeat(rest))
    };
    let fits = raw.send(blob, &with(8_192)).await?;
    let over = raw.send(blob, &with(8_193)).await?;
    let is_so = fits.is_success() && over.header("x-ms-error-code") == "MetadataTooLarge";
    let code = over.header("x-ms-error-code");
    Ok(Seen::is_so(is_so, format!("8,192 bytes: {}; 8,193: {} {code}", fits.status, over.status)))
}

async fn anew(raw: &Raw, blob: &str) -> Result<Seen> {
    let first = raw.expect(blob, &put()).await?;
    if raw.send(blob, &calls::delete()).await?.status == 403 {
        return Ok(Seen::not_checked("this identity or signature may not delete, which no election needs"));
    }
    let second = raw.expect(blob, &put()).await?;
    let is_so = !first.header("etag").is_empty() && first.header("etag") != second.header("etag");
    Ok(Seen::is_so(is_so, if is_so { "another one" } else { "the same one: a version comes a second time" }))
}
