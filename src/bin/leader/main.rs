//! The command `leader`: runs a program only while this machine leads, shows who leads, and breaks a lead.

// The arguments' documentation is printed by `--help`, where a link in brackets would be in the way.
#![allow(rustdoc::bare_urls)]
// Of `leader run`, which needs a Unix, the arguments and words are there on all systems.
#![cfg_attr(not(unix), allow(dead_code))]

mod arguments;
mod break_lead;
#[cfg(unix)]
mod clock;
#[cfg(all(unix, feature = "file"))]
mod demo;
mod exit;
#[cfg(unix)]
mod guardian;
mod place;
#[cfg(unix)]
mod run;
mod say;
mod sight;
#[cfg(any(feature = "blob", feature = "cosmos"))]
mod sign_in;
mod status;
mod store;
mod watch;

use std::process::ExitCode;

use clap::Parser;

use arguments::{Action, Arguments};
use exit::Failure;

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(refusal) => {
            // Help and version are no failures. Nobody may be there to read.
            let code = if refusal.use_stderr() { exit::USAGE } else { 0 };
            let _ = refusal.print();
            return code.into();
        }
    };
    let Arguments { action, json, verbose } = arguments;
    // Before there is any other thread: it decides for itself which.
    #[cfg(unix)]
    if let Action::Guardian { command } = &action {
        return guardian::guard(command);
    }
    log();
    match perform(action, json) {
        Ok(code) => code.into(),
        Err(failure) => failure.report(json, verbose).into(),
    }
}

fn perform(action: Action, json: bool) -> Result<u8, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        match action {
            Action::Status(arguments) => status::status(arguments, json).await,
            Action::Watch(arguments) => watch::watch(arguments, json).await,
            Action::Break(arguments) => break_lead::break_lead(arguments, json).await,
            #[cfg(unix)]
            Action::Run(arguments) => run::run(arguments, json).await,
            #[cfg(all(unix, feature = "file"))]
            Action::Demo => demo::demo(json).await,
            #[cfg(all(unix, feature = "file"))]
            Action::DemoWork => demo::work(),
            #[allow(unreachable_patterns)]
            _ => Err(Failure::new(
                exit::CONFIG,
                "`leader run` and `leader demo` need a Unix, as they end processes by signals, and the demo the feature `file`; \
                 status, watch and break work everywhere",
            )),
        }
    })
}

/// Log lines go to standard error, if `RUST_LOG` asks for them.
fn log() {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "off".into());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
}
