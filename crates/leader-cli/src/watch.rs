//! `leader watch`: who leads, live.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant, SystemTime};

use azure_leader_election::Leader;
use serde_json::json;

use crate::arguments::Watch;
use crate::exit::{self, Failure};
use crate::observe::{Observer, Sight, State, last_seen_in_words};
use crate::output::{leader_json, timestamp};
use crate::store::{Opened, Purpose};

/// How many past changes a terminal shows.
const REMEMBERED: usize = 10;
const CLEAR: &str = "\x1b[2J\x1b[H";

pub async fn watch(arguments: Watch, json: bool) -> Result<u8, Failure> {
    let opened = Opened::open(&arguments.which, Purpose::Look)?;
    let every = arguments.every.max(Duration::from_millis(50));
    let end = arguments.limit.map(|limit| Instant::now() + limit);
    let mut view = View { opened: &opened, json, live: !json && std::io::stdout().is_terminal(), past: Vec::new() };
    let mut observer = Observer::new(&opened, Duration::from_secs(10));
    let mut last: Option<Result<Sight, String>> = None;
    loop {
        let sight = match observer.look().await {
            Ok(sight) => Ok(sight),
            // Before there was any answer, something is set up wrongly.
            Err(error) if last.is_none() => return Err(error.into()),
            Err(error) => Err(exit::sentence(&error)),
        };
        let changed = last.as_ref() != Some(&sight);
        if !view.show(&sight, changed, observer.last_seen()) {
            // Nobody reads any more.
            return Ok(0);
        }
        last = Some(sight);
        if end.is_some_and(|end| Instant::now() + every >= end) {
            return Ok(0);
        }
        tokio::time::sleep(every).await;
    }
}

struct View<'a> {
    opened: &'a Opened,
    json: bool,
    live: bool,
    past: Vec<String>,
}

impl View<'_> {
    fn show(&mut self, sight: &Result<Sight, String>, changed: bool, last_seen: Option<(&Leader, Duration)>) -> bool {
        let at = timestamp(SystemTime::now());
        let sentence = match (sight, last_seen) {
            (Ok(sight), _) => sight.sentence(),
            (Err(error), Some(seen)) => format!("{}; no answer since: {error}", last_seen_in_words(seen)),
            (Err(error), None) => format!("no answer: {error}"),
        };
        let text = if self.json {
            let mut object = match sight {
                Ok(sight) => sight.json_of(self.opened),
                Err(error) => json!({
                    "election": self.opened.election,
                    "error": error,
                    "last_seen": last_seen.map(|(leader, ago)| json!({ "leader": leader_json(leader), "ago_ms": ago.as_millis() })),
                }),
            };
            object["at"] = at.into();
            format!("{object}\n")
        } else if self.live {
            if changed {
                self.past.push(format!("{at}  {sentence}"));
                let surplus = self.past.len().saturating_sub(REMEMBERED);
                self.past.drain(..surplus);
            }
            self.screen(sight, &sentence, &at)
        } else {
            format!("{at} {}: {sentence}\n", self.opened.election)
        };
        if !changed && !self.live {
            return true;
        }
        let mut stdout = std::io::stdout().lock();
        stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).is_ok()
    }

    fn screen(&self, sight: &Result<Sight, String>, sentence: &str, at: &str) -> String {
        let Opened { election, store } = self.opened;
        let color = match sight.as_ref().map(|sight| sight.state) {
            Ok(State::Leading) => "\x1b[32m",
            Ok(State::OnRecord | State::Breaking) => "\x1b[33m",
            _ => "\x1b[31m",
        };
        let past = self.past.join("\n");
        format!("{CLEAR}\x1b[1m{election}\x1b[0m in {store}   {at}\n\n{color}{sentence}\x1b[0m\n\n{past}\n")
    }
}
