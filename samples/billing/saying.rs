//! What a worker process says on its standard output, one line for each.

use std::fmt;
use std::io::Write;
use std::str::FromStr;

use azure_leader_election::FencingToken;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Saying {
    /// It leads, has raised the fence, and has read what is due.
    Leads { token: FencingToken, due: usize },
    /// It has decided to charge; the charge is on its way.
    Charges { token: FencingToken, subscription: String },
    /// What became of that.
    Settled { token: FencingToken, subscription: String, outcome: String },
    /// It does not lead any more, and why.
    Ended { token: FencingToken, reason: String },
}

impl Saying {
    /// Nobody hears it when the program that started this worker is gone; the worker then ends as well.
    pub fn say(&self) {
        let _ = writeln!(std::io::stdout(), "{self}");
    }
}

impl fmt::Display for Saying {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Leads { token, due } => write!(f, "leads {token} {due}"),
            Self::Charges { token, subscription } => write!(f, "charges {token} {subscription}"),
            Self::Settled { token, subscription, outcome } => write!(f, "settled {token} {subscription} {outcome}"),
            Self::Ended { token, reason } => write!(f, "ended {token} {reason}"),
        }
    }
}

impl FromStr for Saying {
    type Err = String;

    fn from_str(line: &str) -> Result<Self, String> {
        let unknown = || format!("a worker said {line:?}, which means nothing");
        let mut words = line.splitn(3, ' ');
        let mut word = || words.next().map(str::to_owned).ok_or_else(unknown);
        let (what, token, rest) = (word()?, word()?.parse().map_err(|_| unknown())?, word()?);
        Ok(match what.as_str() {
            "leads" => Self::Leads { token, due: rest.parse().map_err(|_| unknown())? },
            "charges" => Self::Charges { token, subscription: rest },
            "settled" => {
                let (subscription, outcome) = rest.split_once(' ').ok_or_else(unknown)?;
                Self::Settled { token, subscription: subscription.to_owned(), outcome: outcome.to_owned() }
            }
            "ended" => Self::Ended { token, reason: rest },
            _ => return Err(unknown()),
        })
    }
}
