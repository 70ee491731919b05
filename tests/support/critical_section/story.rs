//! What happened in a round, as the workers and the ways between them and the store tell it.

use std::time::{Duration, Instant};

use super::lane::Harm;
use crate::support::proxy::Proxy;
use crate::support::worker::Line;

/// One harm, and what came of it. Times are those of the workers' clocks.
#[derive(Debug, Clone)]
pub struct Round {
    pub harm: Harm,
    /// From the harm until another one led.
    pub takeover: Duration,
    /// From the harm until the last request of the harmed one that prolonged its lease: what is on its way arrives although its
    /// sender is gone, and a lease counts from there. Zero when there was none.
    pub kept_for: Duration,
    /// All that was said, from a lease before the harm on, in order.
    pub story: Vec<String>,
}

/// How much of what went before the harm is told, in seconds.
const BEFORE: f64 = 15.0;

pub struct Teller {
    began: Instant,
    ended: Instant,
    rate: f64,
    told: Vec<(f64, String)>,
}

impl Teller {
    pub fn new(began: Instant, ended: Instant, rate: f64) -> Self {
        Self { began, ended, rate, told: vec![] }
    }

    pub fn lines(&mut self, lines: &[Line]) {
        for line in lines {
            let text = line.text.split_once(' ').map_or("", |(_, text)| text);
            self.add(line.read_at, text);
        }
    }

    pub fn notes(&mut self, holder: &str, way: &Proxy) {
        for note in way.notes() {
            self.add(note.at, &format!("{holder} >> {}", note.text));
        }
    }

    /// The round that this is the story of; `harmed` is the way of the worker that was harmed.
    pub fn round(self, harm: Harm, harmed: Option<&Proxy>) -> Round {
        let notes = harmed.map(Proxy::notes).unwrap_or_default();
        let kept_at = notes.iter().filter(|note| note.keeps_lease && note.at <= self.ended).map(|note| note.at).max();
        let passed = |until: Instant| until.saturating_duration_since(self.began).mul_f64(self.rate);
        let (takeover, kept_for) = (passed(self.ended), kept_at.map_or(Duration::ZERO, passed));
        Round { harm, takeover, kept_for, story: self.story() }
    }

    pub fn story(mut self) -> Vec<String> {
        self.told.sort_by(|one, other| one.0.total_cmp(&other.0));
        self.told.iter().map(|(at, text)| format!("{at:+8.2} {text}")).collect()
    }

    fn add(&mut self, at: Instant, text: &str) {
        let seconds = match at.checked_duration_since(self.began) {
            Some(after) => after.as_secs_f64(),
            None => -self.began.duration_since(at).as_secs_f64(),
        };
        let seconds = seconds * self.rate;
        if seconds >= -BEFORE && at <= self.ended {
            self.told.push((seconds, text.to_owned()));
        }
    }
}
