//! The world as stateright sees it, and what a run of the checker found.

use std::sync::Arc;
use std::time::Instant;

use stateright::{Checker, HasDiscoveries, Model, Property};

use super::action::Act;
use super::config::Config;
use super::path::Path;
use super::seen::{Seen, Tally};
use super::world::World;
use testkit::Rule;

/// The property that all promises are kept.
const KEPT: &str = "every promise is kept";

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
        World::first(self.config)
    }

    fn actions(&self, state: &World, actions: &mut Vec<Act>) {
        state.add_acts(actions);
    }

    fn next_state(&self, state: &World, action: Act) -> Option<World> {
        Some(state.after(action, &self.tally))
    }

    fn properties(&self) -> Vec<Property<Self>> {
        // One property for all promises: the state says which of them was broken, and a property costs a look at each state.
        vec![
            Property::always(KEPT, |_, world: &World| world.broken.is_none()),
            Property::sometimes("a takeover happens", |model: &Self, _| model.tally.of(Seen::Takeover) > 0),
            Property::sometimes("a term ends because no renewal succeeds", |model: &Self, _| {
                model.tally.of(Seen::RenewalTimedOut) > 0
            }),
        ]
    }
}

/// What a run of the checker found.
pub struct Outcome {
    pub config: &'static Config,
    pub tally: Arc<Tally>,
    pub unique: usize,
    total: usize,
    depth: usize,
    /// The first promise that was found broken, and the shortest path to it.
    pub broken: Option<(Rule, Path)>,
    seconds: f64,
}

/// No world is to be larger than this, or a mistake in the model would fill the memory.
const MOST: usize = 200_000_000;

/// Looks at every state that can be reached, or at all until the first broken promise.
pub fn exhaust(config: Config, threads: usize) -> Outcome {
    let model = Leadership::new(config);
    let begun = Instant::now();
    let run = |threads: usize| {
        let checker = model.clone().checker().threads(threads).target_state_count(MOST);
        checker.finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join()
    };
    let mut checker = run(threads);
    if checker.discovery(KEPT).is_some() && threads > 1 {
        // Several threads find any path; one finds the shortest.
        checker = run(1);
    }
    let found = checker.discovery(KEPT).map(Path::of);
    let broken = found.and_then(|(last, path)| last.broken.map(|broken| (broken, path)));
    // The checker also stops when it has generated enough; then it has proven nothing.
    let exhausted = checker.is_done() && checker.state_count() < MOST;
    assert!(exhausted || broken.is_some(), "{}: not exhausted", model.config.name);
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
    pub fn violations(&self) -> usize {
        usize::from(self.broken.is_some())
    }

    pub fn print(&self) {
        let Self { config, unique, total, depth, seconds, .. } = self;
        let (name, violations) = (config.name, self.violations());
        println!(
            "{name}: unique_states={unique} violations={violations} generated={total} depth={depth} seconds={seconds:.1}"
        );
        if let Some((_, path)) = &self.broken {
            println!("{}", path.tell(config));
        }
    }

    /// What should have come to pass and did not.
    pub fn missed(&self) -> Vec<Seen> {
        self.config.expects.iter().copied().filter(|seen| self.tally.of(*seen) == 0).collect()
    }
}
