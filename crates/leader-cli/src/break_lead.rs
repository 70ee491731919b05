//! `leader break`: takes the lead away from whoever has it.

use std::io::{BufRead, IsTerminal, Write};
use std::time::Duration;

use azure_leader_election::{DistributedMutex, LeaseState, Observation};
use serde_json::{Value, json};

use crate::arguments::Break;
use crate::exit::{CONFIG, Failure, NO};
use crate::output::{leader_json, words};
use crate::store::{Opened, Purpose};

pub async fn break_lead(arguments: Break, json: bool) -> Result<u8, Failure> {
    let opened = Opened::open(&arguments.which, Purpose::Look)?;
    let operator = opened.store.operator();
    let operator =
        operator.ok_or_else(|| Failure::new(CONFIG, format!("no lead can be broken in {}", opened.store)))?;
    let seen = opened.look(arguments.timeout).await?;
    if !seen.is_held() {
        tell(json, &opened, json!({ "broken": false }), "nobody leads: there is nothing to break");
        return Ok(0);
    }
    say(&announcement(&opened, &seen, arguments.period));
    if !arguments.yes && !confirmed(&opened.election)? {
        return Err(Failure::new(NO, "not confirmed: nothing was changed"));
    }
    let free_in = opened.within(arguments.timeout, operator.break_lease(arguments.period)).await?;
    let leader = seen.latest.as_ref().map(leader_json);
    let sentence = match free_in {
        Duration::ZERO => "broken: another worker can lead now".to_owned(),
        free_in => format!("broken: another worker can lead in {}", words(free_in)),
    };
    let object = json!({ "broken": true, "leader": leader, "free_in_ms": free_in.as_millis() });
    tell(json, &opened, object, &sentence);
    Ok(0)
}

fn tell(json: bool, opened: &Opened, mut object: Value, sentence: &str) {
    if json {
        object["election"] = opened.election.as_str().into();
        object["store"] = opened.store.to_string().into();
        println!("{object}");
    } else {
        println!("{}: {sentence}", opened.election);
    }
}

/// What is about to happen, also for those who do not want to be asked.
fn announcement(opened: &Opened, seen: &Observation, period: Option<Duration>) -> String {
    let place = format!("in the election {:?} in {}", opened.election, opened.store);
    if seen.state == LeaseState::Foreign {
        let free = match period.unwrap_or_default() {
            Duration::ZERO => "If it has no end, a worker can lead at once".to_owned(),
            period => format!("A worker can lead in {}", words(period)),
        };
        return format!(
            "This ends a lease {place} that no worker has taken: some other tool has, or somebody by the portal, where a lease is \
             without end.\n{free}, beside whatever that tool keeps others from."
        );
    }
    let leader = seen.latest.as_ref();
    let who = leader.map_or_else(|| "a leader that is not on record".to_owned(), |leader| leader.holder.to_string());
    let token = leader.map(|leader| format!(" (token {})", leader.fencing_token)).unwrap_or_default();
    if seen.state == LeaseState::Breaking {
        return format!(
            "The lead of {who}{token} {place} was broken already, and ends by itself.\nOnly a shorter --period ends it sooner."
        );
    }
    let learns = leader.and_then(|leader| leader.renew_every).map_or_else(
        || "with its next renewal".to_owned(),
        |every| format!("with its next renewal, within {}", words(every)),
    );
    format!(
        "This breaks the lead of {who}{token} {place}.\n\
         It learns of it {learns}, and ends its work then; if it cannot reach the store, when its lease runs out.\n{}",
        next_lead(leader.and_then(|leader| leader.lease), period, seen.version.is_some())
    )
}

/// When another one can lead. No store keeps a lease for longer than it still runs.
fn next_lead(lease: Option<Duration>, period: Option<Duration>, of_documents: bool) -> String {
    let safe = lease.map_or_else(|| "the length of its lease".to_owned(), words);
    let at_the_latest = format!("Nobody else can lead before that lease would have run out, at the latest in {safe}");
    match period {
        None => format!("{at_the_latest}."),
        Some(period) if of_documents && !period.is_zero() => {
            format!("The store may refuse a --period of {}; then nothing is broken.", words(period))
        }
        Some(period) if lease.is_some_and(|lease| period >= lease) => {
            format!("{at_the_latest}: a longer period has no effect.")
        }
        Some(period) => format!(
            "WARNING: another one can lead in {}, while the old leader may go on for up to {safe}. Only a fence at the resource \
             then keeps the old one from writing.",
            words(period)
        ),
    }
}

/// On standard error, of which nobody may read anything.
fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

fn confirmed(election: &str) -> Result<bool, Failure> {
    let _ = write!(std::io::stderr(), "Type the election's name to confirm: ").and_then(|()| std::io::stderr().flush());
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    if !std::io::stdin().is_terminal() {
        // Nobody has ended the line by typing.
        say("");
    }
    Ok(answer.trim_end_matches(['\r', '\n']) == election)
}
