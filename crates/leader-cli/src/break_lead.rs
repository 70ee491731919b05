//! `leader break`: takes the lead away from whoever has it.

use std::io::{BufRead, IsTerminal, Write};
use std::time::Duration;

use azure_leader_election::{Acquire, AcquireRequest, Claim, HolderId, Leader, Renew, Timing};
use serde_json::{Value, json};

use crate::arguments::Break;
use crate::exit::{Failure, NO, TRY_AGAIN, UNAVAILABLE};
use crate::observe::within;
use crate::output::{leader_json, words};
use crate::store::{Opened, Purpose, Seen};

/// How often to try again when the leader renews in the same instant.
const ROUNDS: usize = 10;

/// How much faster one machine's clock may run than another's.
const CLOCK_RATE: f64 = 1.05;

pub async fn break_lead(arguments: Break, json: bool) -> Result<u8, Failure> {
    let opened = Opened::open(&arguments.which, Purpose::Look)?;
    let seen = within(arguments.timeout, &opened.place, opened.look()).await?;
    if !seen.held {
        tell(json, &opened, json!({ "broken": false }), "nobody leads: there is nothing to break");
        return Ok(0);
    }
    say(&announcement(&opened, &seen, arguments.period));
    if !arguments.yes && !confirmed(&opened.election)? {
        return Err(Failure::new(NO, "not confirmed: nothing was changed"));
    }
    let free_in = match &opened.service {
        Some(service) => within(arguments.timeout, &opened.place, (service.break_lease)(arguments.period)).await?,
        None => seize(&opened, seen.latest.as_ref(), &arguments).await?,
    };
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
        object["store"] = opened.place.to_string().into();
        println!("{object}");
    } else {
        println!("{}: {sentence}", opened.election);
    }
}

/// What is about to happen, also for those who do not want to be asked.
fn announcement(opened: &Opened, seen: &Seen, period: Option<Duration>) -> String {
    let place = format!("in the election {:?} in {}", opened.election, opened.place);
    if seen.endless {
        let free = match period.unwrap_or_default() {
            Duration::ZERO => "A worker can lead at once".to_owned(),
            period => format!("A worker can lead in {}", words(period)),
        };
        return format!(
            "This ends a lease without end {place}, which no worker has taken: some other tool has, or somebody by the portal.\n\
             {free}, beside whatever that tool keeps others from."
        );
    }
    let leader = seen.latest.as_ref();
    let who = leader.map_or_else(|| "a leader that is not on record".to_owned(), |leader| leader.holder.to_string());
    let token = leader.map(|leader| format!(" (token {})", leader.fencing_token)).unwrap_or_default();
    if seen.breaking {
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
        next_lead(leader.and_then(|leader| leader.lease), period, opened.service.is_some())
    )
}

/// When another one can lead. A service keeps a lease no longer than it still runs.
fn next_lead(lease: Option<Duration>, period: Option<Duration>, of_service: bool) -> String {
    let safe = lease.map_or_else(|| "the length of its lease".to_owned(), words);
    let at_the_latest = format!("Nobody else can lead before that lease would have run out, at the latest in {safe}");
    match period {
        None => format!("{at_the_latest}."),
        Some(period) if lease.is_some_and(|lease| period >= lease) => match of_service {
            true => format!("{at_the_latest}: a longer period has no effect."),
            false => format!("Nobody else can lead for {}.", words(period)),
        },
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

/// Of a document store: takes the lead with a claim of this command's own, over the very record that was seen, keeps it for the
/// period, and frees it. Should this process end meanwhile, its lease runs out as that of any leader that dies.
async fn seize(opened: &Opened, leader: Option<&Leader>, arguments: &Break) -> Result<Duration, Failure> {
    let recorded = leader.and_then(|leader| leader.lease).unwrap_or(Timing::MIN_LEASE);
    let lease = recorded.clamp(Timing::MIN_LEASE, Timing::MAX_LEASE);
    let claim = Claim::new(HolderId::new(format!("leader-break-{}", std::process::id()))?, lease);
    let mut lapsed = None;
    for _ in 0..ROUNDS {
        let attempt = within(
            arguments.timeout,
            &opened.place,
            opened.mutex.try_acquire(AcquireRequest::new(&claim).with_lapsed(lapsed.as_ref())),
        )
        .await?;
        match attempt {
            Acquire::Granted(_) => return keep(opened, &claim, arguments).await,
            Acquire::Held(held) => lapsed = held.version,
        }
    }
    Err(Failure::new(TRY_AGAIN, "the leader renewed at each attempt to break its lead: try again"))
}

async fn keep(opened: &Opened, claim: &Claim, arguments: &Break) -> Result<Duration, Failure> {
    // The old leader's last renewal was before, so its lease runs no longer than this. One that is a little longer allows for
    // clocks that run at different rates.
    let period = arguments.period.unwrap_or(claim.lease.mul_f64(CLOCK_RATE));
    let end = tokio::time::Instant::now() + period;
    while tokio::time::Instant::now() < end {
        tokio::time::sleep_until(end.min(tokio::time::Instant::now() + claim.renew_every)).await;
        if tokio::time::Instant::now() < end {
            let renewed = within(arguments.timeout, &opened.place, opened.mutex.renew(claim)).await;
            match renewed {
                Ok(Renew::Renewed) => {}
                Ok(Renew::Lost(_)) => return Err(Failure::new(UNAVAILABLE, "somebody else broke this break")),
                Err(error) if error.is_transient() => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    within(arguments.timeout, &opened.place, opened.mutex.release(claim)).await?;
    Ok(Duration::ZERO)
}
