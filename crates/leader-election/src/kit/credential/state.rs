//! What is known of a secret, and what a caller is told.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use super::Secret;
use super::schedule::LIFE_BY_A_WRONG_CLOCK;
use crate::error::{Error, ErrorKind};

#[derive(Debug, Default)]
pub(super) struct State {
    present: Option<Present>,
    /// Why the last fetch gave nothing.
    failure: Option<Error>,
    activity: Activity,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Activity {
    /// Until it is wanted.
    #[default]
    Asleep,
    Fetching {
        since: Instant,
    },
    /// Until it is time for the next fetch.
    Resting,
}

/// A secret, and until when it is used by elapsed time. The wall clock is asked too: elapsed time stands still while a
/// machine is suspended, and a wall clock can be set back.
#[derive(Debug)]
struct Present {
    secret: Secret,
    ends: Option<Instant>,
    /// It was past its end when it came, by the wall clock.
    by_a_wrong_clock: bool,
}

pub(super) enum Verdict {
    /// `due`: nobody has wanted it for so long that the time to fetch it anew was let pass.
    Good {
        secret: Secret,
        due: bool,
    },
    Failed(Error),
    Absent,
}

impl State {
    pub(super) fn verdict(&self, now: Instant, wall: SystemTime) -> Verdict {
        let good = self.present.as_ref().filter(|present| present.left(now, wall) > Duration::ZERO);
        match (good, self.activity, &self.failure) {
            (Some(present), activity, _) => {
                Verdict::Good { secret: present.secret.clone(), due: activity == Activity::Asleep }
            }
            (None, Activity::Resting, Some(failure)) => Verdict::Failed(failure.clone()),
            (None, ..) => Verdict::Absent,
        }
    }

    pub(super) fn is_good(&self, now: Instant, wall: SystemTime) -> bool {
        matches!(self.verdict(now, wall), Verdict::Good { .. })
    }

    /// Whether somebody who finds no good secret is to wait for the end of the pause.
    pub(super) fn has_failed(&self) -> bool {
        self.failure.is_some()
    }

    pub(super) fn become_active(&mut self, activity: Activity) {
        self.activity = activity;
    }

    /// Returns for how long it is used (`None`: for good), and whether it is the very one that was there.
    pub(super) fn fetched(&mut self, secret: Secret, now: Instant, wall: SystemTime) -> (Option<Duration>, bool) {
        let same = self.present.as_ref().is_some_and(|present| present.secret == secret);
        let left = secret.good_until.map(|until| until.duration_since(wall).unwrap_or_default());
        let by_a_wrong_clock = left == Some(Duration::ZERO);
        let life = if by_a_wrong_clock { Some(LIFE_BY_A_WRONG_CLOCK) } else { left };
        // A life longer than any clock goes is no end at all.
        let ends = life.and_then(|life| now.checked_add(life));
        self.present = Some(Present { secret, ends, by_a_wrong_clock });
        self.failure = None;
        self.activity = Activity::Resting;
        (ends.and(life), same)
    }

    pub(super) fn failed(&mut self, error: Error) {
        self.failure = Some(error);
        self.activity = Activity::Resting;
    }

    /// For how long the present secret is still good; zero where there is none.
    pub(super) fn left(&self, now: Instant, wall: SystemTime) -> Duration {
        self.present.as_ref().map_or(Duration::ZERO, |present| present.left(now, wall))
    }
}

impl Present {
    fn left(&self, now: Instant, wall: SystemTime) -> Duration {
        let elapsed = self.ends.map_or(Duration::MAX, |ends| ends.saturating_duration_since(now));
        let until = self.secret.good_until.filter(|_| !self.by_a_wrong_clock);
        elapsed.min(until.map_or(Duration::MAX, |until| until.duration_since(wall).unwrap_or_default()))
    }
}

/// What somebody is told who does not wait any longer.
pub(super) fn slow(state: &State, now: Instant) -> Error {
    let mut message = match state.activity {
        Activity::Fetching { since } => {
            format!("signing in has taken {} so far, and goes on", seconds(now.saturating_duration_since(since)))
        }
        Activity::Asleep | Activity::Resting => "signing in has not begun yet".to_owned(),
    };
    if let Some(failure) = &state.failure {
        message.push_str(&format!("; the try before ended so: {failure}"));
    }
    Error::new(ErrorKind::Credential, message)
}

/// In tenths below ten.
pub(super) fn seconds(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    if seconds < 9.95 { format!("{seconds:.1} s") } else { format!("{seconds:.0} s") }
}
