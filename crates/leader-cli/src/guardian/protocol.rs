//! What the leader and the guardian tell each other: a line each.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// From the leader to the guardian. Instants are of [the clock](crate::clock) that both share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// The lease allows to go on: SIGTERM is due at the one instant, SIGKILL at the other, unless a later order says otherwise.
    Hold { terminate_at: Duration, kill_at: Duration },
    /// Send this signal, which asks to end; SIGKILL is due at that instant even if the lease allows more.
    Stop { signal: i32, kill_by: Duration },
    /// Send this signal.
    Signal(i32),
    /// SIGKILL now.
    Kill,
}

/// From the guardian to the leader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Report {
    /// The command runs, as the head of a process group of its own.
    Started { process: i32 },
    /// It could not be started; the exit code to say so with, and why.
    NotStarted { code: u8, why: String },
    /// The command has got the signal that asks it to end, by now or before.
    Told,
    /// A process of the command runs as another user, and so did not get this signal, or would get none.
    Foreign { process: i32, signal: Option<i32>, user: String },
    /// Nothing of it runs any more.
    Gone { end: End, manner: Manner },
}

/// Why the command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// By itself.
    Itself,
    /// It was told to.
    Told,
    /// It was killed.
    Killed,
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    Code(u8),
    Signal(i32),
}

impl End {
    /// The exit code by which a shell would tell.
    pub fn code(self) -> u8 {
        match self {
            Self::Code(code) => code,
            Self::Signal(signal) => u8::try_from(128 + signal).unwrap_or(u8::MAX),
        }
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit code {code}"),
            Self::Signal(signal) => match nix::sys::signal::Signal::try_from(*signal) {
                Ok(signal) => write!(f, "{signal}"),
                Err(_) => write!(f, "signal {signal}"),
            },
        }
    }
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hold { terminate_at, kill_at } => {
                writeln!(f, "hold {} {}", terminate_at.as_nanos(), kill_at.as_nanos())
            }
            Self::Stop { signal, kill_by } => writeln!(f, "stop {signal} {}", kill_by.as_nanos()),
            Self::Signal(signal) => writeln!(f, "signal {signal}"),
            Self::Kill => writeln!(f, "kill"),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Started { process } => writeln!(f, "started {process}"),
            Self::NotStarted { code, why } => writeln!(f, "not-started {code} {}", why.replace('\n', " ")),
            Self::Told => writeln!(f, "told"),
            Self::Foreign { process, signal, user } => {
                writeln!(f, "foreign {process} {} {user}", signal.unwrap_or_default())
            }
            Self::Gone { end: End::Code(code), manner } => writeln!(f, "gone code {code} {manner}"),
            Self::Gone { end: End::Signal(signal), manner } => writeln!(f, "gone signal {signal} {manner}"),
        }
    }
}

impl fmt::Display for Manner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Itself => "by-itself",
            Self::Told => "told",
            Self::Killed => "killed",
        })
    }
}

impl FromStr for Manner {
    type Err = Unreadable;

    fn from_str(word: &str) -> Result<Self, Unreadable> {
        let all = [Self::Itself, Self::Told, Self::Killed];
        all.into_iter().find(|manner| manner.to_string() == word).ok_or(Unreadable)
    }
}

/// A line that is none of ours.
#[derive(Debug, PartialEq, Eq)]
pub struct Unreadable;

impl FromStr for Order {
    type Err = Unreadable;

    fn from_str(line: &str) -> Result<Self, Unreadable> {
        let words: Vec<_> = line.split_whitespace().collect();
        match words[..] {
            ["hold", terminate_at, kill_at] => {
                Ok(Self::Hold { terminate_at: instant(terminate_at)?, kill_at: instant(kill_at)? })
            }
            ["stop", signal, kill_by] => Ok(Self::Stop { signal: number(signal)?, kill_by: instant(kill_by)? }),
            ["signal", signal] => number(signal).map(Self::Signal),
            ["kill"] => Ok(Self::Kill),
            _ => Err(Unreadable),
        }
    }
}

impl FromStr for Report {
    type Err = Unreadable;

    fn from_str(line: &str) -> Result<Self, Unreadable> {
        if let Some((code, why)) = line.strip_prefix("not-started ").and_then(|rest| rest.split_once(' ')) {
            return Ok(Self::NotStarted { code: number(code)?, why: why.to_owned() });
        }
        if let Some((process, rest)) = line.strip_prefix("foreign ").and_then(|rest| rest.split_once(' ')) {
            let (signal, user) = rest.split_once(' ').ok_or(Unreadable)?;
            let signal = Some(number(signal)?).filter(|signal| *signal != 0);
            return Ok(Self::Foreign { process: number(process)?, signal, user: user.to_owned() });
        }
        let words: Vec<_> = line.split_whitespace().collect();
        match words[..] {
            ["told"] => Ok(Self::Told),
            ["started", process] => Ok(Self::Started { process: number(process)? }),
            ["gone", "code", code, manner] => Ok(Self::Gone { end: End::Code(number(code)?), manner: manner.parse()? }),
            ["gone", "signal", signal, manner] => {
                Ok(Self::Gone { end: End::Signal(number(signal)?), manner: manner.parse()? })
            }
            _ => Err(Unreadable),
        }
    }
}

fn number<T: FromStr>(word: &str) -> Result<T, Unreadable> {
    word.parse().map_err(|_| Unreadable)
}

fn instant(word: &str) -> Result<Duration, Unreadable> {
    number(word).map(Duration::from_nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let (soon, later) = (Duration::from_nanos(7), Duration::from_secs(1 << 30));
        for order in [
            Order::Hold { terminate_at: soon, kill_at: later },
            Order::Stop { signal: 15, kill_by: later },
            Order::Signal(10),
            Order::Kill,
        ] {
            assert_eq!(order.to_string().trim_end().parse(), Ok(order));
        }
        for report in [
            Report::Started { process: 4711 },
            Report::NotStarted { code: 127, why: "no such file: two words".to_owned() },
            Report::Foreign { process: 4711, signal: Some(15), user: "user 1000".to_owned() },
            Report::Foreign { process: 4711, signal: None, user: "root".to_owned() },
            Report::Told,
            Report::Gone { end: End::Code(3), manner: Manner::Itself },
            Report::Gone { end: End::Signal(9), manner: Manner::Killed },
        ] {
            assert_eq!(report.to_string().trim_end().parse(), Ok(report));
        }
    }

    #[test]
    fn what_is_not_whole_is_refused() {
        for line in ["", "hold 1", "hold -1 2", "hold x 2", "stop 15", "kill now", "signal"] {
            assert_eq!(line.parse::<Order>(), Err(Unreadable), "{line}");
        }
        for line in
            ["", "started", "foreign 1", "foreign 1 x root", "gone code 300 told", "gone by 1 told", "gone code 1 so"]
        {
            assert_eq!(line.parse::<Report>(), Err(Unreadable), "{line}");
        }
    }
}
