//! What goes wrong on the served side, at the test's will; all of it is off at first.

use std::collections::HashMap;
use std::sync::Mutex;

use tokio::sync::watch;

use super::Emulator;

impl Emulator {
    /// Applies every `n`th request for an item and closes its connection instead of answering; 0 ends it.
    pub fn lose_every_nth_response(&self, n: u64) {
        self.faults().lost.set(n, ());
    }

    /// Does so to the next `count` requests of this method, in upper case, for an item.
    pub fn lose_next_responses(&self, method: &str, count: u64) {
        self.faults().lost_next.lock().expect("not poisoned").insert(method.to_owned(), count);
    }

    /// Answers every `n`th request for an item with this status instead of applying it; 0 ends it.
    pub fn fail_every_nth(&self, status: u16, n: u64) {
        self.faults().failed.set(n, status);
    }

    /// Answers nothing more, also what is not for an item, as a machine that hangs: connections stay open.
    ///
    /// What arrives meanwhile is applied by [`Emulator::go_on`], late, even when the client has given up.
    pub fn hang(&self) {
        self.faults().hangs.send_replace(true);
    }

    pub fn go_on(&self) {
        self.faults().hangs.send_replace(false);
    }

    fn faults(&self) -> &Faults {
        &self.account.faults
    }
}

#[derive(Debug, Default)]
pub(super) struct Faults {
    hangs: watch::Sender<bool>,
    failed: EveryNth<u16>,
    lost: EveryNth<()>,
    lost_next: Mutex<HashMap<String, u64>>,
}

impl Faults {
    pub(super) async fn until_it_goes_on(&self) {
        // Fails only when the sender is gone, and this is it.
        let _ = self.hangs.subscribe().wait_for(|hangs| !hangs).await;
    }

    /// The status to answer the next request with, if it is to fail.
    pub(super) fn failure(&self) -> Option<u16> {
        self.failed.next()
    }

    /// Whether the response to the next request of this method gets lost.
    pub(super) fn loses(&self, method: &str) -> bool {
        let mut lost_next = self.lost_next.lock().expect("not poisoned");
        match lost_next.get_mut(method) {
            Some(left) if *left > 0 => {
                *left -= 1;
                true
            }
            _ => self.lost.next().is_some(),
        }
    }
}

/// Something that happens to each `n`th call.
#[derive(Debug, Default)]
struct EveryNth<T>(Mutex<Option<Period<T>>>);

#[derive(Debug)]
struct Period<T> {
    length: u64,
    passed: u64,
    what: T,
}

impl<T: Copy> EveryNth<T> {
    fn set(&self, n: u64, what: T) {
        *self.0.lock().expect("not poisoned") = (n > 0).then_some(Period { length: n, passed: 0, what });
    }

    fn next(&self) -> Option<T> {
        let mut period = self.0.lock().expect("not poisoned");
        let period = period.as_mut()?;
        period.passed += 1;
        period.passed.is_multiple_of(period.length).then_some(period.what)
    }
}
