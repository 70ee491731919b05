//! The figures of a run, and the verdict.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use testservers::worker::Line;

use crate::lane::{Harm, Round, Told};
use crate::run::Plan;

/// From so many rounds on figures are judged, not only what must never happen.
pub const MANY: usize = 100;

#[derive(Debug)]
pub struct Outcome {
    pub rounds: Vec<Round>,
    pub verdict: Verdict,
    /// One request and its answer, of all workers, at median.
    pub round_trip: Duration,
    seed: u64,
    name: String,
    lease: Duration,
    poll: Duration,
}

/// What stands in the ledgers, beside what the workers said.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Verdict {
    pub entries: usize,
    /// Entries behind one of a newer leader.
    pub stale_accepted: usize,
    /// Entries of which the worker was told that they stand there, and do not.
    pub lost: usize,
    /// Entries that stand there twice.
    pub doubled: usize,
    /// Older leaders' writes that were refused: what the fence was for.
    pub refused: usize,
    /// Pairs of terms in a lane whose tokens are the same, or whose later one's is lower.
    pub tokens_fell: usize,
    /// Terms.
    pub terms: usize,
}

impl Outcome {
    pub fn new(plan: &Plan<'_>, rounds: Vec<Round>, told: Vec<Told>) -> Self {
        let mut verdict = Verdict::default();
        told.iter().for_each(|lane| verdict.judge(lane));
        let mut measured: Vec<_> =
            told.iter().flat_map(|lane| &lane.lines).flat_map(|(_, lines)| lines).filter_map(micros).collect();
        measured.sort();
        let round_trip = measured.get(measured.len() / 2).copied().unwrap_or_default();
        let (name, lease, poll) = (plan.service.name().to_owned(), plan.lease, plan.poll);
        Self { rounds, verdict, round_trip, seed: plan.seed, name, lease, poll }
    }

    /// A line for each harm, and one for all.
    pub fn print(&self) {
        for (harm, disturbed) in self.kinds() {
            let times = self.times(harm, disturbed);
            let promised = self.lease + self.poll + Duration::from_secs(1);
            let late = times.iter().filter(|took| **took > promised).count();
            let [p50, p99, max] = [50, 99, 100].map(|percent| percentile(&times, percent));
            let what = if disturbed { ", servers disturbed" } else { "" };
            println!(
                "{}, {harm:?}{what}: rounds={} takeover p50={p50:.2}s p99={p99:.2}s max={max:.2}s over_lease_poll_1s={late}",
                self.name,
                times.len()
            );
        }
        for disturbed in [false, true] {
            let gaps: Vec<_> =
                self.rounds.iter().filter(|round| round.disturbed == disturbed).filter_map(|round| round.gap).collect();
            if !gaps.is_empty() {
                let [p50, p99] = [50, 99].map(|percent| percentile(&gaps, percent) * 1_000.0);
                let what = if disturbed { ", servers disturbed" } else { "" };
                println!(
                    "{}, hand-over{what}: rounds={} gap p50={p50:.1}ms p99={p99:.1}ms, one round trip {:.1}ms",
                    self.name,
                    gaps.len(),
                    self.round_trip.as_secs_f64() * 1_000.0
                );
            }
        }
        println!("{}: seed={} {:?}", self.name, self.seed, self.verdict);
        println!("rounds={} stale_accepted={}", self.rounds.len(), self.verdict.stale_accepted);
    }

    fn kinds(&self) -> Vec<(Harm, bool)> {
        let mut kinds = Vec::new();
        for round in &self.rounds {
            if !kinds.contains(&(round.harm, round.disturbed)) {
                kinds.push((round.harm, round.disturbed));
            }
        }
        kinds
    }

    pub fn times(&self, harm: Harm, disturbed: bool) -> Vec<Duration> {
        let rounds = self.rounds.iter().filter(|round| round.harm == harm && round.disturbed == disturbed);
        rounds.map(|round| round.took).collect()
    }

    /// What must never be, however busy the machine is.
    pub fn assert_safe(&self) {
        let Verdict { stale_accepted, lost, doubled, tokens_fell, entries, .. } = self.verdict;
        assert_eq!((stale_accepted, lost, doubled, tokens_fell), (0, 0, 0, 0), "seed={} {:?}", self.seed, self.verdict);
        assert!(entries > 0, "somebody wrote");
    }

    /// That the fence had something to do: without that the rounds show nothing.
    pub fn assert_that_it_bites(&self) {
        assert!(self.verdict.refused > 0, "no older leader came late, seed={}: {:?}", self.seed, self.verdict);
    }
}

impl Verdict {
    fn judge(&mut self, lane: &Told) {
        let mut highest = 0;
        let mut seen = HashSet::new();
        for entry in &lane.entries {
            let token = entry.split(' ').next().and_then(|token| token.parse::<u64>().ok()).expect("a token");
            self.stale_accepted += usize::from(token < highest);
            highest = highest.max(token);
            self.doubled += usize::from(!seen.insert(entry.as_str()));
        }
        self.entries += lane.entries.len();
        let mut terms = Vec::new();
        for (holder, lines) in &lane.lines {
            for line in lines {
                if line.text.contains(" wrote token=") {
                    let entry = format!("{} {holder} {}", line.token(), word(line, "n"));
                    self.lost += usize::from(!seen.contains(entry.as_str()));
                }
                self.refused += usize::from(line.text.contains(" refused token="));
                if line.text.contains(" started token=") {
                    terms.push((line.at, line.token()));
                }
            }
        }
        terms.sort_unstable();
        self.terms += terms.len();
        self.tokens_fell += terms.windows(2).filter(|pair| pair[1].1 <= pair[0].1).count();
        let distinct: HashMap<_, _> = terms.iter().map(|(at, token)| (token, at)).collect();
        self.tokens_fell += terms.len() - distinct.len();
    }
}

fn micros(line: &Line) -> Option<Duration> {
    line.text.contains(" measured ").then(|| Duration::from_micros(word(line, "micros").parse().unwrap_or_default()))
}

fn word<'a>(line: &'a Line, key: &str) -> &'a str {
    let mut words = line.text.split_whitespace().filter_map(|word| word.split_once('='));
    words.find_map(|(word, value)| (word == key).then_some(value)).unwrap_or_default()
}

/// Of so many in a hundred, how long the slowest took, in seconds.
pub fn percentile(times: &[Duration], percent: usize) -> f64 {
    let mut sorted = times.to_vec();
    sorted.sort();
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.saturating_sub(1)).map_or(f64::NAN, Duration::as_secs_f64)
}
