//! The script of a fenced write, and what it answers.

use leader_election::{Error, ErrorKind, Result};
use redis::{Pipeline, Value};

use super::command::{KeyCommand, KeyReply};
use super::errors::RefusedCommand;
use super::fence::{Fence, Mark, Tag};

/// `KEYS[1]`: the fence; the others are those of the commands. `ARGV`: the token, the write's number, its mark, how many commands; then for each
/// how many words it has, and these.
///
/// 0: a newer write has been; the fence. 1: this very write was carried out before. 2: done; the replies. 3: the fence is none. 4: the command of
/// this index was refused; why. The fence is set before the commands run: whatever becomes of them, the number is used up. The mark of a write
/// that ended early has the index behind it, so that its repetition is not taken for one that was carried out whole.
pub(super) const WRITE: &str = r"#!lua
local fence = redis.call('GET', KEYS[1])
local marks, count = ARGV[3], 1
if fence then
  local token, number = string.match(fence, '^(%d+)-(%d+)-%x+')
  if not token or #token > 16 or #number > 16 or #fence > 1024 then return {3} end
  token, number = tonumber(token), tonumber(number)
  for mark in string.gmatch(fence, '%S+') do
    if mark == ARGV[3] then return {1} end
    if string.sub(mark, 1, #ARGV[3] + 1) == ARGV[3] .. '!' then
      return {4, tonumber(string.sub(mark, #ARGV[3] + 2)), 'ERR, and the answer that said why was lost'}
    end
    if count < 8 then
      marks = marks .. ' ' .. mark
      count = count + 1
    end
  end
  if token > tonumber(ARGV[1]) then return {0, fence} end
  if token == tonumber(ARGV[1]) and number >= tonumber(ARGV[2]) then return {0, fence} end
end
redis.call('SET', KEYS[1], marks)
local replies, at = {}, 5
for index = 1, tonumber(ARGV[4]) do
  local words = tonumber(ARGV[at])
  local reply = redis.pcall(unpack(ARGV, at + 1, at + words))
  if type(reply) == 'table' and reply['err'] then
    redis.call('SET', KEYS[1], ARGV[3] .. '!' .. (index - 1) .. string.sub(marks, #ARGV[3] + 1))
    return {4, index - 1, reply['err']}
  end
  replies[index] = reply
  at = at + words + 1
end
return {2, replies}";

pub(super) fn arguments(request: &mut Pipeline, fence: &str, mark: &Mark, commands: &[KeyCommand]) {
    let keys: Vec<&str> = commands.iter().flat_map(KeyCommand::keys).collect();
    request.arg(keys.len() + 1).arg(fence).arg(keys);
    request.arg(mark.token.get()).arg(mark.number).arg(mark.to_string()).arg(commands.len());
    for command in commands {
        request.arg(command.words().len());
        for word in command.words() {
            request.arg(word.as_slice());
        }
    }
}

pub(super) enum Answer {
    Done(Vec<KeyReply>),
    DoneBefore,
    /// The fence, where a write that is newer than this one has been.
    Newer(Fence),
    Refused(RefusedCommand),
}

impl Answer {
    /// `None` when it is no such answer.
    pub(super) fn of(answer: Value, tag: &Tag, place: &str) -> Option<Result<Self>> {
        let corrupt = || {
            let message = format!(
                "the fence of {place} is none; something else writes to {}. Nothing was changed: restore it, or delete it once no older \
                 leader runs",
                tag.fence()
            );
            Error::new(ErrorKind::CorruptRecord, message)
        };
        let Value::Array(mut parts) = answer else { return None };
        match &parts[..] {
            [Value::Int(0), Value::BulkString(fence)] => Some(Fence::read(fence).map(Self::Newer).ok_or_else(corrupt)),
            [Value::Int(1)] => Some(Ok(Self::DoneBefore)),
            [Value::Int(2), Value::Array(_)] => {
                let Some(Value::Array(replies)) = parts.pop() else { return None };
                Some(Ok(Self::Done(replies.into_iter().map(KeyReply::new).collect())))
            }
            [Value::Int(3)] => Some(Err(corrupt())),
            [Value::Int(4), Value::Int(index), Value::BulkString(why)] => {
                let index = usize::try_from(*index).ok()?;
                Some(Ok(Self::Refused(RefusedCommand::new(index, &String::from_utf8_lossy(why)))))
            }
            _ => None,
        }
    }
}
