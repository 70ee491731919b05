//! What the leaders' tasks write to: one resource that refuses older tokens, and one that takes all.

use leader_election::FencingToken;

#[derive(Debug, Default)]
pub struct Resources {
    fenced: Fenced,
    unfenced: u64,
}

/// It remembers the highest token it was shown, be it for reading or for writing, and refuses lower ones.
#[derive(Debug, Default)]
struct Fenced {
    highest: Option<FencingToken>,
    version: u64,
}

/// What a task read, and bases its write on.
#[derive(Debug, Clone, Copy)]
pub struct Read {
    pub fenced: Option<u64>,
    pub unfenced: u64,
}

/// What became of a write that was based on a read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Accepted,
    Refused,
    /// Somebody has written since the read, and is overwritten.
    AcceptedStale,
}

impl Resources {
    pub fn read(&mut self, token: FencingToken) -> Read {
        let fenced = self.fenced.lets_in(token).then_some(self.fenced.version);
        Read { fenced, unfenced: self.unfenced }
    }

    pub fn write_fenced(&mut self, token: FencingToken, read: Read) -> Outcome {
        let Some(version) = read.fenced.filter(|_| self.fenced.lets_in(token)) else { return Outcome::Refused };
        self.fenced.version += 1;
        if version + 1 == self.fenced.version { Outcome::Accepted } else { Outcome::AcceptedStale }
    }

    pub fn write_unfenced(&mut self, read: Read) -> Outcome {
        self.unfenced += 1;
        if read.unfenced + 1 == self.unfenced { Outcome::Accepted } else { Outcome::AcceptedStale }
    }
}

impl Fenced {
    fn lets_in(&mut self, token: FencingToken) -> bool {
        let lets_in = self.highest.is_none_or(|highest| token >= highest);
        self.highest = self.highest.max(Some(token));
        lets_in
    }
}
