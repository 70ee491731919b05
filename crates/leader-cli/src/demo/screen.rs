//! What the demo shows: on a terminal a table that lives, with the story below it; elsewhere the story alone, line by line.

use std::fmt::Write as _;
use std::io::{IsTerminal, Write as _};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::ledger::Ledger;
use super::workers::Crew;

pub struct Stage {
    began: Instant,
    form: Form,
    story: String,
    drawn: Option<Instant>,
}

#[derive(PartialEq, Eq)]
enum Form {
    Table,
    Lines,
    Json,
}

/// As often as an eye can follow.
const DRAW_EVERY: Duration = Duration::from_millis(100);

impl Stage {
    pub fn new(json: bool) -> Self {
        let form = match (json, std::io::stdout().is_terminal()) {
            (true, _) => Form::Json,
            (false, true) => Form::Table,
            (false, false) => Form::Lines,
        };
        Self { began: Instant::now(), form, story: String::new(), drawn: None }
    }

    /// A turn of the story.
    pub fn tell(&mut self, event: &str, mut more: Value, words: &str) {
        let elapsed = self.began.elapsed();
        let mut text = String::new();
        if self.form == Form::Json {
            more["event"] = event.into();
            more["elapsed_ms"] = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX).into();
            text = format!("{more}\n");
        } else {
            for line in words.lines() {
                let _ = writeln!(text, "{:6.2} s  {line}", elapsed.as_secs_f64());
            }
        }
        self.story.push_str(&text);
        // On a terminal the next drawing shows it; the last words have none after them.
        if self.form != Form::Table || event == "measured" {
            print(&text);
        } else {
            self.drawn = None;
        }
    }

    /// The table as it is now, with the story so far.
    pub fn draw(&mut self, crew: &Crew, ledger: &Ledger) {
        if self.form != Form::Table || self.drawn.is_some_and(|drawn| drawn.elapsed() < DRAW_EVERY) {
            return;
        }
        self.drawn = Some(Instant::now());
        let mut text = String::from("\x1b[2J\x1b[H\x1b[1mworker    state     fencing token  steps of work\x1b[0m\n");
        for worker in crew.workers() {
            let color = match worker.state {
                "leads" => "\x1b[32m",
                "killed" => "\x1b[31m",
                _ => "",
            };
            let token = worker.token.map(|token| token.to_string()).unwrap_or_default();
            let steps = worker.token.map(|token| ledger.steps_of(token).to_string()).unwrap_or_default();
            let _ = writeln!(text, "{color}{:<9} {:<9} {token:>13}  {steps:>13}\x1b[0m", worker.name, worker.state);
        }
        let _ = write!(text, "\n{}", self.story);
        print(&text);
    }
}

fn print(text: &str) {
    let mut stdout = std::io::stdout().lock();
    // Nobody may be there to look.
    let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
}
