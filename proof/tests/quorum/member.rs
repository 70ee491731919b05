//! A member: it keeps the port's contract to the letter and grants nothing beyond it.

use leader_election::{FencingToken, Version};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    Lease,
    Document,
}

/// One candidacy at the members.
pub type Claim = u8;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Record {
    pub claim: Claim,
    pub token: u64,
    /// When it runs out; `None` once released.
    pub until: Option<u8>,
    pub version: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Member {
    pub kind: Kind,
    pub record: Option<Record>,
    /// The record before the latest write.
    pub older: Option<Record>,
    /// It never gives a version twice.
    writes: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum What {
    Look,
    Acquire { floor: Option<u64>, lapsed: Option<u8> },
    Renew,
    Release,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said {
    Seen { held: bool, token: Option<u64>, version: Option<u8> },
    Granted(u64),
    Refused { version: Option<u8> },
    Renewed,
    Lost,
    Released,
}

impl Member {
    pub fn new(kind: Kind) -> Self {
        Self { kind, record: None, older: None, writes: 0 }
    }

    /// Carries out a request that arrives now.
    pub fn serve(&mut self, now: u8, lease: u8, claim: Claim, what: What) -> Said {
        let shown = self.record.map(|record| record.version).filter(|_| self.kind == Kind::Document);
        let own = self.record.filter(|record| record.claim == claim && record.until.is_some());
        match what {
            What::Look => {
                Said::Seen { held: self.is_held(now), token: self.record.map(|record| record.token), version: shown }
            }
            What::Acquire { floor, lapsed } => {
                let may_replace = self.kind == Kind::Document && lapsed.is_some() && lapsed == shown;
                if self.is_held(now) && own.is_none() && !may_replace {
                    return Said::Refused { version: shown };
                }
                let stored = self.record.map(|record| record.token);
                let kept = own.map(|own| own.token).filter(|token| floor.is_none_or(|floor| *token > floor));
                let token = kept.unwrap_or_else(|| stored.max(floor).map_or(1, |last| last + 1));
                self.put(Record { claim, token, until: Some(now + lease), version: 0 });
                Said::Granted(token)
            }
            What::Renew => match own {
                Some(own) => {
                    self.put(Record { until: Some(now + lease), ..own });
                    Said::Renewed
                }
                None => Said::Lost,
            },
            What::Release => {
                if let Some(own) = own {
                    self.put(Record { until: None, ..own });
                }
                Said::Released
            }
        }
    }

    pub fn is_held(&self, now: u8) -> bool {
        let until = self.record.and_then(|record| record.until);
        until.is_some_and(|until| self.kind == Kind::Document || now < until)
    }

    /// Two states that differ in no more than this are one. `asks`: somebody may still ask under the claim on record.
    pub fn forget_what_does_not_matter(&mut self, now: u8, asks: bool, rolls_back: bool) {
        let held = self.is_held(now);
        if let Some(record) = &mut self.record {
            if !asks {
                record.claim = 0;
                record.until = record.until.filter(|_| held);
            }
            if self.kind == Kind::Lease {
                record.version = 0;
            } else if !asks && held {
                record.until = Some(0);
            }
        }
        if self.kind == Kind::Lease {
            self.writes = 0;
        }
        if !rolls_back {
            self.older = None;
        }
    }

    pub fn forget(&mut self) {
        self.record = None;
    }

    pub fn roll_back(&mut self) {
        self.record = self.older.take();
    }

    fn put(&mut self, record: Record) {
        self.writes += 1;
        self.older = self.record.replace(Record { version: self.writes, ..record });
    }
}

pub fn token(number: u64) -> FencingToken {
    FencingToken::new(number).expect("in range")
}

pub fn version(number: u8) -> Version {
    Version::new(number.to_string()).expect("valid")
}
