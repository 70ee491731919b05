//! Which attempt an event of the core answers.

use leader_election::election::{AttemptId, Event};

pub fn answered(event: &Event) -> Option<AttemptId> {
    match event {
        Event::Acquired { attempt, .. }
        | Event::Held { attempt, .. }
        | Event::Renewed { attempt }
        | Event::Lost { attempt }
        | Event::Released { attempt }
        | Event::Failed { attempt, .. } => Some(*attempt),
        _ => None,
    }
}
