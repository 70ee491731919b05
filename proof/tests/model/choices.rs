//! What may happen in a state.

use super::action::{Act, Fate};
use super::ghost::Order;
use super::host::{Body, Host};
use super::world::World;

impl World {
    pub fn acts(&self) -> Vec<Act> {
        let mut acts = vec![];
        self.add_acts(&mut acts);
        acts
    }

    pub fn add_acts(&self, acts: &mut Vec<Act>) {
        if self.broken.is_some() {
            return;
        }
        // What was just sent meets its fate first: nothing that happens in between could tell the difference.
        let sender = self.hosts.iter().position(|host| host.fresh().is_some());
        if let Some((sender, host)) = sender.map(|sender| (sender, &self.hosts[sender])) {
            self.fates(host, |fate| acts.push(Act::Fate(sender as u8, fate)));
            return;
        }
        for (index, host) in self.hosts.iter().enumerate() {
            self.acts_of(index as u8, host, acts);
        }
        if self.left.breaks > 0 && self.store.is_running(self.config, self.store_now()) {
            acts.push(Act::Break);
        }
        if self.left.rollbacks > 0 && self.store.record.is_some() {
            acts.push(Act::RollBack);
        }
        if let Some(to) = self.next_tick() {
            acts.push(Act::Pass { to });
        }
    }

    fn fates(&self, host: &Host, mut push: impl FnMut(Fate)) {
        let left = &self.left;
        let awaited = host.fresh().is_some_and(|fresh| host.awaits(&host.net[fresh]));
        push(Fate::Prompt);
        if left.losses > 0 || !awaited {
            push(Fate::LoseRequest);
        }
        if left.losses > 0 && awaited {
            push(Fate::LoseAnswer);
        }
        if left.failures > 0 && awaited {
            push(Fate::Fail { carried_out: true });
            push(Fate::Fail { carried_out: false });
        }
        if left.delays > 0 {
            push(Fate::DelayRequest);
        }
        if left.delays > 0 && awaited {
            push(Fate::DelayAnswer);
        }
        if left.doubles > 0 && awaited {
            push(Fate::DoubleRequest);
            push(Fate::DoubleAnswer);
        }
    }

    fn acts_of(&self, index: u8, host: &Host, acts: &mut Vec<Act>) {
        let left = &self.left;
        for (late, message) in host.net.iter().enumerate() {
            let reaches = host.is_up() || matches!(message.body, Body::Request(_));
            if reaches && !host.net[..late].contains(message) {
                acts.push(Act::Arrive(index, late as u8));
            }
        }
        if host.election.is_none() {
            if left.starts > 0 {
                acts.push(Act::Start(index));
            }
            return;
        }
        // The process of an idle standby may stand still or die unnoticed.
        let matters = host.ghost.task.is_some() || host.ghost.flight.is_some() || !host.net.is_empty();
        if left.crashes > 0 && matters {
            acts.push(Act::Crash(index));
        }
        if host.paused {
            acts.push(Act::Resume(index));
            return;
        }
        if host.is_behind(self.now) {
            acts.push(Act::Wake(index));
        }
        if left.pauses > 0 && matters {
            acts.push(Act::Pause(index));
        }
        if left.jumps > 0 {
            acts.push(Act::Jump(index));
        }
        let order = host.ghost.task.map(|task| task.order);
        if left.wishes > 0 {
            acts.push(Act::Shutdown(index));
            if order == Some(Order::Run) {
                acts.push(Act::StepDown(index));
            }
        }
        if order.is_some_and(|order| order > Order::Run || left.wishes > 0) {
            acts.push(Act::TaskEnds(index));
        }
        if host.ghost.is_going() && left.overruns > 0 {
            acts.push(Act::Overrun(index));
        }
    }
}
