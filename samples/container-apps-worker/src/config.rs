//! The settings, from environment variables. `infra/README.md` lists them.

mod place;

use std::fmt::Display;
use std::time::Duration;

use azure_leader_election::{HolderId, StoreUrl, Timing};

pub use place::{Place, is_emulator};

/// What the worker is to do; it holds no secret.
#[derive(Debug)]
pub struct Config {
    /// What the leader is elected on.
    pub store: StoreUrl,
    /// The container that leaders write to.
    pub state_place: Option<Place>,
    pub election: String,
    pub timing: Timing,
    pub drain_limit: Duration,
    /// Between two steps of the leader's work.
    pub step_every: Duration,
    pub holder: HolderId,
    /// Of the managed identity; without one, the developer's own sign-in is used.
    pub client_id: Option<String>,
    pub revision: Option<String>,
    /// 0 takes any free one.
    pub port: u16,
}

/// One sentence for each variable that is missing or wrong.
pub type Faults = Vec<String>;

impl Config {
    pub fn from_environment() -> Result<Self, Faults> {
        Self::read(|name| std::env::var(name).ok())
    }

    /// Reads all variables before it gives up, so that one run names all faults.
    fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, Faults> {
        let mut reader = Reader { variable, faults: Vec::new() };
        let example = "the store of the lease, such as https://<account>.blob.core.windows.net/<container>";
        let store = reader.required("LEADER_STORE_URL", example, place::store);
        let state_place = reader.optional("LEADER_STATE_URL", Place::parse);
        // No default: workers that elect under a name nobody chose would elect a leader of their own.
        let election = reader.required("LEADER_ELECTION", "the name of the election, such as nightly-billing", name);
        let timing = reader.optional("LEADER_LEASE_SECONDS", |text| {
            Timing::for_lease(Duration::from_secs(whole(text, 1, 3600)?)).map_err(|error| error.to_string())
        });
        let drain_limit = reader.optional("LEADER_DRAIN_SECONDS", |text| whole(text, 1, 60));
        let step_every = reader.optional("WORKER_STEP_SECONDS", |text| whole(text, 1, 3600));
        let port = reader.optional("PORT", |text| whole(text, 0, 65535));
        let holder = reader.optional("CONTAINER_APP_REPLICA_NAME", |text| HolderId::new(text).map_err(said));
        let client_id = reader.optional("AZURE_CLIENT_ID", text);
        let revision = reader.optional("CONTAINER_APP_REVISION", text);

        match (store, election, reader.faults) {
            (Some(store), Some(election), faults) if faults.is_empty() => Ok(Self {
                store,
                state_place,
                election,
                timing: timing.unwrap_or_default(),
                drain_limit: Duration::from_secs(drain_limit.unwrap_or(10)),
                step_every: Duration::from_secs(step_every.unwrap_or(5)),
                holder: holder.unwrap_or_else(HolderId::generate),
                client_id,
                revision,
                port: u16::try_from(port.unwrap_or(8080)).unwrap_or(8080),
            }),
            (_, _, faults) => Err(faults),
        }
    }
}

/// Reads variables, and notes what is wrong with them.
struct Reader<F> {
    variable: F,
    faults: Faults,
}

impl<F: Fn(&str) -> Option<String>> Reader<F> {
    fn required<T>(&mut self, name: &str, what: &str, parse: impl Fn(&str) -> Result<T, String>) -> Option<T> {
        if self.text(name).is_none() {
            self.faults.push(format!("{name} is not set: {what}"));
        }
        self.optional(name, parse)
    }

    fn optional<T>(&mut self, name: &str, parse: impl Fn(&str) -> Result<T, String>) -> Option<T> {
        let parsed = parse(&self.text(name)?);
        parsed.map_err(|fault| self.faults.push(format!("{name} {fault}"))).ok()
    }

    /// An empty variable is one that is not set: templates write it so.
    fn text(&self, name: &str) -> Option<String> {
        (self.variable)(name).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
    }
}

fn whole(text: &str, least: u64, most: u64) -> Result<u64, String> {
    let number = text.parse().ok().filter(|number| (least..=most).contains(number));
    number.ok_or_else(|| format!("must be a whole number from {least} to {most}, not {text:?}"))
}

/// It is the name of a blob, and of a document: what both allow.
fn name(text: &str) -> Result<String, String> {
    let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    if plain && text.len() <= 63 {
        return Ok(text.to_owned());
    }
    Err(format!("must be 1 to 63 letters, digits and hyphens, not {text:?}"))
}

fn text(text: &str) -> Result<String, String> {
    Ok(text.to_owned())
}

fn said(error: impl Display) -> String {
    format!("is no name for a worker: {error}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: [(&str, &str); 2] =
        [("LEADER_STORE_URL", "https://acct.blob.core.windows.net/leases"), ("LEADER_ELECTION", "nightly")];

    fn read(changes: &[(&str, &str)]) -> Result<Config, Faults> {
        Config::read(|name| {
            let latest = GOOD.iter().chain(changes).rev().find(|(known, _)| *known == name);
            latest.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn two_variables_are_enough() {
        let config = read(&[]).unwrap();
        assert_eq!(config.election, "nightly");
        assert_eq!(config.timing.lease(), Duration::from_secs(15));
        assert_eq!(config.drain_limit, Duration::from_secs(10));
        assert_eq!(config.port, 8080);
        assert!(config.state_place.is_none());
        assert!(config.holder.as_str().contains("pid"), "{}", config.holder);
    }

    #[test]
    fn the_replica_names_the_holder() {
        let config = read(&[("CONTAINER_APP_REPLICA_NAME", "worker--abc123-5d8f9-x2k4q")]).unwrap();
        assert_eq!(config.holder.as_str(), "worker--abc123-5d8f9-x2k4q");
    }

    #[test]
    fn an_empty_variable_is_not_set() {
        let config = read(&[("LEADER_STATE_URL", ""), ("LEADER_LEASE_SECONDS", " "), ("PORT", "")]).unwrap();
        assert!(config.state_place.is_none());
        assert_eq!(read(&[("LEADER_ELECTION", "")]).unwrap_err().len(), 1);
    }

    #[test]
    fn all_faults_are_told_at_once_each_with_its_variable() {
        let faults = Config::read(|_| None).unwrap_err();
        let begin = ["LEADER_STORE_URL is not set: ", "LEADER_ELECTION is not set: "];
        assert_eq!(faults.len(), begin.len(), "{faults:?}");
        assert!(faults.iter().zip(begin).all(|(fault, begin)| fault.starts_with(begin)), "{faults:?}");
    }

    #[test]
    fn a_wrong_value_gets_a_sentence_that_says_what_would_do() {
        for (name, value, sentence) in [
            ("LEADER_ELECTION", "a/b", "LEADER_ELECTION must be 1 to 63 letters, digits and hyphens, not \"a/b\""),
            ("LEADER_DRAIN_SECONDS", "0", "LEADER_DRAIN_SECONDS must be a whole number from 1 to 60, not \"0\""),
            ("LEADER_LEASE_SECONDS", "15s", "LEADER_LEASE_SECONDS must be a whole number from 1 to 3600, not \"15s\""),
            ("PORT", "80800", "PORT must be a whole number from 0 to 65535, not \"80800\""),
        ] {
            assert_eq!(read(&[(name, value)]).unwrap_err(), [sentence], "{name}={value}");
        }
        let fault = &read(&[("CONTAINER_APP_REPLICA_NAME", "é")]).unwrap_err()[0];
        assert!(fault.starts_with("CONTAINER_APP_REPLICA_NAME is no name for a worker: the holder id must"), "{fault}");
    }
}
