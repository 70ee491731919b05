//! What tells the worker to end.

use std::sync::Arc;

use azure_leader_election::{CancellationToken, Result, shutdown_signal};
use tracing::info;

use crate::board::{Board, Phase};

/// Cancelled by the first signal, upon which the lead is handed over; a second one ends the process at once.
pub fn shutdown(board: &Arc<Board>) -> Result<CancellationToken> {
    let (shutdown, board) = (shutdown_signal()?, Arc::clone(board));
    let told = shutdown.clone();
    tokio::spawn(async move {
        told.cancelled().await;
        info!(event = "told_to_end", "this worker hands over and ends");
        board.enter(Phase::Draining);
    });
    Ok(shutdown)
}
