//! What tells the worker to end.

use std::sync::Arc;

use azure_leader_election::CancellationToken;
use tracing::info;

use crate::board::{Board, Phase};

/// Cancelled by the first signal, upon which the lead is handed over; a second one ends the process at once.
pub fn shutdown(board: &Arc<Board>) -> CancellationToken {
    let (token, board) = (CancellationToken::new(), Arc::clone(board));
    let told = token.clone();
    tokio::spawn(async move {
        let signal = next_signal().await;
        info!(event = "told_to_end", signal, "this worker hands over and ends");
        board.enter(Phase::Draining);
        told.cancel();
        next_signal().await;
        std::process::exit(130);
    });
    token
}

/// A container is stopped with SIGTERM, a program in a terminal with Ctrl-C.
#[cfg(unix)]
async fn next_signal() -> &'static str {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => "SIGINT",
        _ = terminate.recv() => "SIGTERM",
    }
}

#[cfg(not(unix))]
async fn next_signal() -> &'static str {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
    "Ctrl-C"
}
