//! What happened in a round, as the workers and the ways between them and the store tell it.

use std::time::{Duration, Instant};

use super::lane::Harm;
use crate::proxy::{Carried, Proxy};
use crate::worker::Line;

/// One harm, and what came of it. Times are those of the successor's clock.
#[derive(Debug, Clone)]
pub struct Round {
    pub harm: Harm,
    /// Who was harmed, and its token: what its writes begin with.
    pub harmed: String,
    /// From the harm until another one led.
    pub takeover: Duration,
    /// From the harm until the last request of the harmed one that prolonged its lease: what is on its way arrives although its
    /// sender is gone, and a lease counts from there. Zero when there was none.
    pub kept_for: Duration,
    /// How often the successor looked at the lease meanwhile.
    pub looks: usize,
    /// Whether the service refused a write of the harmed one as stale; known when the lane has ended.
    pub refused: bool,
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

    /// The round that this is the story of, by the ways of the worker that was harmed and of its successor.
    pub fn round(self, harm: Harm, harmed: String, way: &Proxy, successor: &Proxy) -> Round {
        let meanwhile = |at: &Instant| self.began <= *at && *at <= self.ended;
        let kept = way.carried().into_iter().filter(Carried::keeps_lease).map(|request| request.answered);
        let kept_at = kept.filter(meanwhile).max();
        let looks = successor.carried().iter().filter(|request| meanwhile(&request.sent) && request.is_look()).count();
        let passed = |until: Instant| until.saturating_duration_since(self.began).mul_f64(self.rate);
        let (takeover, kept_for) = (passed(self.ended), kept_at.map_or(Duration::ZERO, passed));
        Round { harm, harmed, takeover, kept_for, looks, refused: false, story: self.story() }
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
