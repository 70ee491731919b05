//! `leader status`: who leads.

use std::time::{Duration, Instant};

use crate::arguments::Status;
use crate::exit::{FOREIGN, Failure, NO};
use crate::observe::{Sight, State, Watcher, last_seen_in_words};
use crate::store::{Opened, Purpose};

const LOOK_EVERY: Duration = Duration::from_millis(100);

pub async fn status(arguments: Status, json: bool) -> Result<u8, Failure> {
    let opened = Opened::open(&arguments.which, Purpose::Look)?;
    let mut watcher = Watcher::new(&opened, arguments.timeout);
    let began = Instant::now();
    let mut sight = watcher.look().await?;
    while sight.state == State::OnRecord && began.elapsed() < arguments.wait {
        tokio::time::sleep(pause(&watcher, &sight)).await;
        sight = match watcher.look().await {
            Ok(sight) => sight,
            Err(error) => {
                let failure = Failure::from(error);
                return Err(match watcher.last_seen() {
                    Some(seen) => failure.at(&last_seen_in_words(seen)),
                    None => failure,
                });
            }
        };
    }
    if json {
        println!("{}", sight.json(&opened));
    } else {
        println!("{}: {}", opened.election, in_words(&sight, &opened));
    }
    Ok(match sight.state {
        State::Leading | State::OnRecord => 0,
        State::Foreign => FOREIGN,
        State::Lapsed | State::Free | State::Unknown | State::Breaking => NO,
    })
}

/// Often enough to answer soon, and rarely enough to cost little.
fn pause(watcher: &Watcher<'_>, sight: &Sight) -> Duration {
    let leader = sight.leader.as_ref();
    let rhythm = leader.and_then(|leader| leader.renew_every).unwrap_or_default() / 5;
    let lapses_in = watcher.lapses_in(leader.and_then(|leader| leader.lease).unwrap_or_default());
    rhythm.min(lapses_in).clamp(LOOK_EVERY, Duration::from_secs(1))
}

fn in_words(sight: &Sight, opened: &Opened) -> String {
    match sight.state {
        State::Unknown => format!("nobody has ever led: there is no such election in {} yet", opened.place),
        _ => sight.sentence(),
    }
}
