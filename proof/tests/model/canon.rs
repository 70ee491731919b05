//! One digest for all states that behave alike.
//!
//! An election runs on absolute times, counts its attempts, and names its claims, tokens and versions. Of all that only
//! the differences matter. So its hash is read off word by word, and each word is replaced by what it means now:
//!
//! - an instant by its distance from the clock's present, and an old one by "long ago";
//! - the number of an attempt by how many came after it;
//! - a claim id by how many the same candidate has minted since;
//! - a token by its rank among all tokens that anything still knows;
//! - a record's version by whether it is the present one.
//!
//! The kinds are told apart by their ranges, which do not overlap, and a duration by the nanoseconds that follow its
//! seconds. That two states of one digest do behave alike is tested: see `states_of_one_digest_behave_alike`.

use std::hash::Hasher;
use std::time::Duration;

use leader_election::election::Moment;

use super::clock::ORIGIN;
use super::ids::ClaimNo;

/// Where tokens begin, as milliseconds since 1970 do.
pub const FIRST_TOKEN: u64 = 1 << 40;

/// What the words of one candidate are relative to.
#[derive(Clone, Copy)]
pub struct Frame<'a> {
    pub now: Moment,
    /// No instant further back than this makes a difference.
    pub memory: Duration,
    /// The attempts that were sent.
    pub sent: u64,
    /// The claim that was sent last.
    pub claim: u32,
    /// All tokens that anything knows, the highest first.
    pub tokens: &'a [u64],
    /// The version of the store's record.
    pub version: u32,
}

impl Frame<'_> {
    pub fn moment(&self, at: Moment) -> u64 {
        let (past, ahead) = (self.now.since(at), at.since(self.now));
        if past > self.memory { 0 } else { (ahead + self.memory - past).as_nanos() as u64 + 1 }
    }

    pub fn token(&self, token: u64) -> u64 {
        self.tokens.iter().position(|known| *known == token).map_or(token, |rank| rank as u64)
    }

    pub fn claim(&self, number: u32) -> u64 {
        u64::from(self.claim.wrapping_sub(number))
    }

    pub fn attempt(&self, number: u64) -> u64 {
        self.sent.wrapping_sub(number)
    }

    fn word(&self, word: u64) -> u64 {
        if word >= ORIGIN / 2 {
            self.moment(Moment::from_origin(Duration::from_nanos(word)))
        } else if word >= FIRST_TOKEN {
            self.token(word)
        } else {
            self.attempt(word)
        }
    }
}

/// Takes the hash of an election and yields its digest in a frame.
pub struct Reader<'a> {
    frame: Frame<'a>,
    /// A word of which it is not known yet whether nanoseconds follow.
    pending: Option<u64>,
    digest: Digest,
}

impl<'a> Reader<'a> {
    pub fn new(frame: Frame<'a>) -> Self {
        Self { frame, pending: None, digest: Digest::default() }
    }

    fn flush(&mut self) {
        if let Some(word) = self.pending.take() {
            self.digest.add(self.frame.word(word));
        }
    }

    pub fn digest(mut self) -> Digest {
        self.flush();
        self.digest
    }
}

impl Hasher for Reader<'_> {
    fn write(&mut self, bytes: &[u8]) {
        self.flush();
        if let Ok(id) = <[u8; 16]>::try_from(bytes) {
            self.digest.add(self.frame.claim(ClaimNo::from_bytes(id).number));
        } else if let Some(version) = version_of(bytes) {
            self.digest.add(u64::from(version == self.frame.version));
        } else {
            bytes.iter().for_each(|byte| self.digest.add(u64::from(*byte)));
        }
    }

    fn write_u8(&mut self, byte: u8) {
        self.flush();
        self.digest.add(u64::from(byte));
    }

    fn write_u32(&mut self, word: u32) {
        if let Some(seconds) = self.pending.take() {
            self.digest.add(seconds);
        }
        self.digest.add(u64::from(word));
    }

    fn write_u64(&mut self, word: u64) {
        self.flush();
        self.pending = Some(word);
    }

    fn write_usize(&mut self, word: usize) {
        self.flush();
        self.digest.add(word as u64);
    }

    fn write_isize(&mut self, word: isize) {
        self.flush();
        self.digest.add(word as u64);
    }

    fn finish(&self) -> u64 {
        self.digest.0
    }
}

/// How the model's store names its versions.
pub fn version_name(version: u32) -> String {
    format!("v{version}")
}

fn version_of(bytes: &[u8]) -> Option<u32> {
    std::str::from_utf8(bytes.strip_prefix(b"v")?).ok()?.parse().ok()
}

/// A sequence of words in 64 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Digest(pub u64);

impl Default for Digest {
    fn default() -> Self {
        Self(0x243f_6a88_85a3_08d3)
    }
}

impl Digest {
    pub fn add(&mut self, word: u64) {
        // A multiplication folded onto itself, as wyhash and ahash do it.
        let wide = u128::from(self.0.rotate_left(23) ^ word) * 0x9e37_79b9_7f4a_7c15;
        self.0 = (wide as u64) ^ ((wide >> 64) as u64);
    }
}
