//! `leader run`: contends, and runs a command while it leads.

mod job;
mod nested;
mod program;
mod reaper;
mod signals;
mod supervised;
mod wait;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use azure_leader_election::{
    CancellationToken, DistributedMutex, EndReason, Error, ErrorKind, HolderId, LeaderEvents, LeaderHost,
    LeaderHostOptions, Timing, TimingOptions,
};

use crate::arguments::Run;
use crate::environment::environment;
use crate::exit::{self, Failure, INTERNAL, NOT_ENDED, TRY_AGAIN};
use crate::guardian;
use crate::output::{Form, Voice};
use crate::store::{Opened, Purpose};
use job::{Job, Outcome};
use signals::Signals;
use wait::Wait;

/// By how much the host waits longer than this worker does.
const DRAIN_MARGIN: Duration = Duration::from_secs(2);
/// How long those who listen to the host may take to notice its end.
const LAST_WORDS: Duration = Duration::from_secs(1);

pub async fn run(arguments: Run, json: bool, verbose: bool) -> Result<u8, Failure> {
    let opened = Opened::open(&arguments.which, Purpose::Contend)?;
    let within = nested::enter(&opened, environment(nested::VARIABLE), environment("LEADER_HOLDER"))?;
    let holder = holder(arguments.holder.as_deref())?;
    let timing = timing(&arguments)?;
    if let Some(program) = arguments.command.first() {
        program::check(program)?;
    }
    let form = if arguments.quiet {
        Form::Quiet
    } else if json {
        Form::Json
    } else {
        Form::Lines
    };
    let voice = Voice::new(holder.clone(), &opened.election, form);
    // Of a guardian that is killed, this process takes over the children.
    guardian::adopt_orphans();
    tokio::spawn(reaper::reap());

    let shutdown = CancellationToken::new();
    let signals = Signals::listen(&shutdown)?;
    let wait = arguments.wait.map(|time| Wait::new(time, &timing));
    let mutex: Arc<dyn DistributedMutex> = match &wait {
        Some(wait) => Arc::new(wait.overhear(opened.store)),
        None => Arc::new(opened.store),
    };
    let host = LeaderHost::new(mutex).with_options(LeaderHostOptions {
        holder,
        timing: timing.clone(),
        // As long as a command that cannot be ended is waited for.
        drain_limit: arguments.drain.saturating_add(timing.lease() + job::GUARDIAN_LIMIT + DRAIN_MARGIN),
        // The guardian and this worker see to the end of the command. One that cannot be ended is to be reported, and an abort
        // would end nothing but the report.
        abort_process_on_overrun: false,
        ..LeaderHostOptions::default()
    });
    let telling = tokio::spawn(voice.clone().narrate(host.events(), host.watch_status()));
    let gave_up = wait.map(|wait| tokio::spawn(wait.give_up(host.events(), shutdown.clone())));
    if arguments.until_stdin_ends {
        end_with_stdin(shutdown.clone())?;
    }
    let Run { command, drain, once, .. } = arguments;
    let job = Arc::new(Job {
        command,
        election: opened.election,
        timing,
        drain,
        signals: signals.clone(),
        voice,
        within,
        gave_up: CancellationToken::new(),
        outcome: Mutex::default(),
    });

    tokio::spawn(end_without_command(Arc::clone(&job), host.events(), shutdown.clone()));
    let outcome = {
        let led =
            async { if once { lead_once(&host, &job, &shutdown).await } else { lead(&host, &job, &shutdown).await } };
        let mut led = std::pin::pin!(led);
        tokio::select! {
            outcome = &mut led => outcome,
            // With all that there is: a host that ends in order would give the lease back.
            () = job.gave_up.cancelled() => exit::leave(not_ended().report(json, verbose)),
        }
    };
    // Their last words: the events end with the host.
    drop(host);
    let _ = tokio::time::timeout(LAST_WORDS, telling).await;
    let gave_up = match gave_up {
        Some(gave_up) => tokio::time::timeout(LAST_WORDS, gave_up).await.ok().and_then(Result::ok).flatten(),
        None => None,
    };

    if let Some(Outcome::NotStarted(code, why)) = job.outcome() {
        return Err(Failure::new(code, why));
    }
    let by_itself = match outcome {
        Err(error) if error.kind() == ErrorKind::Overrun => return Err(not_ended()),
        outcome => outcome?,
    };
    match (signals.first(), by_itself, gave_up) {
        (Some(signal), ..) => Ok(u8::try_from(128 + signal).unwrap_or(INTERNAL)),
        (None, Some(code), _) => Ok(code),
        (None, None, Some(failure)) => Err(failure),
        // By the end of standard input.
        (None, None, None) if shutdown.is_cancelled() => Ok(0),
        (None, None, None) => Err(Failure::new(TRY_AGAIN, "the lead was lost before the command had ended")),
    }
}

/// Contends until told to end.
async fn lead(host: &LeaderHost, job: &Arc<Job>, shutdown: &CancellationToken) -> Result<Option<u8>, Error> {
    let each = Arc::clone(job);
    host.run(shutdown.clone(), move |leader| Arc::clone(&each).lead(leader)).await?;
    Ok(None)
}

/// Leads for one term; returns the command's exit code, if it ended by itself.
async fn lead_once(host: &LeaderHost, job: &Arc<Job>, shutdown: &CancellationToken) -> Result<Option<u8>, Error> {
    let only = Arc::clone(job);
    let term = host.run_one_term(shutdown.clone(), move |leader| only.lead(leader)).await;
    let Some(term) = term? else { return Ok(None) };
    match (term.reason, term.output, job.outcome()) {
        (EndReason::TaskEnded, _, Some(Outcome::Ended(end))) => Ok(Some(end.code())),
        (EndReason::TaskEnded, Some(Err(error)), _) => Err(Error::new(ErrorKind::TaskFailed, error.to_string())),
        _ => Ok(None),
    }
}

/// A command that cannot be started now cannot be started by the next term either.
async fn end_without_command(job: Arc<Job>, mut events: LeaderEvents, shutdown: CancellationToken) {
    while events.recv().await.is_some() {
        if matches!(job.outcome(), Some(Outcome::NotStarted(..))) {
            shutdown.cancel();
        }
    }
}

fn not_ended() -> Failure {
    Failure::new(
        NOT_ENDED,
        "the command could not be ended, and may write beside the next leader: the lease is left to run out. End it by hand,          and start the worker as the user that the command runs as",
    )
}

fn end_with_stdin(shutdown: CancellationToken) -> std::io::Result<()> {
    let read = move || {
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        shutdown.cancel();
    };
    std::thread::Builder::new().name("standard-input".to_owned()).spawn(read).map(drop)
}

fn timing(arguments: &Run) -> Result<Timing, Failure> {
    let mut options = TimingOptions::for_lease(arguments.lease);
    options.poll_every = arguments.poll.unwrap_or(options.poll_every);
    options.grace = arguments.grace.unwrap_or(options.grace);
    Ok(Timing::new(options)?)
}

fn holder(given: Option<&str>) -> Result<HolderId, Failure> {
    if let Some(name) = given {
        return Ok(HolderId::new(name)?);
    }
    let generated = HolderId::generate();
    let replica = environment("CONTAINER_APP_REPLICA_NAME").and_then(|replica| HolderId::new(replica).ok());
    Ok(replica.or_else(|| on_host(&environment("HOSTNAME")?, &generated)).unwrap_or(generated))
}

/// What was generated, with this name of the host in it.
fn on_host(host: &str, generated: &HolderId) -> Option<HolderId> {
    let (_, own) = generated.as_str().rsplit_once("pid")?;
    HolderId::new(format!("{host}-pid{own}")).ok()
}
