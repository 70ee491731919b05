//! How the command ends: the exit codes, and the one sentence that goes with them.

use azure_leader_election::{Error, ErrorKind};
use serde_json::json;

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

    /// Says why, on standard error; returns the exit code.
    pub fn report(self, json: bool, verbose: bool) -> u8 {
        let Self { code, sentence, causes } = self;
        if json {
            eprintln!("{}", json!({ "error": sentence, "causes": causes, "exit_code": code }));
        } else {
            eprintln!("leader: {sentence}");
            causes.iter().filter(|_| verbose).for_each(|cause| eprintln!("  because: {cause}"));
        }
        code
    }
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
        let below = std::iter::successors(std::error::Error::source(&error), |cause| cause.source());
        let causes = below.map(ToString::to_string).collect();
        let mut sentence = error.to_string();
        if error.kind() == ErrorKind::Credential {
            sentence.push_str("; choose how to sign in by --credential (--verbose tells more)");
        }
        Self { code, sentence, causes }
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::new(INTERNAL, error.to_string())
    }
}
