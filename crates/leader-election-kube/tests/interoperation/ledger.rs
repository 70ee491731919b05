//! What all workers wrote, in the order in which they wrote it.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::time::SystemTime;

/// One line: when by the writer's own clock, in microseconds since 1970; who; what.
#[derive(Debug, Clone)]
pub struct Line {
    micros: u128,
    id: String,
    what: String,
}

impl Line {
    pub fn now(id: &str, what: &str) -> Self {
        let micros = SystemTime::UNIX_EPOCH.elapsed().expect("after 1970").as_micros();
        Self { micros, id: id.to_owned(), what: what.to_owned() }
    }

    fn read(text: &str) -> Option<Self> {
        let mut words = text.split(' ');
        let line =
            Self { micros: words.next()?.parse().ok()?, id: words.next()?.to_owned(), what: words.next()?.to_owned() };
        Some(line)
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} {} {}", self.micros, self.id, self.what)
    }
}

pub struct Ledger(Vec<Line>);

impl Ledger {
    pub fn read(path: &Path) -> Self {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        Self(text.lines().filter_map(Line::read).collect())
    }

    pub fn count(&self, what: &str) -> usize {
        self.0.iter().filter(|line| line.what == what).count()
    }

    pub fn terms(&self) -> usize {
        self.count("start")
    }

    pub fn terms_of_each(&self) -> BTreeMap<String, usize> {
        let mut each = BTreeMap::new();
        for line in self.0.iter().filter(|line| line.what == "start") {
            // Of all the processes that were this worker.
            let worker = line.id.split('.').next().unwrap_or_default();
            *each.entry(worker.to_owned()).or_default() += 1;
        }
        each
    }

    /// Who is between the start and the end of a term.
    pub fn leader(&self) -> Option<String> {
        let mut leader = None;
        for line in &self.0 {
            match line.what.as_str() {
                "start" => leader = Some(line.id.clone()),
                "work" => {}
                _ if leader.as_ref() == Some(&line.id) => leader = None,
                _ => {}
            }
        }
        leader
    }

    /// Lines that somebody wrote as a leader while another one was between start and end. One that was killed or stopped writes nothing; what it writes
    /// afterwards, in a term that another one has followed, is an overlap.
    pub fn overlaps(&self) -> Vec<String> {
        let (mut leader, mut overlaps): (Option<&str>, _) = (None, Vec::new());
        for (number, line) in self.0.iter().enumerate() {
            let own = leader == Some(line.id.as_str());
            match line.what.as_str() {
                "start" if leader.is_none() => leader = Some(&line.id),
                "work" if own => {}
                "start" | "work" => overlaps.push(format!("line {number}: {line} while {leader:?} led")),
                _ if own => leader = None,
                _ => {}
            }
        }
        overlaps
    }

    /// From an end to the next start.
    fn gaps(&self, ended: &str) -> Vec<u128> {
        let mut gaps = Vec::new();
        let mut end = None;
        for line in &self.0 {
            match line.what.as_str() {
                what if what == ended => end = Some(line.micros),
                "start" => gaps.extend(end.take().and_then(|end| line.micros.checked_sub(end))),
                "stop" | "killed" | "frozen" | "ended" => end = None,
                _ => {}
            }
        }
        // One of the workers may be an hour ahead.
        gaps.retain(|gap| *gap < 1_000_000_000);
        gaps.sort_unstable();
        gaps
    }

    pub fn takeovers_after(&self, ended: &str) -> String {
        Self::summary(&self.gaps(ended))
    }

    pub fn handovers(&self) -> String {
        Self::summary(&self.gaps("stop"))
    }

    fn summary(sorted: &[u128]) -> String {
        let at = |share: usize| sorted.get((sorted.len() * share / 100).min(sorted.len().saturating_sub(1)));
        let shown = |micros: Option<&u128>| micros.map_or("-".to_owned(), |micros| format!("{} ms", micros / 1_000));
        format!("p50 {}, p99 {}, {} of them", shown(at(50)), shown(at(99)), sorted.len())
    }
}

#[test]
fn an_overlap_is_found_wherever_a_leader_writes_in_anothers_term() {
    let of = |text: &str| {
        Ledger(text.split(';').filter_map(|line| Line::read(&format!("7 {}", line.trim()))).collect()).overlaps().len()
    };
    assert_eq!(of("a start; a work; a stop; b start; b work; a stopped; b stop"), 0);
    assert_eq!(of("a start; a killed; b start; b work; b stop"), 0);
    assert_eq!(of("a start; a frozen; b start; b work; a stopped; b work"), 0);
    assert_eq!(of("a start; b start"), 1);
    assert_eq!(of("a start; a frozen; b start; a work; b work"), 1);
    assert_eq!(of("a start; a stop; a work"), 1);
}
