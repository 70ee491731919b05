//! The figures of a run.

use std::collections::BTreeSet;
use std::time::Duration;

use super::history::Verdict;
use super::lane::Harm;
use super::story::Round;
use crate::figures::{self, MANY, asked_for, percentile};

/// Of the rounds in which a leader is stopped or cut off, the share in which the service has a stale write to refuse.
const BITTEN: f64 = 0.8;

/// What came of it.
#[derive(Debug, Default)]
pub struct Outcome {
    /// What replays its faults.
    pub seed: u64,
    pub verdict: Verdict,
    pub rounds: Vec<Round>,
    pub lease: Duration,
    pub poll: Duration,
}

impl Outcome {
    pub fn harms(&self) -> BTreeSet<Harm> {
        self.rounds.iter().map(|round| round.harm).collect()
    }

    pub fn of(&self, harm: Harm) -> impl Iterator<Item = &Round> {
        self.rounds.iter().filter(move |round| round.harm == harm)
    }

    /// How long the takeovers took, from the harm on, in seconds of the successors' clocks: the slowest of so many in a hundred.
    pub fn takeover(&self, harm: Harm, percent: usize) -> f64 {
        percentile(self.of(harm).map(|round| round.takeover), percent)
    }

    /// Rounds in which a lease lived on for half a lease and more, as if its dead leader were alive.
    pub fn zombies(&self) -> usize {
        let longest = self.lease * 3 / 2 + self.poll;
        self.rounds.iter().filter(|round| round.takeover > longest).count()
    }

    /// Likewise, by how often the successor looked meanwhile: a machine that is busy makes no look more of it.
    pub fn most_looks(&self) -> (usize, f64) {
        let most = self.rounds.iter().map(|round| round.looks).max().unwrap_or_default();
        (most, 1.5 * self.lease.as_secs_f64() / self.poll.as_secs_f64() + 2.0)
    }

    /// Of the rounds in which a leader was stopped or cut off, the share in which the service refused a write of its afterwards. In
    /// the others the harm came too late for the write, and proves nothing.
    fn bitten(&self) -> Option<f64> {
        let rounds: Vec<_> = self.rounds.iter().filter(|round| round.harm != Harm::Kill).collect();
        let bitten = rounds.iter().filter(|round| round.refused).count();
        (!rounds.is_empty()).then(|| bitten as f64 / rounds.len() as f64)
    }

    /// Panics if a fence was hardly needed.
    pub fn assert_that_it_bites(&self) {
        let Some(bitten) = self.bitten() else { return };
        let enough = if self.rounds.len() >= MANY { bitten >= BITTEN } else { bitten > 0.0 };
        assert!(enough, "{bitten:.2} of the rounds had a stale write to refuse, LEADER_SEED={}", self.seed);
    }

    /// All there is to tell but the figures of the [last line](Self::print_last_line).
    pub fn print(&self) {
        let Verdict { accepted, lost, fenced, ref refused, unknown, .. } = self.verdict;
        println!("  accepted={accepted} lost={lost} fenced={fenced} refused={} unknown={unknown}", refused.len());
        for harm in self.harms() {
            let count = |is_so: &dyn Fn(&Round) -> bool| self.of(harm).filter(|round| is_so(round)).count();
            println!(
                "  {harm:?}: rounds={} p50={:.1} p99={:.1} max={:.1} looks<={} prolonged={} refused={}",
                count(&|_| true),
                self.takeover(harm, 50),
                self.takeover(harm, 99),
                self.takeover(harm, 100),
                self.of(harm).map(|round| round.looks).max().unwrap_or_default(),
                count(&|round| round.kept_for >= self.poll),
                count(&|round| round.refused),
            );
        }
        println!("  zombies={}", self.zombies());
        self.print_slowest(asked_for("LEADER_SLOWEST").unwrap_or(0));
    }

    pub fn print_last_line(&self) {
        let takeovers: Vec<_> = self.rounds.iter().map(|round| round.takeover).collect();
        figures::print_last_line(&takeovers, self.verdict.stale_accepted);
    }

    fn print_slowest(&self, count: usize) {
        let mut slowest: Vec<_> = self.rounds.iter().collect();
        slowest.sort_by_key(|round| std::cmp::Reverse(round.takeover));
        for round in slowest.into_iter().take(count) {
            println!("  {:?}, {:.2} s:", round.harm, round.takeover.as_secs_f64());
            round.story.iter().for_each(|line| println!("    {line}"));
        }
    }
}
