//! Where the next block goes.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak};

use crate::blob::address::Address;
use leader_election::FencingToken;

/// The length of a log, once this leadership has read it. The holder of the lock appends.
///
/// One for all writers of the leadership. Were there two, a block that another one has appended at this very place could not be
/// told from the own block, whose answer was lost and whose repetition by the SDK was refused.
pub(super) type Tail = tokio::sync::Mutex<Option<u64>>;

type Tails = HashMap<(String, FencingToken), Weak<Tail>>;

/// A leadership belongs to one process, so its writers are all here.
static TAILS: LazyLock<Mutex<Tails>> = LazyLock::new(Mutex::default);

pub(super) fn of(address: &Address, token: FencingToken) -> Arc<Tail> {
    let mut tails = TAILS.lock().unwrap_or_else(PoisonError::into_inner);
    let key = (address.to_string(), token);
    if let Some(tail) = tails.get(&key).and_then(Weak::upgrade) {
        return tail;
    }
    // Those of leaderships that have ended.
    tails.retain(|_, tail| tail.strong_count() > 0);
    let tail = Arc::new(Tail::default());
    tails.insert(key, Arc::downgrade(&tail));
    tail
}
