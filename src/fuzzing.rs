//! The laws of what is private, for the targets in `fuzz`. There is none of it without `--cfg fuzzing`.

#![allow(missing_docs)]

use std::collections::HashMap;

use azure_core::error::ErrorKind as SdkKind;

use crate::blob::{laws as blob, writer::laws as blob_writer};
use crate::cosmos::{account::laws as account, laws as cosmos, writer::laws as partition};
use crate::laws::texts;

/// The parts of the input: text, one part a line.
fn lines(data: &[u8]) -> Vec<String> {
    String::from_utf8_lossy(data).split('\n').map(str::to_owned).collect()
}

/// Lines of `name=value`.
pub fn blob_record(data: &[u8]) {
    let pairs = lines(data).into_iter();
    let pairs = pairs.filter_map(|line| line.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned())));
    blob::metadata(&pairs.collect::<HashMap<_, _>>());
}

pub fn cosmos_document(data: &[u8]) {
    if let Ok(document) = serde_json::from_slice(data) {
        cosmos::document(document);
    }
}

pub fn cosmos_account(data: &[u8]) {
    account::properties(data);
}

pub fn fence_document(data: &[u8]) {
    if let Ok(document) = serde_json::from_slice(data) {
        partition::document(document);
    }
}

pub fn blob_tag(data: &[u8]) {
    blob_writer::tag(&String::from_utf8_lossy(data));
}

/// The URL and, from the second line on, the blob's name.
pub fn container_url(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (url, name) = text.split_once('\n').unwrap_or((&text, "nightly"));
    blob::address(url, name);
}

/// The endpoint and the names of database, container and election.
pub fn endpoint(data: &[u8]) {
    let lines = lines(data);
    let line = |number: usize, default| lines.get(number).map_or(default, String::as_str);
    cosmos::address(line(0, ""), line(1, "workers"), line(2, "leaders"), line(3, "nightly"));
}

pub fn error_text(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    texts::scrub(&text);
    if !text.contains(crate::laws::CANARY) {
        blob::silence(SdkKind::Io, &text);
        blob::silence(SdkKind::Connection, &text);
        cosmos::silence(400, &text);
    }
}

/// Two bytes of status, then lines: the code, the request id, the time to wait.
pub fn answers(data: &[u8]) {
    let Some((status, rest)) = data.split_first_chunk::<2>() else { return };
    let status = 100 + u16::from_be_bytes(*status) % 500;
    let lines = lines(rest);
    let part = |number: usize| lines.get(number).cloned().unwrap_or_default();
    let headers = [("x-ms-request-id", part(1)), ("retry-after", part(2))];
    blob::answer(status, lines.first().map(String::as_str), &headers);
    blob_writer::answer(status, lines.first().map(String::as_str), &headers);
    cosmos::answer(status, part(1).parse().ok(), part(2).parse().ok().map(std::time::Duration::from_millis));
}
