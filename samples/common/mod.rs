//! What the worker samples share: the leader's task, and a line of output for each event.

// A writer of lines that never makes a leader wait for a reader; the command `leader` has it, too.
#[path = "../../crates/leader-cli/src/lines.rs"]
#[allow(dead_code)]
mod lines;

use std::process::ExitCode;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use azure_core::credentials::TokenCredential;
use azure_identity::{
    DeveloperToolsCredential, ManagedIdentityCredential, ManagedIdentityCredentialOptions, UserAssignedId,
    WorkloadIdentityCredential,
};
use azure_leader_election::{
    Error, ErrorKind, HolderId, LeaderEvent, LeaderEvents, LeaderHost, Leadership, SharedCredential, Status,
    StatusWatch, TaskError, shutdown_signal,
};
use clap::ValueEnum;

/// How to sign in to Azure.
#[derive(Clone, Copy, ValueEnum)]
pub enum Credential {
    DeveloperTools,
    ManagedIdentity,
    WorkloadIdentity,
}

/// Ends the process: well, or with the error and all its causes.
pub fn end(outcome: Result<(), TaskError>) -> ExitCode {
    let code = match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            lines::stderr().write(format!("error: {error}"));
            let causes = std::iter::successors(error.source(), |cause| cause.source());
            causes.for_each(|cause| lines::stderr().write(format!("  because: {cause}")));
            ExitCode::FAILURE
        }
    };
    // Gives the last lines a moment to be read.
    stdout().finish(lines::LAST_WORDS);
    lines::stderr().finish(lines::LAST_WORDS);
    code
}

fn stdout() -> &'static lines::Lines {
    static STDOUT: OnceLock<lines::Lines> = OnceLock::new();
    STDOUT.get_or_init(|| lines::Lines::to(std::io::stdout(), lines::in_words))
}

/// Log lines go to stderr; `RUST_LOG=info` shows more of them.
pub fn log() {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "warn".into());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(lines::stderr).init();
}

/// Contends, and runs the task while leading, until a signal comes. A second signal ends the process at once.
pub async fn work<F, Fut>(host: LeaderHost, task: F) -> Result<(), TaskError>
where
    F: FnMut(Leadership) -> Fut + Send + 'static,
    Fut: Future<Output = Result<(), TaskError>> + Send + 'static,
{
    tokio::spawn(narrate(host.holder().clone(), host.events()));
    tokio::spawn(narrate_standby(host.holder().clone(), host.watch_status()));
    host.run(shutdown_signal()?, task).await?;
    Ok(())
}

/// The work that only one of all workers may do at a time.
pub async fn my_leader_coordinator_task(leader: Leadership) -> Result<(), TaskError> {
    let token = leader.fencing_token();
    tell(leader.holder(), &format!("task started token={token}"));
    let mut step = tokio::time::interval(Duration::from_secs(1));
    while leader.token().run_until_cancelled(step.tick()).await.is_some() {
        leader.heartbeat();
        // The last look before each write: a process that was paused does not get past it.
        leader.ensure().inspect_err(|refusal| tell(leader.holder(), &format!("refused: {refusal}")))?;
        tell(leader.holder(), &format!("coordinating token={token}"));
    }
    let verdict = leader.ensure().map_or_else(|refusal| refusal.to_string(), |()| "still the leader".to_owned());
    tell(leader.holder(), &format!("task cancelled token={token} ensure: {verdict}"));
    Ok(())
}

/// A credential for all that the worker does. `AZURE_CLIENT_ID` names a managed identity that was assigned by a user, of which
/// a machine can have several.
pub fn sign_in(credential: Credential) -> azure_leader_election::Result<SharedCredential> {
    let opened: azure_core::Result<Arc<dyn TokenCredential>> = match credential {
        Credential::DeveloperTools => DeveloperToolsCredential::new(None).map(|credential| credential as _),
        Credential::ManagedIdentity => managed_identity().map(|credential| credential as _),
        Credential::WorkloadIdentity => WorkloadIdentityCredential::new(None).map(|credential| credential as _),
    };
    opened.map(SharedCredential::new).map_err(|error| {
        let message = format!("signing in to Azure failed: {error}");
        Error::new(ErrorKind::Credential, message)
    })
}

/// That of this machine, app or pod; `AZURE_CLIENT_ID` names a user-assigned one.
fn managed_identity() -> azure_core::Result<Arc<ManagedIdentityCredential>> {
    let id = std::env::var("AZURE_CLIENT_ID").ok().filter(|id| !id.is_empty()).map(UserAssignedId::ClientId);
    let options = ManagedIdentityCredentialOptions { user_assigned_id: id, ..Default::default() };
    ManagedIdentityCredential::new(Some(options))
}

async fn narrate(holder: HolderId, mut events: LeaderEvents) {
    while let Some(event) = events.recv().await {
        match event {
            LeaderEvent::Elected { fencing_token } => tell(&holder, &format!("elected token={fencing_token}")),
            LeaderEvent::Ended { fencing_token, reason, detail, .. } => {
                let detail = detail.map(|detail| format!(" ({detail})")).unwrap_or_default();
                tell(&holder, &format!("ended token={fencing_token} reason={reason}{detail}"));
            }
            LeaderEvent::AttemptFailed { operation, error } => tell(&holder, &format!("{operation} failed: {error}")),
            _ => {}
        }
    }
}

async fn narrate_standby(holder: HolderId, mut status: StatusWatch) {
    while let Some(status) = status.changed().await {
        if let Status::Standby { leader: Some(leader), .. } = status {
            tell(&holder, &format!("standby, {} leads with token={}", leader.holder, leader.fencing_token));
        }
    }
}

/// A line per event, with the time in milliseconds since 1970, so that the output of several workers can be merged.
pub fn tell(holder: &HolderId, event: &str) {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    stdout().write(format!("{} {holder} {event}", now.as_millis()));
}
