//! List Blobs, flat, with metadata. See
//! [List Blobs](https://learn.microsoft.com/rest/api/storageservices/list-blobs).

use std::collections::BTreeMap;

use azure_core::time::{OffsetDateTime, to_rfc7231};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::blob::Blob;
use super::failure::{self, Failure};
use super::message::{Request, Response};

/// The most of a page, and what it has unless the request says otherwise.
const MOST: usize = 5_000;

const NOT_KNOWN_HERE: [&str; 3] = ["delimiter", "startfrom", "showonly"];

/// The names are in order; the marker is the name that the next page begins with.
pub fn answer(epoch: OffsetDateTime, blobs: &BTreeMap<String, Blob>, request: &Request) -> Result<Response, Failure> {
    let with_metadata = match request.query("include") {
        None => false,
        Some("metadata") => true,
        Some(_) => return Err(failure::NOT_IMPLEMENTED),
    };
    if NOT_KNOWN_HERE.iter().any(|name| request.query(name).is_some()) {
        return Err(failure::NOT_IMPLEMENTED);
    }
    let page = match request.query("maxresults").map(str::parse::<usize>) {
        None => MOST,
        Some(Ok(page @ 1..)) => page.min(MOST),
        Some(_) => return Err(failure::QUERY_OUT_OF_RANGE),
    };
    let prefix = request.query("prefix").unwrap_or_default();
    let from = request.query("marker").unwrap_or_default().to_owned();
    let mut listed = blobs.range(from..).filter(|(name, _)| name.starts_with(prefix));
    let items: String = listed.by_ref().take(page).map(|(name, blob)| item(epoch, name, blob, with_metadata)).collect();
    let next = listed.next().map_or(String::new(), |(name, _)| escaped(name));
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?><EnumerationResults ContainerName=\"{}\"><MaxResults>{page}</MaxResults>\
         <Blobs>{items}</Blobs><NextMarker>{next}</NextMarker></EnumerationResults>",
        request.container
    );
    Ok(Response { body: body.into_bytes(), ..Response::new(200).with("content-type", "application/xml") })
}

fn item(epoch: OffsetDateTime, name: &str, blob: &Blob, with_metadata: bool) -> String {
    let (state, status, duration) = blob.lease.shown();
    let duration = duration.map_or(String::new(), |duration| format!("<LeaseDuration>{duration}</LeaseDuration>"));
    let metadata = |(name, value): (&String, &String)| format!("<{name}>{}</{name}>", escaped(value));
    let metadata: String = blob.metadata().iter().map(metadata).collect();
    let metadata = if with_metadata { format!("<Metadata>{metadata}</Metadata>") } else { String::new() };
    format!(
        "<Blob>{}<Properties><Last-Modified>{}</Last-Modified><Etag>{}</Etag><Content-Length>{}</Content-Length>\
         <BlobType>{}</BlobType><LeaseStatus>{status}</LeaseStatus><LeaseState>{state}</LeaseState>{duration}</Properties>\
         {metadata}</Blob>",
        name_of(name),
        to_rfc7231(&(epoch + blob.modified())),
        blob.etag(),
        blob.content_length(),
        blob.kind(),
    )
}

/// What XML cannot hold is encoded, and said to be.
fn name_of(name: &str) -> String {
    if name.contains(['\u{fffe}', '\u{ffff}']) || name.chars().any(char::is_control) {
        return format!("<Name Encoded=\"true\">{}</Name>", utf8_percent_encode(name, NON_ALPHANUMERIC));
    }
    format!("<Name>{}</Name>", escaped(name))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
