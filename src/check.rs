//! Whether a store keeps what this crate's documentation says of it: what the command `leader check` does, and no stable API.
//!
//! Each step has the number of a claim in `docs/azure-claims.md`. Those with a `P` hold of every store and go through the port
//! ([`port`], [`time`]); a store adds its own by raw requests, in a file within its own walls that implements [`Probes`]. All
//! steps write to elections of random names alone, which are removed at the end.

#[cfg(feature = "etcd")]
pub(crate) mod etcd;
mod ground;
mod names;
mod port;
#[cfg(feature = "redis")]
pub(crate) mod redis;
pub(crate) mod side;
mod step;
#[cfg(test)]
mod tests;
mod time;

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use tokio::task::JoinSet;

use crate::store::{StoreOptions, StoreUrl};
use leader_election::{DistributedMutex, Error, ErrorKind, Result, Timing};

pub(crate) use ground::Ground;
pub use names::Names;
pub(crate) use step::{Seen, Step};

/// How long a step may take beside what it waits for.
const PATIENCE: Duration = Duration::from_secs(90);

/// What a store adds to the check.
#[async_trait]
pub(crate) trait Probes: Send + Sync {
    /// Its own steps, in order.
    fn steps(&self) -> Vec<Step> {
        Vec::new()
    }

    /// Removes all that an election of this name has left. It is no error when there is nothing.
    async fn remove(&self, election: &str) -> Result<()>;
}

/// What came of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Verdict {
    /// The store does as it says in the documentation.
    AsDocumented,
    /// It does not.
    Differs,
    /// A right is missing that this needs.
    Denied,
    /// A setting of the store, or the way to it, does not go with an election.
    Unfit,
    /// The store gave no answer.
    Unanswered,
    /// A figure, of which nothing is claimed.
    Measured,
    /// It could not be tried here.
    NotChecked,
}

impl Verdict {
    /// In words.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AsDocumented => "as documented",
            Self::Differs => "DIFFERS",
            Self::Denied => "NO RIGHT",
            Self::Unfit => "UNFIT",
            Self::Unanswered => "no answer",
            Self::Measured => "measured",
            Self::NotChecked => "not checked",
        }
    }
}

/// A step, and what was seen.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Finding {
    /// The claim's number in `docs/azure-claims.md`.
    pub number: &'static str,
    /// What is claimed.
    pub expectation: &'static str,
    /// Whether it is so.
    pub verdict: Verdict,
    /// What was seen. It may name the account, and holds no secret.
    pub seen: String,
}

/// How far a check is.
#[derive(Debug)]
#[non_exhaustive]
pub struct Waiting {
    /// The step that waits.
    pub number: &'static str,
    /// What for.
    pub what: &'static str,
    /// For how long.
    pub time: Duration,
}

/// A check of one store that has not begun.
pub struct Check {
    ground: Ground,
    probes: Option<Box<dyn Probes>>,
    steps: Vec<Step>,
}

impl Check {
    /// Of the store at `url`, for workers of this timing. Nothing is sent yet.
    ///
    /// # Errors
    /// As [`StoreUrl::open`].
    pub fn new(url: &StoreUrl, options: StoreOptions, timing: Timing) -> Result<Self> {
        let probes = url.probes(&options)?;
        url.open("any", options.clone())?.check_lease(timing.lease())?;
        let ground = Ground::new(url.clone(), options, timing);
        let mut steps: Vec<Step> =
            port::steps().into_iter().chain(side::steps()).chain(time::steps(&ground)?).collect();
        if let Some(probes) = &probes {
            steps.extend(probes.steps());
        }
        Ok(Self { ground, probes, steps })
    }

    /// Looks at an election that nobody has led, which writes nothing.
    ///
    /// # Errors
    /// Those of [`observe`](leader_election::DistributedMutex::observe): the store cannot be reached, or not be read.
    pub async fn look(&self) -> Result<()> {
        self.ground.look().await
    }

    /// With what the names of all elections begin that this check writes to.
    #[must_use]
    pub fn prefix(&self) -> &str {
        self.ground.prefix()
    }

    /// How many steps there are.
    #[must_use]
    pub fn steps(&self) -> usize {
        self.steps.len()
    }

    /// How long the steps wait, without what their requests take.
    #[must_use]
    pub fn waits(&self) -> Duration {
        let waits = |step: &Step| step.waits().map_or(Duration::ZERO, |(_, time)| time);
        let (alone, together): (Vec<_>, Vec<_>) = self.steps.iter().partition(|step| step.is_alone());
        alone.into_iter().map(waits).sum::<Duration>() + together.into_iter().map(waits).max().unwrap_or_default()
    }

    /// Whether [`clean_up`](Self::clean_up) can remove anything.
    #[must_use]
    pub fn cleans_up(&self) -> bool {
        self.probes.is_some()
    }

    /// Takes all steps: those that wait at the same time, after all others. Tells of each as it is found, and of what is waited for.
    /// May be dropped; [`clean_up`](Self::clean_up) after it in any case.
    pub async fn run(&mut self, mut tell: impl FnMut(Progress<'_>)) -> Vec<Finding> {
        let mut findings = Vec::new();
        let mut found = |finding: Finding, tell: &mut dyn FnMut(Progress<'_>)| {
            tell(Progress::Found(&finding));
            findings.push(finding);
        };
        let order: BTreeMap<_, _> = self.steps.iter().enumerate().map(|(place, step)| (step.number, place)).collect();
        let (alone, waiting): (Vec<_>, Vec<_>) = self.steps.drain(..).partition(Step::is_alone);
        let tell_wait = |step: &Step, tell: &mut dyn FnMut(Progress<'_>)| {
            if let Some((what, time)) = step.waits() {
                tell(Progress::Waits(&Waiting { number: step.number, what, time }));
            }
        };
        for step in alone {
            tell_wait(&step, &mut tell);
            let time = step.waits().map_or(PATIENCE, |(_, time)| time + PATIENCE);
            found(step.take(self.ground.clone(), time).await, &mut tell);
        }
        let mut taken = JoinSet::new();
        for step in waiting {
            tell_wait(&step, &mut tell);
            let time = step.waits().map_or(PATIENCE, |(_, time)| time + PATIENCE);
            taken.spawn(step.take(self.ground.clone(), time));
        }
        while let Some(finding) = taken.join_next().await {
            if let Ok(finding) = finding {
                found(finding, &mut tell);
            }
        }
        findings.sort_by_key(|finding| order.get(finding.number).copied());
        findings
    }

    /// Removes every election that was written to. Returns the names of those that are left, with why.
    pub async fn clean_up(&self) -> Vec<(String, Error)> {
        let mut left = Vec::new();
        for name in self.ground.names() {
            let removed = match &self.probes {
                Some(probes) => tokio::time::timeout(PATIENCE, probes.remove(&name)).await,
                None => Ok(Err(Error::new(ErrorKind::Refused, "a check cannot remove elections from this store yet"))),
            };
            let no_answer = |_| Err(Error::new(ErrorKind::Timeout, "the store gave no answer"));
            if let Err(error) = removed.unwrap_or_else(no_answer) {
                left.push((name, error));
            }
        }
        left
    }
}

/// What a check tells while it goes on.
#[derive(Debug)]
#[non_exhaustive]
pub enum Progress<'a> {
    /// A step waits.
    Waits(&'a Waiting),
    /// A step is done.
    Found(&'a Finding),
}
