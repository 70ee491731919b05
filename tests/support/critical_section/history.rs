//! The checker: it reads the whole history, and samples nothing.

use std::collections::HashMap;

use crate::support::worker::Line;

/// What the history shows.
#[derive(Debug, Default, Clone)]
pub struct Verdict {
    /// Writes that were accepted.
    pub accepted: usize,
    /// Of these, how many were accepted although the writer had not read another that was accepted before.
    pub stale_accepted: usize,
    /// Accepted writes that do not stand in the register at the end.
    pub lost: usize,
    /// Stale writes that the resource refused.
    pub fenced: usize,
    /// Writes of which their writer does not know whether they were carried out.
    pub unknown: usize,
}

impl std::ops::AddAssign for Verdict {
    fn add_assign(&mut self, other: Self) {
        self.accepted += other.accepted;
        self.stale_accepted += other.stale_accepted;
        self.lost += other.lost;
        self.fenced += other.fenced;
        self.unknown += other.unknown;
    }
}

/// Judges all that the workers said by what stands in the register at the end.
pub fn judge(history: &[Line], register: &[String]) -> Verdict {
    let mut began = HashMap::new();
    let mut verdict = Verdict::default();
    let mut followers: HashMap<&str, usize> = HashMap::new();
    for line in history.iter().filter(|line| line.text.contains(" thinking id=")) {
        began.insert(word(line, "id"), word(line, "after"));
    }
    for line in history {
        if line.text.contains(" accepted id=") {
            let id = word(line, "id");
            verdict.accepted += 1;
            verdict.lost += usize::from(!register.iter().any(|write| write == id));
            *followers.entry(began[id]).or_default() += 1;
        }
        verdict.fenced += usize::from(line.text.contains(" fenced id="));
        verdict.unknown += usize::from(line.text.contains(" unknown id="));
    }
    // Two that were both accepted after the same one: the later of them had not read the other.
    verdict.stale_accepted = followers.values().map(|followers| followers - 1).sum();

    assert!(register.iter().all(|write| began.contains_key(write.as_str())), "a write that nobody began: {register:?}");
    let mut highest = 0;
    for token in register.iter().map(|write| token(write)) {
        verdict.stale_accepted += usize::from(token < highest);
        highest = highest.max(token);
    }
    verdict
}

/// The word after `<name>=`.
pub fn word<'a>(line: &'a Line, name: &str) -> &'a str {
    let (_, rest) = line.text.split_once(&format!(" {name}=")).unwrap_or_else(|| panic!("no {name} in {line:?}"));
    rest.split(' ').next().unwrap_or_default()
}

/// Of a write's name: holder, token and number.
fn token(id: &str) -> u64 {
    id.rsplit('/').nth(1).and_then(|token| token.parse().ok()).expect("an id with a token")
}
