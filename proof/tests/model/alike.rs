//! The reductions are sound: two states of one digest behave alike.
//!
//! Every other state that has the digest of an earlier one is dropped by the checker. So whatever may happen in the dropped
//! one must lead to states of the same digests as from the one that was kept.

use std::collections::{HashMap, VecDeque};
use std::hash::{Hash, Hasher};

use crate::config::Config;
use crate::seen::Tally;
use crate::world::World;

fn digest(world: &World) -> u64 {
    let mut hasher = std::hash::DefaultHasher::new();
    world.hash(&mut hasher);
    hasher.finish()
}

fn successors(world: &World) -> Vec<World> {
    let tally = Tally::default();
    world.acts().into_iter().map(|act| world.after(act, &tally)).collect()
}

/// Whether two states behave alike as far as so many steps show.
fn alike(one: &World, other: &World, steps: usize) -> bool {
    digest(one) == digest(other) || steps > 0 && lead_alike(one, other, steps)
}

/// Whether what may happen in one has a counterpart in the other.
fn lead_alike(one: &World, other: &World, steps: usize) -> bool {
    let (from_one, from_other) = (successors(one), successors(other));
    // An instant long past is forgotten only after what is reckoned from it: so equal digests may come a few steps later.
    let matched = |next: &World, among: &[World]| among.iter().any(|other| alike(next, other, steps - 1));
    from_one.iter().all(|next| matched(next, &from_other)) && from_other.iter().all(|next| matched(next, &from_one))
}

/// Compares up to so many pairs of states that are equal in nothing but their digest; how many there were.
pub fn compare(config: Config, pairs: usize) -> usize {
    let config: &'static Config = Box::leak(Box::new(config));
    let mut known: HashMap<u64, World> = HashMap::new();
    let mut pending: VecDeque<_> = World::first(config).into();
    let mut compared = 0;
    while let Some(world) = pending.pop_front().filter(|_| compared < pairs) {
        match known.get(&digest(&world)) {
            Some(first) if first == &world => {}
            Some(first) => {
                compared += 1;
                assert!(
                    lead_alike(first, &world, 4),
                    "{first:#?}\nand\n{world:#?}\nlook alike and do not behave alike"
                );
            }
            None => {
                pending.extend(successors(&world));
                known.insert(digest(&world), world);
            }
        }
    }
    compared
}
