//! The world as stateright sees it, and what a run of the checker found.

use std::sync::Arc;

use stateright::{Checker, HasDiscoveries, Model, Property};

use super::action::Act;
use super::broken::Broken;
use super::config::Config;
use super::path;
use super::seen::{Seen, Tally};
use super::world::World;

#[derive(Clone)]
pub struct Leadership {
    pub config: &'static Config,
    pub tally: Arc<Tally>,
}

impl Leadership {
    pub fn new(config: Config) -> Self {
        Self { config: Box::leak(Box::new(config)), tally: Arc::default() }
    }
}

impl Model for Leadership {
    type State = World;
    type Action = Act;

    fn init_states(&self) -> Vec<World> {
        self.config.rates.iter().map(|(candidates, store)| World::new(self.config, candidates, *store)).collect()
    }

    fn actions(&self, state: &World, actions: &mut Vec<Act>) {
        state.acts(actions);
    }

    fn next_state(&self, state: &World, action: Act) -> Option<World> {
        Some(state.after(action, &self.tally))
    }

    fn properties(&self) -> Vec<Property<Self>> {
        // A property is a function, not a closure: it cannot carry the promise that it is about.
        macro_rules! promises {
            ($($broken:ident)*) => {
                vec![$(Property::always(Broken::$broken.promise(), |_, world: &World| {
                    world.broken != Some(Broken::$broken)
                })),*]
            };
        }
        promises!(OneValid OneTask TokensRise Counted Covered StoppedInTime ReleasedLast RenewedInDrain OneAtATime
            StaysEnded Settled LossCancels TroubleDoesNot Granted JumpEnds Wakes DrainBounded Alternates)
    }
}

/// What a run of the checker found.
pub struct Outcome {
    pub config: &'static Config,
    pub tally: Arc<Tally>,
    pub unique: usize,
    pub total: usize,
    pub depth: usize,
    /// A path to each promise that was broken: the shortest, if one thread looked for it.
    pub broken: Vec<(Broken, path::Path)>,
    pub seconds: f64,
}

/// No world is to be larger than this, or a mistake in the model would run until the memory is full.
const MOST: usize = 200_000_000;

/// Looks at every state that can be reached, or at all until the first broken promise.
pub fn exhaust(config: Config, threads: usize) -> Outcome {
    let model = Leadership::new(config);
    let begun = std::time::Instant::now();
    let run = |threads: usize| {
        let checker = model.clone().checker().threads(threads).target_state_count(MOST);
        checker.finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join()
    };
    let mut checker = run(threads);
    if !checker.discoveries().is_empty() && threads > 1 {
        // Several threads find any path; one finds the shortest.
        checker = run(1);
    }
    let found = checker.discoveries();
    let broken = |name: &str| Broken::ALL.into_iter().find(|broken| broken.promise() == name).expect("a promise");
    let broken = found.into_iter().map(|(name, path)| (broken(name), path::Path::of(path))).collect::<Vec<_>>();
    assert!(checker.state_count() < MOST, "{}: not exhausted", model.config.name);
    assert!(!broken.is_empty() || checker.is_done(), "{}: not exhausted", model.config.name);
    Outcome {
        config: model.config,
        tally: model.tally,
        unique: checker.unique_state_count(),
        total: checker.state_count(),
        depth: checker.max_depth(),
        broken,
        seconds: begun.elapsed().as_secs_f64(),
    }
}

impl Outcome {
    pub fn print(&self) {
        let Self { config, unique, total, depth, broken, seconds, .. } = self;
        let (name, violations) = (config.name, broken.len());
        println!(
            "{name}: unique_states={unique} violations={violations} generated={total} depth={depth} seconds={seconds:.1}"
        );
        for (broken, path) in &self.broken {
            println!("{}", path.tell(self.config, Some(*broken)));
        }
    }

    /// What should have come to pass and did not.
    pub fn missed(&self) -> Vec<Seen> {
        self.config.expects.iter().copied().filter(|seen| self.tally.of(*seen) == 0).collect()
    }
}
