//! `leader check`: whether a store does as the documentation says, and whether workers could elect there.

mod report;
mod signals;

use std::io::{BufRead, IsTerminal, Write};
use std::time::Duration;

use azure_leader_election::check::{Check, Names, Progress, Waiting};
use azure_leader_election::{Error, Timing};

use crate::arguments;
use crate::exit::{Failure, NO, sentence};
use crate::output::words;
use crate::store::{Place, Purpose};
use report::Report;

/// How long a request that was given up may take to arrive.
const STILL_ARRIVING: Duration = Duration::from_secs(1);

pub async fn check(arguments: arguments::Check, json: bool) -> Result<u8, Failure> {
    let place = Place::read(&arguments.place, Purpose::Look)?;
    let timing = Timing::for_lease(arguments.lease)?;
    let mut check = place.check(timing)?;
    warn(&format!("Looking at {place}, which writes nothing; for 20 s at the most"));
    check.look().await?;
    warn(&announcement(&place, &check));
    if !arguments.yes && !confirmed()? {
        return Err(Failure::new(NO, "not confirmed: nothing was written"));
    }

    let names = (!arguments.show_names).then(|| Names::of(place.url()));
    let mut report =
        Report::new(json, names, if arguments.show_names { place.to_string() } else { Names::form(place.url()) });
    let steps = check.steps();
    // From here on it is up to this command to end what it has begun.
    let interrupted = signals::Ends::listen()?;
    let ended = tokio::select! {
        biased;
        code = interrupted.wait() => Err(code),
        findings = check.run(|progress| match progress {
            Progress::Waits(waiting) => warn(&what_is_waited_for(waiting)),
            Progress::Found(finding) => report.tell(finding, steps),
            _ => {}
        }) => Ok(findings),
    };
    if ended.is_err() {
        // What was being asked for may still arrive.
        tokio::time::sleep(STILL_ARRIVING).await;
    }
    warn("Removing what was written");
    let left = tokio::select! {
        left = check.clean_up() => left,
        code = interrupted.wait() => {
            warn(&format!("interrupted again: what is left is named {}-...", check.prefix()));
            return Ok(code);
        }
    };
    tell_left(&left);
    let code = match ended {
        Ok(findings) => report.end(&findings, arguments.lease),
        Err(code) => {
            warn("interrupted: the check is not complete");
            return Ok(code);
        }
    };
    match left.into_iter().next() {
        Some((_, error)) if code == 0 => Ok(Failure::from(error).code()),
        _ => Ok(code),
    }
}

fn announcement(place: &Place, check: &Check) -> String {
    let writes = format!(
        "This takes {} steps in {place}. It writes to elections of new names alone, {}-..., for about {}",
        check.steps(),
        check.prefix(),
        words(Duration::from_secs(check.waits().as_secs() + 10))
    );
    match check.cleans_up() {
        true => format!("{writes}, and removes them at the end."),
        false => format!("{writes}.\nThis store deletes no election: what was written STAYS, to be removed by hand."),
    }
}

fn what_is_waited_for(waiting: &Waiting) -> String {
    format!("{:<4} waits {}: {}", waiting.number, words(waiting.time), waiting.what)
}

fn tell_left(left: &[(String, Error)]) {
    for (name, error) in left {
        warn(&format!("LEFT: the election {name} could not be removed: {}", sentence(error)));
    }
}

/// On standard error, of which nobody may read anything.
fn warn(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

fn confirmed() -> Result<bool, Failure> {
    let _ = write!(std::io::stderr(), "Type yes to go on: ").and_then(|()| std::io::stderr().flush());
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    if !std::io::stdin().is_terminal() {
        // Nobody has ended the line by typing.
        warn("");
    }
    Ok(answer.trim() == "yes")
}
