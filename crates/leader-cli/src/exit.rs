//! How the command ends: the exit codes, and the one sentence that goes with them.

use std::fmt;

use azure_leader_election::{Error, ErrorKind};
use serde_json::{Value, json};

use crate::lines;

/// Something holds the lease that is no worker of this election.
pub const FOREIGN: u8 = 2;
/// Nobody leads; or what was asked about was not confirmed.
pub const NO: u8 = 1;
/// As `EX_USAGE` of `sysexits.h`: the arguments.
pub const USAGE: u8 = 64;
/// As `EX_DATAERR`: what stands in the store's record.
pub const RECORD: u8 = 65;
/// As `EX_UNAVAILABLE`: the store cannot be reached, or cannot serve now.
pub const UNAVAILABLE: u8 = 69;
/// As `EX_SOFTWARE`.
pub const INTERNAL: u8 = 70;
/// As `EX_OSERR`: processes of the command could not be ended, and go on.
pub const NOT_ENDED: u8 = 71;
/// As `EX_TEMPFAIL`: the lead was lost, or not gained in time; try again.
pub const TRY_AGAIN: u8 = 75;
/// As `EX_NOPERM`: a missing right, or no access token.
pub const DENIED: u8 = 77;
/// As `EX_CONFIG`: a setting that cannot work, or names what is not there.
pub const CONFIG: u8 = 78;

/// Why the command could not do what it was asked for.
#[derive(Debug)]
pub struct Failure {
    code: u8,
    sentence: String,
    causes: Vec<String>,
}

impl Failure {
    pub fn new(code: u8, sentence: impl Into<String>) -> Self {
        Self { code, sentence: sentence.into(), causes: Vec::new() }
    }

    /// The same, with what came to an end by it.
    pub fn at(self, what: &str) -> Self {
        Self { sentence: format!("{what}: {}", self.sentence), ..self }
    }

    pub fn code(&self) -> u8 {
        self.code
    }

    pub fn json(&self) -> Value {
        let Self { code, sentence, causes } = self;
        json!({ "error": sentence, "causes": causes, "exit_code": code })
    }

    /// Says why, on standard error; returns the exit code.
    pub fn report(self, json: bool, verbose: bool) -> u8 {
        let stderr = lines::stderr();
        if json {
            stderr.write(self.json().to_string());
        } else {
            stderr.write(format!("leader: {self}"));
            self.causes.iter().filter(|_| verbose).for_each(|cause| stderr.write(format!("  because: {cause}")));
        }
        self.code
    }
}

/// Without the causes.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence)
    }
}

/// Ends this process, whatever its threads do: one may wait without end for a reader.
pub fn leave(code: u8) -> ! {
    lines::stderr().finish(lines::LAST_WORDS);
    std::process::exit(code.into())
}

/// An error in a sentence, with what its cause said in its own words where these tell what to do.
pub fn sentence(error: &Error) -> String {
    let sentence = error.to_string();
    match error.kind() {
        ErrorKind::Credential | ErrorKind::Unreachable => {
            match first_words(error).filter(|words| !sentence.contains(words)) {
                Some(words) => format!("{sentence} ({words})"),
                None => sentence,
            }
        }
        _ => sentence,
    }
}

/// What is below an error, from the top.
pub fn causes(error: &Error) -> Vec<String> {
    let below = std::iter::successors(std::error::Error::source(error), |cause| cause.source());
    below.map(ToString::to_string).collect()
}

/// What the undermost cause says: "connection refused", or "run az login". A heading brings what stands below it.
fn first_words(error: &Error) -> Option<String> {
    const LONGEST: usize = 300;
    let causes = causes(error);
    let mut words = String::new();
    for line in causes.last()?.lines().map(str::trim).filter(|line| !line.is_empty()) {
        words = format!("{words} {line}");
        if !line.ends_with(':') {
            break;
        }
    }
    let short: String = words.trim().chars().take(LONGEST).collect();
    let ends_early = short.len() < words.trim().len();
    Some(if ends_early { format!("{short}...") } else { short }).filter(|words| !words.is_empty())
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let code = match error.kind() {
            ErrorKind::Timeout | ErrorKind::Unreachable | ErrorKind::Unavailable | ErrorKind::Throttled => UNAVAILABLE,
            ErrorKind::Denied | ErrorKind::Credential => DENIED,
            ErrorKind::NotFound | ErrorKind::InvalidSetting | ErrorKind::Refused => CONFIG,
            ErrorKind::CorruptRecord => RECORD,
            _ => INTERNAL,
        };
        let mut sentence = sentence(&error);
        match error.kind() {
            ErrorKind::Credential => {
                sentence.push_str("; choose how to sign in by --credential (--verbose tells more)")
            }
            ErrorKind::Unreachable => sentence.push_str(" (--verbose tells more)"),
            _ => {}
        }
        Self { code, sentence, causes: causes(&error) }
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::new(INTERNAL, error.to_string())
    }
}
