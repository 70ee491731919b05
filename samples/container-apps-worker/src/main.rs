//! A worker for Azure Container Apps. Several run, one leads and works, and the others stand by.
//!
//! README.md says how to run it, `infra/README.md` what the deployment tells it.

mod board;
mod config;
mod emulator;
mod health;
mod page;
mod signals;
mod state;
mod store;
mod telemetry;
mod view;
mod watch;
mod web;
mod work;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use azure_leader_election::{CancellationToken, Error, ErrorKind, LeaderHost, LeaderHostOptions, Store};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tracing::{error, info};

use board::Board;
use config::{Config, Faults, Place};
use telemetry::Telemetry;
use work::Work;

/// As `EX_CONFIG` of `sysexits.h`: a setting that cannot work.
const CONFIG: u8 = 78;

#[tokio::main]
async fn main() -> ExitCode {
    let config = match Config::from_environment() {
        Ok(config) => Arc::new(config),
        Err(faults) => return refuse(&faults),
    };
    let store = match open(&config) {
        Ok(store) => store,
        Err(faults) => return refuse(&faults),
    };
    let (telemetry, log) = Telemetry::start(&config);
    let outcome = run(&config, store, telemetry).await;
    if let Err(error) = &outcome {
        error!(event = "failed", %error, cause = cause(error), "the worker ends");
    }
    // Nothing is logged after this.
    log.finish();
    if outcome.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Checks all places before it gives up, as for the other settings.
fn open(config: &Config) -> Result<Store, Faults> {
    let lease = store::open_lease(config).map_err(|error| format!("the store {} cannot work: {error}", config.store));
    let fault = |place: &Place, error: Error| format!("the state {place} cannot work: {error}");
    let state =
        config.state_place.as_ref().map(|place| store::check(place, config).map_err(|error| fault(place, error)));
    match (lease, state.transpose()) {
        (Ok(store), Ok(_)) => Ok(store),
        (lease, state) => Err([lease.err(), state.err()].into_iter().flatten().collect()),
    }
}

/// Contends until it is told to end.
async fn run(config: &Arc<Config>, store: Store, telemetry: Telemetry) -> Result<(), Error> {
    let board = Arc::new(Board::default());
    let host = LeaderHost::new(store).with_options(options(config));
    let stop_serving = CancellationToken::new();
    let server = serve(config, &host, &board, stop_serving.clone()).await?;
    watch::spawn(&host, &board);

    let shutdown = signals::shutdown(&board)?;
    let work = Arc::new(Work::new(config, &board));
    let holder = host.holder().as_str();
    info!(event = "contending", election = config.election, holder, "this worker contends");
    let outcome = host.run(shutdown, move |leader| Arc::clone(&work).lead(leader)).await;

    // The task is gone and the lease released, so the next leader is at work already. What is left can take its time; the
    // probes answer until the end.
    telemetry.shut_down().await;
    stop_serving.cancel();
    // A browser that keeps its connection must not keep the worker.
    let _ = tokio::time::timeout(Duration::from_secs(1), server).await;
    outcome
}

fn options(config: &Config) -> LeaderHostOptions {
    LeaderHostOptions {
        holder: config.holder.clone(),
        timing: config.timing.clone(),
        drain_limit: config.drain_limit,
        // The task shows that it lives at each step; one that is stuck loses the lead to another worker.
        heartbeat_limit: Some(config.step_every * 3 + Duration::from_secs(30)),
        // Nothing else could stop a task that blocks its thread; the platform starts the worker again.
        abort_process_on_overrun: true,
        // A new role assignment takes minutes to work. A worker that waits for it, and is not ready meanwhile, leads as soon as
        // it may; one that ends is started again ever more slowly.
        keep_trying_when_refused: true,
        ..LeaderHostOptions::default()
    }
}

/// Listens before the host contends, so that the probes are answered from the start.
async fn serve(
    config: &Arc<Config>,
    host: &LeaderHost,
    board: &Arc<Board>,
    stop: CancellationToken,
) -> Result<JoinHandle<std::io::Result<()>>, Error> {
    let failed = |error| {
        Error::new(ErrorKind::Runtime, format!("port {} cannot be listened on", config.port)).with_source(error)
    };
    let listener = TcpListener::bind(("0.0.0.0", config.port)).await.map_err(failed)?;
    let port = listener.local_addr().map_err(failed)?.port();
    info!(event = "listening", port, "the status page is at / and the probes are at /healthz and /readyz");
    let app = web::App { config: Arc::clone(config), host: host.clone(), board: Arc::clone(board) };
    let server = axum::serve(listener, web::router(app)).with_graceful_shutdown(stop.cancelled_owned());
    Ok(tokio::spawn(async move { server.await }))
}

/// Settings come before logging, and are for the one who deploys: plain sentences.
fn refuse(faults: &[String]) -> ExitCode {
    faults.iter().for_each(|fault| eprintln!("error: {fault}"));
    ExitCode::from(CONFIG)
}

fn cause(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
