//! What was seen of one case, and the line of the table it makes.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use azure_leader_election::{EndReason, LeaderEvent, LeaderEvents};
use tokio::time::Instant;

use crate::credentials::moody::{Mood, Moody, Phase};

#[derive(Debug)]
pub struct Seen {
    pub what: &'static str,
    pub mood: Mood,
    pub phase: Phase,
    /// When this worker first led.
    pub led_at: Option<Duration>,
    /// When its lead ended, and why.
    pub ended: Option<(Duration, EndReason)>,
    /// What failed requests said, each sentence once.
    pub said: Vec<String>,
    pub most_programs: usize,
}

impl Seen {
    pub fn new(what: &'static str, mood: Mood, phase: Phase) -> Self {
        Self { what, mood, phase, led_at: None, ended: None, said: Vec::new(), most_programs: 0 }
    }

    /// Hears what a host tells for so long.
    pub async fn hear(mut self, mut events: LeaderEvents, credential: Arc<Moody>, time: Duration) -> Self {
        let begun = Instant::now();
        loop {
            match tokio::time::timeout_at(begun + time, events.recv()).await {
                Ok(Some(LeaderEvent::Elected { .. })) => self.led_at = self.led_at.or(Some(begun.elapsed())),
                Ok(Some(LeaderEvent::Ended { reason, .. })) => {
                    self.ended = self.ended.or(Some((begun.elapsed(), reason)))
                }
                Ok(Some(LeaderEvent::AttemptFailed { error, .. })) => self.note(&error.to_string()),
                Ok(Some(_)) => {}
                Ok(None) | Err(_) => break,
            }
        }
        self.most_programs = credential.most_programs.load(Ordering::SeqCst);
        self
    }

    pub fn note(&mut self, text: &str) {
        if !self.said.iter().any(|said| said == text) {
            self.said.push(text.to_owned());
        }
    }

    /// What of this case is not as it should be; `token_ends` is when the first token does.
    fn faults(&self, token_ends: Duration, time: Time) -> Vec<String> {
        let mut faults = Vec::new();
        let mut expect = |holds: bool, what: &str| {
            if !holds {
                faults.push(format!("{self}\n    is wrong: {what}"));
            }
        };
        match self.phase {
            Phase::Start if self.mood.ends() => expect(self.led_at.is_some(), "it never led"),
            Phase::Start => {
                expect(self.led_at.is_none() && !self.said.is_empty(), "nobody signed in, and nothing is said")
            }
            Phase::Refresh => {
                expect(self.led_at.is_some(), "it never led");
                // A token that cannot be replaced ends at its end, and not before.
                let lost_early = self.ended.is_some_and(|(at, _)| self.mood.ends() || at < token_ends);
                expect(!lost_early, "the lead was lost with a good token");
            }
        }
        let told = |said: &String| {
            let mut words = vec!["signing in has ", "signing in was given up after"];
            match self.mood {
                Mood::Throttled => words.push("Too many requests"),
                Mood::Refused => words.push("Identity not found"),
                _ => {}
            }
            words.iter().any(|word| said.contains(word))
        };
        match time {
            Time::Paused => expect(self.said.iter().all(told), "a sentence that does not tell of signing in"),
            // A machine that is busy lets a request wait for other reasons too.
            Time::Real if self.led_at.is_none() || self.ended.is_some() => {
                expect(self.said.iter().any(told), "no sentence tells of signing in");
            }
            Time::Real => {}
        }
        expect(self.most_programs <= 1, "several programs at once");
        faults
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let phase = if self.phase == Phase::Start { "start" } else { "refresh" };
        let outcome = match (self.led_at, self.ended) {
            (None, _) => "no lead".to_owned(),
            (Some(at), None) => format!("leads from {:.1} s to the end", at.as_secs_f64()),
            (Some(at), Some((ended, reason))) => {
                format!("leads from {:.1} s to {:.1} s: {reason}", at.as_secs_f64(), ended.as_secs_f64())
            }
        };
        let said = self.said.last().map_or("", |said| said.as_str());
        write!(f, "| {} | {phase} | {} | {outcome} | {said} |", self.what, self.mood.name())
    }
}

#[derive(Debug, Clone, Copy)]
pub enum Time {
    Paused,
    Real,
}

/// Prints the table, and then fails with what is wrong in it.
pub fn judge(seen: &[Seen], token_ends: Duration, time: Time) {
    println!("| on | when | credential | outcome | last sentence |\n|---|---|---|---|---|");
    seen.iter().for_each(|seen| println!("{seen}"));
    let faults: Vec<String> = seen.iter().flat_map(|seen| seen.faults(token_ends, time)).collect();
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}
