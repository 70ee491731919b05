//! What was worked, and under which token.

use std::collections::BTreeMap;
use std::time::Duration;

/// The steps of each term, by its token.
#[derive(Debug, Default)]
pub struct Ledger {
    terms: BTreeMap<u64, Term>,
}

#[derive(Debug)]
struct Term {
    first: Duration,
    last: Duration,
    steps: usize,
}

impl Ledger {
    /// Whether this was the first step of its term.
    pub fn note(&mut self, token: u64, at: Duration) -> bool {
        let term = self.terms.entry(token).or_insert(Term { first: at, last: at, steps: 0 });
        (term.first, term.last) = (term.first.min(at), term.last.max(at));
        term.steps += 1;
        term.steps == 1
    }

    pub fn latest(&self) -> Option<u64> {
        self.terms.last_key_value().map(|(token, _)| *token)
    }

    pub fn first_step(&self, token: u64) -> Duration {
        self.terms.get(&token).map_or(Duration::ZERO, |term| term.first)
    }

    pub fn last_step(&self, token: u64) -> Duration {
        self.terms.get(&token).map_or(Duration::ZERO, |term| term.last)
    }

    pub fn steps_of(&self, token: u64) -> usize {
        self.terms.get(&token).map_or(0, |term| term.steps)
    }

    pub fn steps(&self) -> usize {
        self.terms.values().map(|term| term.steps).sum()
    }

    /// How many terms still worked when the next one did already.
    pub fn overlaps(&self) -> usize {
        let all: Vec<_> = self.terms.values().collect();
        all.windows(2).filter(|pair| pair[0].last >= pair[1].first).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_that_work_at_once_are_counted() {
        let mut ledger = Ledger::default();
        for (token, at) in [(7, 1), (7, 2), (9, 3), (9, 5), (12, 4)] {
            ledger.note(token, Duration::from_secs(at));
        }
        assert_eq!((ledger.overlaps(), ledger.steps(), ledger.latest()), (1, 5, Some(12)));
    }
}
