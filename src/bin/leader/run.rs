//! `leader run`: contends, and runs a command while it leads.

mod job;
mod leash;
mod signals;
mod wait;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use azure_leader_election::{
    CancellationToken, EndReason, HolderId, LeaderHost, LeaderHostOptions, Timing, TimingOptions,
};

use crate::arguments::Run;
use crate::exit::{Failure, INTERNAL, TRY_AGAIN};
use crate::guardian;
use crate::say::{Form, Voice};
use crate::store::{Opened, Purpose};
use job::{Job, Outcome};
use signals::Signals;
use wait::Wait;

/// By how much the host waits longer than the command is given to end.
const DRAIN_MARGIN: Duration = Duration::from_secs(2);
/// How long those who listen to the host may take to notice its end.
const LAST_WORDS: Duration = Duration::from_secs(1);

pub async fn run(arguments: Run, json: bool) -> Result<u8, Failure> {
    let opened = Opened::open(&arguments.which, Purpose::Contend)?;
    let holder = holder(arguments.holder.as_deref())?;
    let timing = timing(&arguments)?;
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

    let shutdown = CancellationToken::new();
    let signals = Signals::listen(&shutdown)?;
    let wait = arguments.wait.map(|time| Wait::new(time, &timing));
    let mutex = match &wait {
        Some(wait) => wait.overhear(opened.mutex, opened.version),
        None => opened.mutex,
    };
    let host = LeaderHost::new(mutex).with_options(LeaderHostOptions {
        holder,
        timing: timing.clone(),
        drain_limit: arguments.drain.saturating_add(DRAIN_MARGIN),
        ..LeaderHostOptions::default()
    });
    let telling = tokio::spawn(voice.clone().narrate(host.events()));
    tokio::spawn(voice.clone().narrate_standby(host.watch_status()));
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
        shutdown,
        outcome: Mutex::default(),
    });

    let outcome = if once { lead_once(&host, &job).await } else { lead(&host, &job).await };
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
    let by_itself = outcome?;
    match (signals.first(), by_itself, gave_up) {
        (Some(signal), ..) => Ok(u8::try_from(128 + signal).unwrap_or(INTERNAL)),
        (None, Some(code), _) => Ok(code),
        (None, None, Some(failure)) => Err(failure),
        // By the end of standard input.
        (None, None, None) if job.shutdown.is_cancelled() => Ok(0),
        (None, None, None) => Err(Failure::new(TRY_AGAIN, "the lead was lost before the command had ended")),
    }
}

/// Contends until told to end.
async fn lead(host: &LeaderHost, job: &Arc<Job>) -> Result<Option<u8>, Failure> {
    let each = Arc::clone(job);
    let led = host.run_task_when_mutex_acquired(job.shutdown.clone(), move |leader| Arc::clone(&each).lead(leader));
    led.await?;
    Ok(None)
}

/// Leads for one term; returns the command's exit code, if it ended by itself.
async fn lead_once(host: &LeaderHost, job: &Arc<Job>) -> Result<Option<u8>, Failure> {
    let only = Arc::clone(job);
    let term = host.run_one_term(job.shutdown.clone(), move |leader| only.lead(leader)).await;
    let Some(term) = term? else { return Ok(None) };
    match (term.reason, term.output, job.outcome()) {
        (EndReason::TaskEnded, _, Some(Outcome::Ended(end))) => Ok(Some(end.code())),
        (EndReason::TaskEnded, Some(Err(error)), _) => Err(Failure::new(INTERNAL, error.to_string())),
        _ => Ok(None),
    }
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
    Ok(match given {
        Some(name) => HolderId::new(name)?,
        None => std::env::var("CONTAINER_APP_REPLICA_NAME")
            .ok()
            .and_then(|replica| HolderId::new(replica).ok())
            .unwrap_or_else(HolderId::generate),
    })
}
