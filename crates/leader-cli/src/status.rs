//! `leader status`: who leads.

use std::time::{Duration, Instant};

use crate::arguments::Status;
use crate::exit::{FOREIGN, Failure, NO};
use crate::observe::{Observer, Sight, State, last_seen_in_words};
use crate::store::{Opened, Purpose};

const LOOK_EVERY: Duration = Duration::from_millis(100);

pub async fn status(arguments: Status, json: bool) -> Result<u8, Failure> {
    let opened = Opened::open(&arguments.which, Purpose::Look)?;
    let sight = see(&opened, arguments.wait, arguments.timeout).await?;
    if json {
        println!("{}", sight.json_of(&opened));
    } else {
        println!("{}: {}", opened.election, in_words(&sight, &opened));
    }
    Ok(match sight.state {
        State::Leading | State::OnRecord => 0,
        State::Foreign => FOREIGN,
        State::Lapsed | State::Free | State::Unknown | State::Breaking => NO,
    })
}

/// Watches for that long, at most, whether the leader on record still renews.
pub async fn see(opened: &Opened, wait: Duration, timeout: Duration) -> Result<Sight, Failure> {
    let mut observer = Observer::new(opened, timeout);
    let began = Instant::now();
    let mut sight = observer.look().await?;
    while sight.state == State::OnRecord && began.elapsed() < wait {
        tokio::time::sleep(pause(&observer, &sight)).await;
        sight = match observer.look().await {
            Ok(sight) => sight,
            Err(error) => {
                let failure = Failure::from(error);
                return Err(match observer.last_seen() {
                    Some(seen) => failure.at(&last_seen_in_words(seen)),
                    None => failure,
                });
            }
        };
    }
    Ok(sight)
}

/// Often enough to answer soon, and rarely enough to cost little.
fn pause(observer: &Observer<'_>, sight: &Sight) -> Duration {
    let leader = sight.leader.as_ref();
    let rhythm = leader.and_then(|leader| leader.renew_every).unwrap_or_default() / 5;
    let lapses_in = observer.lapses_in(leader.and_then(|leader| leader.lease).unwrap_or_default());
    rhythm.min(lapses_in).clamp(LOOK_EVERY, Duration::from_secs(1))
}

fn in_words(sight: &Sight, opened: &Opened) -> String {
    match sight.state {
        State::Unknown => format!("nobody has ever led: there is no such election in {} yet", opened.store),
        _ => sight.sentence(),
    }
}
