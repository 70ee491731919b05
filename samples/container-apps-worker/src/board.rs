//! What the status page shows: the latest events, and where things stand.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use azure_leader_election::Leadership;

use crate::state::Checkpoint;

/// How many events are kept.
const KEPT: usize = 50;

/// Where the process is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Phase {
    Starting,
    Contending,
    /// It was told to end.
    Draining,
}

/// What happened, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub at: SystemTime,
    pub weight: Weight,
    pub what: String,
    pub detail: Option<String>,
    pub fencing_token: Option<u64>,
    /// How often in a row; `at` is the last time.
    pub times: u32,
}

/// How an event is to be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    Good,
    Plain,
    Bad,
}

/// Written to by the host's watcher and the leader's task, read by the status page.
#[derive(Debug, Default)]
pub struct Board {
    phase: AtomicU8,
    content: Mutex<Content>,
}

#[derive(Debug, Default)]
struct Content {
    /// The latest first.
    entries: VecDeque<Entry>,
    term: Option<Leadership>,
    checkpoint: Option<Checkpoint>,
}

impl Board {
    pub fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Acquire) {
            0 => Phase::Starting,
            1 => Phase::Contending,
            _ => Phase::Draining,
        }
    }

    pub fn enter(&self, phase: Phase) {
        // A signal can come before the host has begun.
        self.phase.fetch_max(phase as u8, Ordering::AcqRel);
    }

    pub fn note(&self, entry: Entry) {
        let mut content = self.content();
        match content.entries.front_mut() {
            Some(last) if last.is_again(&entry) => {
                last.times = last.times.saturating_add(1);
                last.at = entry.at;
            }
            _ => content.entries.push_front(entry),
        }
        content.entries.truncate(KEPT);
    }

    /// The latest first.
    pub fn entries(&self) -> Vec<Entry> {
        self.content().entries.iter().cloned().collect()
    }

    pub fn begin_term(&self, leader: Leadership) {
        self.content().term = Some(leader);
    }

    /// The last term, if there was one; it may have ended.
    pub fn last_term(&self) -> Option<Leadership> {
        self.content().term.clone()
    }

    pub fn step_done(&self, checkpoint: Checkpoint) {
        self.content().checkpoint = Some(checkpoint);
    }

    /// The last step that this worker has done.
    pub fn checkpoint(&self) -> Option<Checkpoint> {
        self.content().checkpoint.clone()
    }

    fn content(&self) -> MutexGuard<'_, Content> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    pub fn new(weight: Weight, what: impl Into<String>) -> Self {
        Self { at: SystemTime::now(), weight, what: what.into(), detail: None, fencing_token: None, times: 1 }
    }

    pub fn with_token(mut self, token: azure_leader_election::FencingToken) -> Self {
        self.fencing_token = Some(token.get());
        self
    }

    pub fn with_detail(mut self, detail: Option<String>) -> Self {
        self.detail = detail;
        self
    }

    fn is_again(&self, other: &Self) -> bool {
        let same = |entry: &Self| (entry.what.clone(), entry.detail.clone(), entry.fencing_token);
        same(self) == same(other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_repeats_is_counted_and_not_listed_again() {
        let board = Board::default();
        for _ in 0..3 {
            board.note(Entry::new(Weight::Bad, "acquire failed").with_detail(Some("no answer".to_owned())));
        }
        board.note(Entry::new(Weight::Bad, "acquire failed").with_detail(Some("HTTP 503".to_owned())));
        let times: Vec<_> = board.entries().iter().map(|entry| entry.times).collect();
        assert_eq!(times, [1, 3]);
    }

    #[test]
    fn only_so_many_events_are_kept_the_latest_first() {
        let board = Board::default();
        for number in 0..KEPT + 7 {
            board.note(Entry::new(Weight::Plain, number.to_string()));
        }
        let entries = board.entries();
        assert_eq!(entries.len(), KEPT);
        assert_eq!(entries[0].what, (KEPT + 6).to_string());
    }

    #[test]
    fn a_worker_that_was_told_to_end_does_not_begin_again() {
        let board = Board::default();
        board.enter(Phase::Contending);
        assert_eq!(board.phase(), Phase::Contending);
        board.enter(Phase::Draining);
        board.enter(Phase::Contending);
        assert_eq!(board.phase(), Phase::Draining);
    }
}
