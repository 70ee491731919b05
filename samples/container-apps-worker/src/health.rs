//! Whether this process is well.

use std::fmt;

use azure_leader_election::{LeaderHost, Status};

use crate::board::{Board, Phase};

/// What ails it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unhealthy {
    NotContending,
}

impl fmt::Display for Unhealthy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the host does not contend")
    }
}

/// A process that has yet to start, or that was told to end, is well although it does not contend.
pub fn check(host: &LeaderHost, board: &Board) -> Result<(), Unhealthy> {
    if board.phase() == Phase::Contending && *host.status().borrow() == Status::Stopped {
        return Err(Unhealthy::NotContending);
    }
    Ok(())
}

/// Whether a restart would mend it.
pub fn needs_restart(unhealthy: &Unhealthy) -> bool {
    match unhealthy {
        Unhealthy::NotContending => true,
    }
}
