//! What the service did to the register, as the ways between it and the workers saw it.
//!
//! A worker does not know what became of a write that it gave up, and knows nothing of one that arrived a second time.

use std::time::Instant;

use hyper::Method;
use serde_json::Value;

use crate::proxy::Carried;

/// A request to write to the register, or to raise its fence, that reached the service.
#[derive(Debug, Clone)]
pub struct Write {
    /// The service dealt with it between these two.
    pub sent: Instant,
    pub answered: Instant,
    /// Of the leader that sent it.
    pub token: u64,
    /// All that is to stand in the register, the new write last; nothing if it only raises the fence.
    pub list: Vec<String>,
    pub reply: Reply,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply {
    Accepted,
    /// A condition did not hold.
    Refused,
    /// Neither.
    Failed,
}

impl Write {
    /// `None` for what is no write to a register.
    pub fn of(request: &Carried) -> Option<Self> {
        if request.method == Method::GET || request.method == Method::HEAD {
            return None;
        }
        let path = request.uri.path();
        let (token, list) = if path.contains("/register-") {
            to_blob(request)
        } else if path.contains("/colls/registers/docs") {
            to_documents(request)
        } else {
            return None;
        };
        let token = list.last().map(|id| token_of(id)).or(token);
        let token = token.unwrap_or_else(|| panic!("a write to the register by nobody: {request:?}"));
        Some(Self { sent: request.sent, answered: request.answered, token, list, reply: reply(request) })
    }

    /// The write that it adds to the register, if it adds one.
    pub fn id(&self) -> Option<&str> {
        self.list.last().map(String::as_str)
    }
}

/// The token in a write's name: holder, token and number.
pub fn token_of(id: &str) -> u64 {
    part(id, 1)
}

/// The number in a write's name. A leader's writes rise.
pub fn number_of(id: &str) -> u64 {
    part(id, 0)
}

fn part(id: &str, from_the_end: usize) -> u64 {
    let number = id.rsplit('/').nth(from_the_end).and_then(|number| number.parse().ok());
    number.unwrap_or_else(|| panic!("not holder/token/number: {id:?}"))
}

/// The content is the list; an empty one, or a change of the tags alone, raises the fence.
fn to_blob(request: &Carried) -> (Option<u64>, Vec<String>) {
    let body = std::str::from_utf8(&request.body).unwrap_or_default();
    let only_tags = request.uri.query().is_some_and(|query| query.contains("comp=tags"));
    let list = if only_tags || body.is_empty() { vec![] } else { serde_json::from_str(body).expect("a list") };
    let token = request.tags.as_deref().and_then(fence).or_else(|| fence(body));
    (token, list)
}

/// The token of a blob's fence, in a text that has it: 20 digits, a hyphen, and the number of the write.
fn fence(text: &str) -> Option<u64> {
    let words = text.split(|letter: char| !letter.is_ascii_digit() && letter != '-');
    words.filter_map(|word| word.split_once('-')).find(|(token, _)| token.len() == 20)?.0.parse().ok()
}

/// A document, or a batch of them, of which the first is the fence.
fn to_documents(request: &Carried) -> (Option<u64>, Vec<String>) {
    let body: Value = serde_json::from_slice(&request.body).expect("JSON");
    let documents: Vec<_> = match &body {
        Value::Array(batch) => batch.iter().map(|operation| &operation["resourceBody"]).collect(),
        document => vec![document],
    };
    let token = documents.iter().find_map(|document| document["token"].as_u64());
    // The fence document has `writes` too, which are numbers of batches.
    let register = documents.iter().find(|document| document["token"].is_null());
    let list = register.map(|register| serde_json::from_value(register["writes"].clone()).expect("a list"));
    (token, list.unwrap_or_default())
}

fn reply(request: &Carried) -> Reply {
    match request.status.as_u16() {
        // A batch of which some operation failed; then none is carried out.
        207 | 404 | 409 | 412 => Reply::Refused,
        200..=299 => Reply::Accepted,
        _ => Reply::Failed,
    }
}
