//! All that is not deterministic, injected once: the clock, which also tells the wall time, and randomness.
//!
//! The host and its election, the claims, and the records that a store writes draw from here and from nowhere else. So the crate
//! that runs in production is the very one that a simulator runs, whose course hangs on a seed.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use uuid::Uuid;

use crate::clock::{Clock, SystemClock, TokioClock};

/// Where a host or a mutex takes its time and its randomness from.
///
/// The default is [`system`](Self::system). Give one that you made yourself to
/// [`LeaderHost::with_sources`](crate::LeaderHost::with_sources), and to what else the test is made of. Clones share the clock and
/// the randomness: what one draws no other draws. An [`Election`](crate::election::Election) that you drive yourself takes them as
/// its [`Entropy`](crate::election::Entropy).
///
/// ```
/// use leader_election::document::{DocumentMutex, DocumentStore};
/// use leader_election::{CancellationToken, LeaderHost, Sources};
///
/// /// A term that is the same each time, on a store of your own. In a test: `#[tokio::test(start_paused = true)]`.
/// async fn leads(store: impl DocumentStore) -> leader_election::Result<()> {
///     let sources = Sources::seeded(17);
///     let mutex = DocumentMutex::new(store).with_sources(sources.clone());
///     let host = LeaderHost::new(mutex).on_caller_runtime().with_sources(sources);
///     let term = host.run_one_term(CancellationToken::new(), |leader| async move { leader.ensure().is_ok() }).await?;
///     assert_eq!(term.expect("nobody shut it down").output, Some(true));
///     Ok(())
/// }
/// ```
#[derive(Debug, Clone)]
pub struct Sources {
    clock: Arc<dyn Clock>,
    random: Random,
}

impl Sources {
    /// The machine's clocks, and the random numbers of its operating system.
    #[must_use]
    pub fn system() -> Self {
        Self { clock: Arc::new(SystemClock::new()), random: Random::System }
    }

    /// Random numbers that follow from `seed`, the same in each version of this crate, and [Tokio's clock](TokioClock), which starts
    /// now at a wall time that is always the same. On a runtime with one thread and paused time, each run is like the last.
    ///
    /// Call it inside the runtime whose time it is to show. For tests: whoever knows the seed knows the claim ids, which are secrets.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        /// The start of 2026.
        const WALL: Duration = Duration::from_secs(1_767_225_600);
        Self { clock: Arc::new(TokioClock::starting_at(WALL)), random: Random::Seeded(Arc::new(AtomicU64::new(seed))) }
    }

    /// The same randomness with another clock.
    #[must_use]
    pub fn with_clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// The time to show to people, by the clock's [wall time](Clock::wall). Never compare it with that of another machine.
    #[must_use]
    pub fn wall_time(&self) -> SystemTime {
        // A clock of the caller's may show any time; one beyond what there is shows none.
        SystemTime::UNIX_EPOCH.checked_add(self.clock.wall()).unwrap_or(SystemTime::UNIX_EPOCH)
    }

    /// The next random number, from 0 up to, but not including, 1.
    #[must_use]
    pub fn fraction(&self) -> f64 {
        (self.random.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// The next random UUID.
    #[must_use]
    pub fn uuid(&self) -> Uuid {
        let bits = u128::from(self.random.next()) << 64 | u128::from(self.random.next());
        uuid::Builder::from_random_bytes(bits.to_be_bytes()).into_uuid()
    }

    pub(crate) fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.clock)
    }
}

impl Default for Sources {
    fn default() -> Self {
        Self::system()
    }
}

#[derive(Clone)]
enum Random {
    /// The operating system's.
    System,
    /// A splitmix64 generator, by its state.
    Seeded(Arc<AtomicU64>),
}

impl Random {
    /// 64 random bits.
    fn next(&self) -> u64 {
        match self {
            // The halves of a random UUID have six fixed bits, in different places: in their sum without carry each bit is random.
            Self::System => {
                let (high, low) = Uuid::new_v4().as_u64_pair();
                high ^ low
            }
            Self::Seeded(state) => {
                const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
                let mut z = state.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
                z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
                z ^ (z >> 31)
            }
        }
    }
}

/// The state tells all claim ids to come.
impl fmt::Debug for Random {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::System => "System",
            Self::Seeded(_) => "Seeded",
        })
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::*;

    #[test]
    fn a_seed_gives_the_same_numbers_for_ever() {
        let sources = Sources::seeded(1234567);
        // The first ones of the generator's reference implementation.
        let numbers = [0, 1, 2].map(|_| sources.random.next());
        assert_eq!(numbers, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
    }

    #[test]
    fn clones_never_draw_the_same_number() {
        let sources = Sources::seeded(7);
        let (one, other) = (sources.clone().uuid(), sources.uuid());
        assert_ne!(one, other);
        assert_eq!(one, Sources::seeded(7).uuid());
    }

    #[test]
    fn a_uuid_says_that_it_is_a_random_one() {
        for sources in [Sources::system(), Sources::seeded(0)] {
            assert_eq!(sources.uuid().get_version(), Some(uuid::Version::Random));
        }
    }

    #[test]
    fn every_bit_of_the_systems_numbers_is_random() {
        let sources = Sources::system();
        let (all, none) = (0..200).map(|_| sources.random.next()).fold((u64::MAX, 0), |(and, or), n| (and & n, or | n));
        assert_eq!((all, none), (0, u64::MAX), "a bit that never changes");
    }

    #[test]
    fn fractions_are_below_one_and_spread() {
        for sources in [Sources::system(), Sources::seeded(3)] {
            let drawn: Vec<_> = (0..1_000).map(|_| sources.fraction()).collect();
            assert!(drawn.iter().all(|fraction| (0.0..1.0).contains(fraction)));
            let mean = drawn.iter().sum::<f64>() / 1_000.0;
            assert!((0.4..0.6).contains(&mean), "{mean}");
        }
    }

    #[test]
    fn debug_tells_no_claim_id_to_come() {
        let text = format!("{:?}", Sources::seeded(0xdead_beef));
        assert!(text.contains("Seeded") && !text.contains(&0xdead_beef_u64.to_string()), "{text}");
    }

    #[tokio::test(start_paused = true)]
    async fn wall_time_is_that_of_the_clock() {
        let (sources, other) = (Sources::seeded(1), Sources::seeded(2));
        let begun = sources.wall_time();
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!(sources.wall_time(), begun + Duration::from_secs(60));
        assert_eq!(sources.wall_time(), other.wall_time());
    }

    /// What is drawn past the sources is not in the simulator's hand.
    #[test]
    fn nothing_else_draws_randomness_or_wall_time() {
        /// These wait for no election: they sign in, ask the service's time, or are the command.
        const APART: [&str; 5] =
            ["clock.rs", "kit/credential", "sources.rs", "stores/file/document.rs", "kit/service_time.rs"];
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut found = vec![];
        for path in rust_files(&source) {
            let name = path.strip_prefix(&source).expect("inside").to_string_lossy().replace('\\', "/");
            if APART.iter().any(|apart| name.starts_with(apart)) {
                continue;
            }
            let text = std::fs::read_to_string(&path).expect("it can be read");
            let draws = |line: &&str| ["new_v4", "SystemTime::now", "RandomState"].iter().any(|way| line.contains(way));
            found.extend(text.lines().filter(draws).map(|line| format!("{name}: {}", line.trim())));
        }
        assert!(found.is_empty(), "draw it from `Sources` instead:\n{}", found.join("\n"));
    }

    fn rust_files(folder: &Path) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
        let files = entries.flat_map(|path| if path.is_dir() { rust_files(&path) } else { vec![path] });
        files.filter(|path| path.extension().is_some_and(|extension| extension == "rs")).collect()
    }
}
