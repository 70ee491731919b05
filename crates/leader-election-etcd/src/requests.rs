//! The requests of an election: read a key, change keys under a condition, list keys.

use std::time::Duration;

use leader_election::document::json::MAX_BYTES;
use leader_election::{Error, ErrorKind, Result};

use crate::connection::{Call, Connection, Patience};
use crate::wire::{self, Change, Compare, Outcome, Range};

/// An answer with one value of ours: in base64, with what is around it, and room for a value that is too long by far to be ours, so that it is
/// told as such.
pub(crate) const MOST: usize = 4 * MAX_BYTES;
/// The keys of a page of a list, and its bytes: a key has 1 KiB at the most where it is one of ours.
const PAGE: usize = 500;
const MOST_OF_PAGE: usize = 4 * 1024 * 1024;
/// More pages are not read.
const PAGES: usize = 40;
/// How long a list may take, all its requests together.
const LISTING: Duration = Duration::from_secs(30);

/// What stands at a key, and the revision of the whole store in which it stood there.
pub(crate) struct Seen {
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) revision: u64,
}

pub(crate) async fn read(connection: &Connection, key: &str, most: usize, patience: Patience) -> Result<Seen> {
    let call = Call {
        path: "kv/range",
        body: wire::range(key.as_bytes()),
        most,
        doing: format!("reading the key {key}"),
        patience,
    };
    let range: Range = connection.call(&call).await?;
    let value = range.kvs.into_iter().next().map(|kv| kv.value);
    Ok(Seen { value, revision: range.header.revision })
}

/// Makes all changes if the condition holds. The outcome is that of one of the requests: where several members were asked, the changes
/// were made by one of them at the most, and another one's outcome tells what it has left at the condition's key.
pub(crate) async fn change(
    connection: &Connection,
    compare: Compare<'_>,
    changes: &[Change],
    most: usize,
    patience: Patience,
) -> Result<Outcome> {
    let key = match &compare {
        Compare::Absent(key) | Compare::Value(key, _) => String::from_utf8_lossy(key).into_owned(),
    };
    let body = wire::txn(&compare, changes);
    connection.call(&Call { path: "kv/txn", body, most, doing: format!("writing the key {key}"), patience }).await
}

/// The names behind `prefix` of all keys that begin with it, in the order of their bytes; without those that are no text.
pub(crate) async fn names(connection: &Connection, prefix: &str) -> Result<Vec<String>> {
    tokio::time::timeout(LISTING, all_names(connection, prefix)).await.unwrap_or_else(|_| {
        Err(Error::new(ErrorKind::Timeout, format!("listing the keys of {prefix} in etcd took over {LISTING:?}")))
    })
}

async fn all_names(connection: &Connection, prefix: &str) -> Result<Vec<String>> {
    let mut names = Vec::new();
    let mut from = prefix.as_bytes().to_vec();
    for _ in 0..PAGES {
        let call = Call {
            path: "kv/range",
            body: wire::keys(&from, prefix.as_bytes(), PAGE),
            most: MOST_OF_PAGE,
            doing: format!("listing the keys of {prefix}"),
            patience: Patience::OF_A_LOOK,
        };
        let page: Range = connection.call(&call).await?;
        let last = page.kvs.last().map(|kv| kv.key.clone());
        names.extend(page.kvs.into_iter().filter_map(|kv| {
            let name = kv.key.strip_prefix(prefix.as_bytes())?;
            String::from_utf8(name.to_vec()).ok()
        }));
        let (Some(last), true) = (last, page.more) else { return Ok(names) };
        // The least key above it.
        from = last;
        from.push(0);
    }
    Err(Error::new(
        ErrorKind::Refused,
        format!(
            "more than 20,000 keys begin with {prefix} in etcd, and no more are listed: give the elections a prefix of their own"
        ),
    ))
}
