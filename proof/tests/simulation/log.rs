//! What happened in a schedule: how often what, what must not have, and on demand everything.

use std::collections::BTreeMap;
use std::fmt::Arguments;
use std::time::Duration;

/// How often something worth testing came to pass.
pub type Tally = BTreeMap<&'static str, u64>;

/// No schedule is told at greater length when it fails: what follows the first violations says little.
const ENOUGH: usize = 10;

#[derive(Debug, Default)]
pub struct Log {
    pub tally: Tally,
    pub violations: Vec<String>,
    /// Empty unless it is asked for.
    pub history: Vec<String>,
    pub recording: bool,
    pub printing: bool,
}

impl Log {
    pub fn count(&mut self, what: &'static str) {
        *self.tally.entry(what).or_default() += 1;
    }

    pub fn count_if(&mut self, so: bool, what: &'static str) {
        if so {
            self.count(what);
        }
    }

    pub fn note(&mut self, now: Duration, who: &str, what: Arguments<'_>) {
        if self.recording {
            let line = format!("{:>11.6} {who:<9} {what}", now.as_secs_f64());
            if self.printing {
                println!("{line}");
            }
            self.history.push(line);
        }
    }

    pub fn violation(&mut self, now: Duration, who: &str, what: Arguments<'_>) {
        self.note(now, who, format_args!("VIOLATION: {what}"));
        if self.violations.len() < ENOUGH {
            self.violations.push(format!("at {:.3} s: {who}: {what}", now.as_secs_f64()));
        }
    }
}

pub fn add(tally: &mut Tally, seen: &Tally) {
    for (what, times) in seen {
        *tally.entry(what).or_default() += times;
    }
}
