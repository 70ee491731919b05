//! The command `leader`: runs a program only while this machine leads, shows who leads, and breaks a lead.

// The arguments' documentation is printed by `--help`, where a link in brackets would be in the way.
#![allow(rustdoc::bare_urls)]
// Of `leader run`, which needs a Unix, the arguments and words are there on all systems.
#![cfg_attr(not(unix), allow(dead_code))]

mod arguments;
mod break_lead;
mod check;
#[cfg(unix)]
mod clock;
#[cfg(unix)]
mod demo;
mod environment;
mod exit;
#[cfg(unix)]
mod guardian;
mod lines;
mod list;
mod observe;
mod output;
#[cfg(unix)]
mod run;
mod sign_in;
mod status;
mod store;
mod watch;

use std::process::ExitCode;

use arguments::{Action, Arguments};
use exit::Failure;

/// One of them may be killing what does not end, and the others go on.
const WORKERS: usize = 3;

fn main() -> ExitCode {
    let arguments = match Arguments::read() {
        Ok(arguments) => arguments,
        Err(code) => return code.into(),
    };
    let Arguments { action, json, verbose } = arguments;
    // Before there is any other thread: they decide for themselves which.
    #[cfg(unix)]
    match &action {
        Action::Guardian { command } => return guardian::guard(command),
        Action::Command { parent, command } => return guardian::become_command(*parent, command),
        _ => {}
    }
    if json {
        lines::stderr_is_json();
    }
    log();
    let code = perform(action, json, verbose).unwrap_or_else(|failure| failure.report(json, verbose));
    exit::leave(code)
}

fn perform(action: Action, json: bool, verbose: bool) -> Result<u8, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(WORKERS).enable_all().build()?;
    let outcome = runtime.block_on(async {
        match action {
            Action::List(arguments) => list::list(arguments, json).await,
            Action::Status(arguments) => status::status(arguments, json).await,
            Action::Watch(arguments) => watch::watch(arguments, json).await,
            Action::Break(arguments) => break_lead::break_lead(arguments, json).await,
            Action::Check(arguments) => check::check(arguments, json).await,
            #[cfg(unix)]
            Action::Run(arguments) => run::run(arguments, json, verbose).await,
            #[cfg(unix)]
            Action::Demo => demo::demo(json).await,
            #[cfg(unix)]
            Action::DemoWork => demo::work(),
            #[allow(unreachable_patterns)]
            _ => Err(Failure::new(
                exit::CONFIG,
                "`leader run` and `leader demo` need a Unix, as they end processes by signals; list, status, watch, break and check \
                 everywhere",
            )),
        }
    });
    // What still blocks a thread of it, such as a read of standard input, is not waited for.
    runtime.shutdown_background();
    outcome
}

/// Log lines go to standard error, if `RUST_LOG` asks for them.
fn log() {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "off".into());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(lines::stderr).init();
}
