//! What a test harness tells the referee with.

use std::collections::VecDeque;
use std::time::Duration;

use crate::referee::{Referee, Rule};
use crate::trace::{Event, Token, What, Who};

/// So many of the latest events are told with a violation.
const CONTEXT: usize = 30;
/// So many violations are kept: what follows the first ones says little.
const ENOUGH: usize = 50;

/// Hands each event to the [referee](Referee), and keeps what it says.
#[derive(Debug, Clone, Default)]
pub struct Witness {
    referee: Referee,
    latest: VecDeque<Event>,
    violations: Vec<String>,
}

impl Witness {
    /// Something happened; the rule that it breaks, if any.
    pub fn saw(&mut self, at: Duration, who: Who, what: What) -> Option<Rule> {
        let event = Event { at, who, what };
        let verdict = self.referee.observe(&event);
        if self.latest.len() == CONTEXT {
            self.latest.pop_front();
        }
        self.latest.push_back(event);
        let violation = verdict.err()?;
        self.violation(violation.to_string());
        Some(violation.rule)
    }

    /// Something else is wrong.
    pub fn violation(&mut self, what: String) {
        if self.violations.len() < ENOUGH {
            self.violations.push(what);
        }
    }

    /// The referee.
    #[must_use]
    pub fn referee(&self) -> &Referee {
        &self.referee
    }

    /// What must not have been.
    #[must_use]
    pub fn violations(&self) -> &[String] {
        &self.violations
    }

    /// The latest events, as JSON lines.
    #[must_use]
    pub fn latest(&self) -> String {
        self.latest.iter().map(|event| format!("{event}\n")).collect()
    }
}

/// The leaderships that are asked, whenever something happens, whether they still lead.
#[derive(Debug, Clone)]
pub struct Live<L> {
    terms: Vec<Asked<L>>,
}

#[derive(Debug, Clone)]
struct Asked<L> {
    who: Who,
    token: Token,
    leader: L,
    /// Until when it said that it leads, when it was last asked.
    until: Option<Duration>,
}

impl<L> Default for Live<L> {
    fn default() -> Self {
        Self { terms: Vec::new() }
    }
}

impl<L> Live<L> {
    /// From now on this one is asked, and no earlier one of the process.
    pub fn enter(&mut self, who: Who, token: Token, leader: L) {
        self.leave(who);
        self.terms.push(Asked { who, token, leader, until: None });
    }

    /// None of this process is asked any more.
    pub fn leave(&mut self, who: Who) {
        self.terms.retain(|asked| asked.who != who);
    }

    /// All that are asked.
    pub fn all(&self) -> impl Iterator<Item = (Who, &L)> {
        self.terms.iter().map(|asked| (asked.who, &asked.leader))
    }

    /// The one of this process.
    #[must_use]
    pub fn leader(&self, who: Who) -> Option<&L> {
        self.all().find(|(other, _)| *other == who).map(|(_, leader)| leader)
    }

    /// Those that lead, and their tokens, as they said when they were last asked.
    pub fn valid(&self) -> impl Iterator<Item = (Who, Token, &L)> {
        let valid = self.terms.iter().filter(|asked| asked.until.is_some());
        valid.map(|asked| (asked.who, asked.token, &asked.leader))
    }

    /// Asks all of them until when they lead, by their own clocks; what is new, to be told the referee in this order, and then
    /// the [look](What::Look).
    pub fn ask(&mut self, mut until: impl FnMut(Who, &L) -> Option<Duration>) -> Vec<(Who, What)> {
        let (mut valid, mut news) = (Vec::new(), Vec::new());
        for asked in &mut self.terms {
            let now = until(asked.who, &asked.leader);
            // Clocks round.
            let same =
                now.zip(asked.until).is_some_and(|(now, before)| now.abs_diff(before) < Duration::from_millis(1));
            match now {
                Some(until) if !same => valid.push((asked.who, What::Valid { until })),
                None if asked.until.is_some() => news.push((asked.who, What::Invalid)),
                _ => continue,
            }
            asked.until = now;
        }
        // Whoever has ceased to lead did so before another began.
        news.append(&mut valid);
        news.push((Who::MAX, What::Look));
        news
    }
}

/// Numbers for names, in the order in which they were first seen.
#[derive(Debug, Clone)]
pub struct Numbers<T>(Vec<T>);

impl<T> Default for Numbers<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: PartialEq> Numbers<T> {
    /// The number of this one, from 1 on.
    pub fn of(&mut self, name: &T) -> u32
    where
        T: Clone,
    {
        self.known(name).unwrap_or_else(|| {
            self.0.push(name.clone());
            u32::try_from(self.0.len()).unwrap_or(u32::MAX)
        })
    }

    /// Its number, if it was seen before.
    pub fn known(&self, name: &T) -> Option<u32> {
        // The latest are asked for most.
        let place = self.0.iter().rposition(|known| known == name)?;
        u32::try_from(place + 1).ok()
    }
}
