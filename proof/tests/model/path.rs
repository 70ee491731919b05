//! How a path through the states is told, and followed again.

use std::fmt::Write;

use super::action::Act;
use super::clock::{Tick, name_of};
use super::config::Config;
use super::host::{Body, Host};
use super::seen::Tally;
use super::world::World;

/// The number of the first state, and then at each state which of the things that may happen did happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path(Vec<usize>);

impl Path {
    /// The path and the state that it leads to.
    pub fn of(path: stateright::Path<World, Act>) -> (World, Self) {
        let steps = path.into_vec();
        let first = &steps[0].0;
        let mut indices: Vec<_> =
            World::first(first.config).iter().position(|world| world == first).into_iter().collect();
        for (world, act) in &steps {
            indices.extend(act.and_then(|act| world.acts().iter().position(|one| *one == act)));
        }
        let last = steps.into_iter().next_back().expect("a path has a state").0;
        (last, Self(indices))
    }

    pub fn parse(text: &str) -> Self {
        Self(text.split('.').map(|index| index.parse().expect("a path is made of numbers")).collect())
    }

    /// The path as a list of what happened when, and how to follow it again.
    pub fn tell(&self, config: &'static Config) -> String {
        let mut text = String::new();
        let tally = Tally::default();
        let mut world = World::first(config).swap_remove(self.0[0]);
        let begun = world.now;
        let _ = writeln!(text, "on a {:?} store whose clock is {}", config.kind, name_of(world.clock.rate));
        for (step, index) in self.0[1..].iter().enumerate() {
            let acts = world.acts();
            let act = *acts.get(*index).expect("a path of this very model");
            let next = world.after(act, &tally);
            let at = u64::from(next.now - begun) as f64 * config.tick_ms as f64 / 1_000.0;
            let who = act.host().map(|host| format!("{}: ", world.hosts[host].name())).unwrap_or_default();
            let _ = writeln!(text, "{:>4}. {at:>6.1} s  {who}{act}{}", step + 1, consequence(&world, &next, begun));
            world = next;
        }
        let found = world.broken.map_or_else(|| "no promise is broken".to_owned(), |rule| rule.to_string());
        let _ = writeln!(text, "      then: {found}");
        let path = self.0.iter().map(usize::to_string).collect::<Vec<_>>().join(".");
        let _ = write!(
            text,
            "replay: MODEL_PATH={}:{path} cargo test --release --test model replay -- --nocapture",
            config.name
        );
        text
    }
}

/// What changed for the candidates.
fn consequence(before: &World, after: &World, begun: Tick) -> String {
    let mut text = String::new();
    for (old, new) in before.hosts.iter().zip(&after.hosts) {
        for sign in signs(old, new, begun) {
            let _ = write!(text, "; {} {sign}", new.index);
        }
    }
    if before.store.record != after.store.record {
        let _ = match after.store.record {
            Some(record) => write!(
                text,
                "; the store's record: claim {} of {}, token +{}, {}",
                record.claim.number,
                record.claim.host,
                record.token - super::canon::FIRST_TOKEN,
                record.until.map_or("free".into(), |until| format!(
                    "{:.1} s left",
                    until.saturating_sub(after.store_now()) as f64 / 1e3
                ))
            ),
            None => write!(text, "; the store's record is gone"),
        };
    }
    text
}

fn signs(old: &Host, new: &Host, begun: Tick) -> Vec<String> {
    let mut signs = vec![];
    let order = |host: &Host| host.ghost.task.map(|task| task.order);
    if order(old) != order(new) {
        signs.push(order(new).map_or("has no task any more".into(), |order| format!("orders its task to {order:?}")));
    }
    if old.ghost.flight != new.ghost.flight {
        signs.extend(new.ghost.flight.map(|flight| format!("sends {:?}", flight.what)));
    }
    if old.valid_until() != new.valid_until() {
        signs.push(new.valid_until().map_or("is not valid".into(), |until| {
            let left = until.since(new.clock.at(begun)).as_secs_f64();
            format!("is valid until {left:.3} s by its own clock")
        }));
    }
    let late = |host: &Host| host.net.iter().filter(|message| message.late).count();
    if late(new) > late(old) {
        let what = new.net.last().map(|message| match &message.body {
            Body::Request(request) => format!("{:?}", request.what),
            Body::Answer(answer) => format!("{answer:?}"),
        });
        signs.extend(what.map(|what| format!("has a late message under way: {what}")));
    }
    signs
}
