//! Commands that run behind the fence, and what they answer.

use std::fmt;

use leader_election::{Error, Result};
use redis::Value;

use super::fence::Tag;

const COMMANDS: usize = 100;
/// Lua passes them on its stack.
const WORDS: usize = 1_000;
const BYTES: usize = 1024 * 1024;

/// A command of Redis's on keys of a [`FencedKeys`](super::FencedKeys). Words are sent as they are; `Debug` shows the command's name alone.
///
/// ```
/// use leader_election_redis::KeyCommand;
///
/// let command = KeyCommand::new("HSET").key("{billing}:totals").arg("contoso").arg("12");
/// assert_eq!(format!("{command:?}"), "KeyCommand(HSET)");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct KeyCommand {
    name: String,
    words: Vec<Vec<u8>>,
    keys: Vec<String>,
}

impl KeyCommand {
    /// A command of this name, such as `SET`: one that Redis allows in scripts.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        let name = name.into();
        Self { words: vec![name.clone().into_bytes()], name, keys: Vec::new() }
    }

    /// Adds a word that is a key.
    #[must_use]
    pub fn key(mut self, key: impl Into<String>) -> Self {
        let key = key.into();
        self.words.push(key.clone().into_bytes());
        self.keys.push(key);
        self
    }

    /// Adds a word that is none.
    #[must_use]
    pub fn arg(mut self, word: impl Into<Vec<u8>>) -> Self {
        self.words.push(word.into());
        self
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().map(String::as_str)
    }

    pub(super) fn words(&self) -> &[Vec<u8>] {
        &self.words
    }
}

impl fmt::Debug for KeyCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyCommand({})", leader_election::kit::redact::printable(&self.name))
    }
}

pub(super) fn check(commands: &[KeyCommand], tag: &Tag) -> Result<()> {
    if !(1..=COMMANDS).contains(&commands.len()) {
        return Err(Error::setting(format!("a fenced write has 1 to {COMMANDS} commands, not {}", commands.len())));
    }
    let mut bytes = 0_usize;
    for command in commands {
        if command.name.is_empty() || command.name.len() > 32 || !command.name.bytes().all(|b| b.is_ascii_alphabetic())
        {
            return Err(Error::setting("a command's name has 1 to 32 ASCII letters; all else is a key or an argument"));
        }
        if command.keys.is_empty() || !command.keys().all(|key| tag.is_of(key)) {
            return Err(Error::setting(format!(
                "each command behind the fence names at least one key, with `KeyCommand::key`, and none but those of the hash tag {tag}"
            )));
        }
        if command.words.len() > WORDS {
            return Err(Error::setting(format!("a command behind the fence has {WORDS} words at the most")));
        }
        bytes = command.words.iter().fold(bytes, |bytes, word| bytes.saturating_add(word.len()));
    }
    if bytes > BYTES {
        return Err(Error::setting("the commands of one fenced write have 1 MiB at the most, together"));
    }
    Ok(())
}

/// A write that was carried out. See [`FencedKeys::execute`](super::FencedKeys::execute).
///
/// ```
/// use leader_election_redis::CommittedCommands;
///
/// /// What `INCRBY` left, if the answer was not lost.
/// fn total(committed: &CommittedCommands) -> Option<i64> {
///     committed.replies.as_ref()?.first()?.integer()
/// }
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CommittedCommands {
    /// What the commands answered, in their order. `None` when the answer was lost and the fence shows that the write was
    /// carried out.
    pub replies: Option<Vec<KeyReply>>,
}

/// What one command answered. `Debug` does not show it.
///
/// ```
/// use leader_election_redis::KeyReply;
///
/// /// Whether a `SET ... NX` found a value already.
/// fn was_there(reply: &KeyReply) -> bool {
///     reply.is_nil()
/// }
/// ```
#[derive(Clone, PartialEq)]
pub struct KeyReply(Value);

impl KeyReply {
    pub(super) fn new(value: Value) -> Self {
        Self(value)
    }

    /// A whole number, as of `INCRBY`.
    #[must_use]
    pub fn integer(&self) -> Option<i64> {
        if let Value::Int(number) = self.0 { Some(number) } else { None }
    }

    /// Bytes, as of `GET`.
    #[must_use]
    pub fn bytes(&self) -> Option<&[u8]> {
        if let Value::BulkString(bytes) = &self.0 { Some(bytes) } else { None }
    }

    /// Nothing, as of `GET` of an absent key.
    #[must_use]
    pub fn is_nil(&self) -> bool {
        self.0 == Value::Nil
    }

    /// Several replies, as of `HMGET`; else none.
    #[must_use]
    pub fn items(&self) -> Vec<Self> {
        if let Value::Array(items) = &self.0 { items.iter().cloned().map(Self).collect() } else { Vec::new() }
    }
}

impl fmt::Debug for KeyReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyReply").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_leave_the_fence_is_refused_before_it_is_sent() {
        let tag = Tag::new("billing").expect("valid");
        let set = || KeyCommand::new("SET").key("{billing}:a").arg("1");
        check(&[set()], &tag).expect("valid");
        for commands in [
            vec![],
            vec![set(); 101],
            vec![KeyCommand::new("FLUSHALL")],
            vec![KeyCommand::new("SET").arg("{billing}:a").arg("1")],
            vec![set().key("{other}:a")],
            vec![KeyCommand::new("SET").key("{billing}:leader-fence").arg("1")],
            vec![KeyCommand::new("SET key").key("{billing}:a")],
            vec![KeyCommand::new("").key("{billing}:a")],
            vec![KeyCommand::new("DEL").key("{billing}:a").arg(vec![0; BYTES])],
            vec![(0..1_000).fold(KeyCommand::new("DEL").key("{billing}:a"), |command, _| command.arg("x"))],
        ] {
            assert!(check(&commands, &tag).is_err(), "{commands:?}");
        }
    }
}
