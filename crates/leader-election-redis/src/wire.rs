//! What is written on the server, and how: one string for each record, changed by scripts.
//!
//! All keys of a prefix have one hash tag, so a script may touch a record and the list of elections on any clustered server.
//!
//! Each script begins with `#!lua` (Redis 7.0): without that line a replica would run one whose branch only reads, and a renewal that was sent
//! to a replica which is behind would be told that the record is gone. None has the flag `no-writes`, for the same reason.
//!
//! A record is read together with the SHA-1 of its text, and replaced only if the text still has it. So an edit by hand is noticed
//! as well, and no version comes again, as each write bears a number of its own. `allow-oom`: a renewal takes no more memory than the record has, and
//! a leader must be able to renew and to release when others have filled the server.

use std::time::Duration;

use leader_election::document::json::MAX_BYTES;
use leader_election::kit::untrusted::millis;
use leader_election::{Error, ErrorKind, Result, SideName, Version, Written};
use redis::Value;

/// `KEYS[1]`: a record. `ARGV[1]`: the most bytes that it may have. Its length, and then its text (nil if there is none), the text's
/// SHA-1, and the server's time in milliseconds.
pub(crate) const READ: &str = r"#!lua flags=allow-oom
local length = redis.call('STRLEN', KEYS[1])
if length > tonumber(ARGV[1]) then return {length} end
local text = redis.call('GET', KEYS[1])
local time = redis.call('TIME')
return {length, text, text and redis.sha1hex(text) or '', time[1] * 1000 + math.floor(time[2] / 1000)}";

/// `KEYS[1]`: a record. `KEYS[2]`: the list of elections, if the record is one's. `ARGV`: its text, the election's name, and how old the server has to be
/// in milliseconds (0: it does not matter). Its uptime is told in whole seconds, and up to one too high.
///
/// 0: there is one. 1: created, its SHA-1, whether the server's age was known. 2: too young; its age.
pub(crate) const CREATE: &str = r"#!lua
if redis.call('EXISTS', KEYS[1]) == 1 then return {0} end
local known = 1
if ARGV[3] ~= '0' then
  local info = redis.pcall('INFO', 'server')
  local up = type(info) == 'string' and tonumber(string.match(info, 'uptime_in_seconds:(%d+)'))
  if not up then known = 0 elseif up * 1000 < tonumber(ARGV[3]) then return {2, up} end
end
if KEYS[2] then redis.call('SADD', KEYS[2], ARGV[2]) end
redis.call('SET', KEYS[1], ARGV[1])
return {1, redis.sha1hex(ARGV[1]), known, 1}";

/// As [`CREATE`], over the text whose SHA-1 is `ARGV[4]`. 0: it is another one, or gone. `ARGV[5]`: `1` where that frees the lease, so
/// standbys are told; the last number of the answer says whether that went.
pub(crate) const REPLACE: &str = r"#!lua flags=allow-oom
if redis.call('STRLEN', KEYS[1]) > 65536 then return {0} end
local present = redis.call('GET', KEYS[1])
if not present or redis.sha1hex(present) ~= ARGV[4] then return {0} end
local known = 1
if ARGV[3] ~= '0' then
  local info = redis.pcall('INFO', 'server')
  local up = type(info) == 'string' and tonumber(string.match(info, 'uptime_in_seconds:(%d+)'))
  if not up then known = 0 elseif up * 1000 < tonumber(ARGV[3]) then return {2, up} end
end
if KEYS[2] then redis.call('SADD', KEYS[2], ARGV[2]) end
redis.call('SET', KEYS[1], ARGV[1])
local told = 1
if ARGV[5] == '1' then
  local sent = redis.pcall('PUBLISH', KEYS[1], 'free')
  if type(sent) == 'table' and sent['err'] then told = 0 end
end
return {1, redis.sha1hex(ARGV[1]), known, told}";

/// `KEYS[1]`: the list of elections. `ARGV[1]`: the most that are listed. The names, or how many there are where that is more.
pub(crate) const LIST: &str = r"#!lua flags=allow-oom
local count = redis.call('SCARD', KEYS[1])
if count > tonumber(ARGV[1]) then return count end
return redis.call('SMEMBERS', KEYS[1])";

/// The most bytes of an answer to [`READ`].
pub(crate) const READ_BYTES: usize = MAX_BYTES + 4_096;
/// The most bytes of an answer to a script that writes.
pub(crate) const WRITE_BYTES: usize = 4_096;

/// The keys of the elections of a prefix.
#[derive(Debug, Clone)]
pub(crate) struct Keys {
    prefix: String,
}

impl Keys {
    pub(crate) fn new(prefix: &str) -> Result<Self> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b':' | b'/');
        if !(1..=128).contains(&prefix.len()) || !prefix.bytes().all(allowed) {
            return Err(Error::setting(
                "the prefix of the keys must be 1 to 128 of the ASCII letters, digits, `.`, `-`, `_`, `:` and `/`",
            ));
        }
        Ok(Self { prefix: prefix.to_owned() })
    }

    /// Where the record is, and what is published when it is freed.
    pub(crate) fn record(&self, election: &str) -> String {
        format!("{{{}}}:{election}", self.prefix)
    }

    pub(crate) fn side(&self, election: &str, name: SideName) -> String {
        format!("{{{}}}:{election}.{name}", self.prefix)
    }

    /// The names of all elections: there is no other way to list them that does not go over all keys of the database.
    pub(crate) fn elections(&self) -> String {
        format!("{{{}}}.elections", self.prefix)
    }
}

pub(crate) fn check_election(election: &str) -> Result<()> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    if !(1..=128).contains(&election.len()) || !election.bytes().all(allowed) || election.starts_with('.') {
        return Err(Error::setting(
            "the election name must be 1 to 128 of the ASCII letters, digits, `.`, `-` and `_`, and not begin with a dot",
        ));
    }
    SideName::check_election(election)
}

/// What [`READ`] has answered.
pub(crate) enum Read {
    Absent,
    Found { text: Vec<u8>, version: Version, server_ms: Option<u64> },
    TooLong,
}

impl Read {
    /// `None` when it is no such answer.
    pub(crate) fn of(answer: &Value) -> Option<Self> {
        let Value::Array(parts) = answer else { return None };
        match &parts[..] {
            [Value::Int(_)] => Some(Self::TooLong),
            [Value::Int(_), Value::Nil, ..] => Some(Self::Absent),
            [Value::Int(_), Value::BulkString(text), Value::BulkString(version), Value::Int(ms)] => {
                let version = Version::new(std::str::from_utf8(version).ok()?).ok()?;
                let server_ms = u64::try_from(*ms).ok().filter(|ms| *ms > 0);
                Some(Self::Found { text: text.clone(), version, server_ms })
            }
            _ => None,
        }
    }
}

/// What [`CREATE`] or [`REPLACE`] has answered.
pub(crate) struct Wrote {
    pub(crate) written: Written,
    /// Whether the server told how long it has been up.
    pub(crate) age_known: bool,
    /// Whether standbys were told, where they had to be.
    pub(crate) told: bool,
}

impl Wrote {
    /// `None` when it is no such answer.
    pub(crate) fn of(answer: &Value, least_ms: u64, what: &dyn std::fmt::Display) -> Option<Result<Self>> {
        let Value::Array(parts) = answer else { return None };
        match &parts[..] {
            [Value::Int(0)] => Some(Ok(Self { written: Written::Conflict, age_known: true, told: true })),
            [Value::Int(1), Value::BulkString(version), Value::Int(known), Value::Int(told)] => {
                let version = Version::new(std::str::from_utf8(version).ok()?).ok()?;
                Some(Ok(Self { written: Written::Done(version), age_known: *known != 0, told: *told != 0 }))
            }
            [Value::Int(2), Value::Int(up)] => Some(Err(Error::new(
                ErrorKind::Unavailable,
                format!(
                    "YOUNG: {what} is not granted yet, as the server has been up for {up} s only and may have lost the record of a leader \
                     that still leads; that is over when it has been up for {} s",
                    least_ms.div_ceil(1_000)
                ),
            ))),
            _ => None,
        }
    }
}

/// In milliseconds, how old a server has to be to grant a lease: no lease that was granted before it started still runs then.
pub(crate) fn least_age_ms(longest_lease: Duration) -> u64 {
    millis(longest_lease).saturating_add(1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_prefixes_that_could_leave_their_hash_tag_are_refused() {
        for name in ["", ".a", "a{b", "a}b", "a b", "a\nb", "größe", "a:b", "a.wish", &"x".repeat(129)] {
            assert!(check_election(name).is_err(), "{name:?}");
        }
        for prefix in ["", "a{", "}", "a b", &"x".repeat(129)] {
            assert!(Keys::new(prefix).is_err(), "{prefix:?}");
        }
        let keys = Keys::new("leader-election").expect("valid");
        assert_eq!(keys.record("nightly"), "{leader-election}:nightly");
        assert_eq!(keys.side("nightly", SideName::new("wish").expect("valid")), "{leader-election}:nightly.wish");
        assert_ne!(keys.elections(), keys.record("elections"));
    }

    #[test]
    fn an_answer_of_another_form_is_none() {
        for answer in [
            Value::Nil,
            Value::Okay,
            Value::Array(vec![]),
            Value::Array(vec![Value::Int(3), Value::BulkString(b"abc".to_vec())]),
            Value::Array(vec![
                Value::Int(1),
                Value::BulkString(vec![0xff]),
                Value::BulkString(vec![0xff]),
                Value::Int(1),
            ]),
            Value::Array(vec![
                Value::Int(1),
                Value::BulkString(b"x".to_vec()),
                Value::BulkString(vec![]),
                Value::Int(1),
            ]),
        ] {
            assert!(Read::of(&answer).is_none(), "{answer:?}");
            assert!(Wrote::of(&answer, 0, &"it").is_none(), "{answer:?}");
        }
    }
}
