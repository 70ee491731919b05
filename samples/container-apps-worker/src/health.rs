//! Whether this process is well.

use azure_leader_election::{LeaderHost, Unhealthy};

use crate::board::{Board, Phase};

/// What is wrong. A process that has yet to start, or that was told to end, is well although it does not contend.
pub fn ailment(host: &LeaderHost, board: &Board) -> Option<Unhealthy> {
    let ailment = host.health().err()?;
    let is_its_time = board.phase() == Phase::Contending;
    (ailment != Unhealthy::NotContending || is_its_time).then_some(ailment)
}

/// Whether a restart would mend it. If the store is out of reach, restarting every worker would make things worse.
pub fn needs_restart(ailment: &Unhealthy) -> bool {
    !matches!(ailment, Unhealthy::StoreOutOfReach { .. })
}

/// Whether a deployment may go on: this worker would lead if nobody else did. It stays so while the store is out of reach, as
/// taking the status page off the network would help nobody.
pub fn is_ready(host: &LeaderHost, board: &Board) -> bool {
    board.phase() == Phase::Contending && host.has_reached_store()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use azure_leader_election::MemoryMutex;

    use super::*;

    #[test]
    fn a_host_that_does_not_run_is_ill_only_while_it_should() {
        let (host, board) = (LeaderHost::new(MemoryMutex::new()), Board::default());
        assert_eq!(ailment(&host, &board), None, "it has yet to start");
        board.enter(Phase::Contending);
        assert_eq!(ailment(&host, &board), Some(Unhealthy::NotContending));
        board.enter(Phase::Draining);
        assert_eq!(ailment(&host, &board), None, "it was told to end");
    }

    #[test]
    fn an_outage_of_the_store_restarts_nobody() {
        assert!(!needs_restart(&Unhealthy::StoreOutOfReach { failing_for: Duration::from_secs(60) }));
        assert!(needs_restart(&Unhealthy::NotContending));
    }
}
