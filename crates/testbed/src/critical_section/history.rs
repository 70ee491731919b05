//! The checker: it reads the whole history, and samples nothing.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use testkit::referee::stale_writes;
use testkit::{Event, Referee, What};

use super::service::{Reply, Write, number_of, token_of};
use crate::worker::Line;

/// What the history shows.
#[derive(Debug, Default, Clone)]
pub struct Verdict {
    /// Writes that were accepted, as their writers know.
    pub accepted: usize,
    /// Writes that were accepted, by what a worker, the service or the register says, although the writer had not read another
    /// that was accepted before.
    pub stale_accepted: usize,
    /// Writes that their writers know to be accepted, and that do not stand in the register at the end.
    pub lost: usize,
    /// Stale writes of which their writers know that they were refused.
    pub fenced: usize,
    /// Stale writes that the service refused, also those whose writers had given up.
    pub refused: BTreeSet<String>,
    /// Writes of which their writers do not know whether they were carried out.
    pub unknown: usize,
}

impl std::ops::AddAssign for Verdict {
    fn add_assign(&mut self, other: Self) {
        self.accepted += other.accepted;
        self.stale_accepted += other.stale_accepted;
        self.lost += other.lost;
        self.fenced += other.fenced;
        self.refused.extend(other.refused);
        self.unknown += other.unknown;
    }
}

/// Judges all that the workers said by what the service did, and by what stands in the register at the end.
pub fn judge(history: &[Line], service: &[Write], register: &[String]) -> Verdict {
    let begun = |line: &&Line| line.text.contains(" thinking id=");
    let began: HashMap<_, _> =
        history.iter().filter(begun).map(|line| (word(line, "id"), word(line, "after"))).collect();
    assert!(register.iter().all(|write| began.contains_key(write.as_str())), "a write that nobody began: {register:?}");

    let accepted: Vec<_> = said(history, "accepted").collect();
    let mut found = stale(by_the_service(service));
    found.extend(stale(by_the_workers(&accepted, &began)));
    found.extend(stale(by_the_register(register)));
    Verdict {
        accepted: accepted.len(),
        stale_accepted: found.len(),
        lost: accepted.iter().filter(|id| !register.iter().any(|write| write == **id)).count(),
        fenced: said(history, "fenced").count(),
        refused: refused_by_the_service(service),
        unknown: said(history, "unknown").count(),
    }
}

/// A write that was accepted, by one account: with all that its writer had read, and when it was sent and answered.
struct Told<'a> {
    token: u64,
    id: Option<&'a str>,
    read: Vec<&'a str>,
    sent: Duration,
    answered: Duration,
}

/// The stale ones among those that were accepted by one account: the referee of all tests tells.
fn stale(account: Vec<Told<'_>>) -> BTreeSet<&str> {
    let ids = account.iter().flat_map(|told| told.read.iter().chain(&told.id));
    let mut writes: Vec<_> = ids.map(|id| (token_of(id), number_of(id), *id)).collect();
    writes.sort_unstable();
    writes.dedup();
    // A leader's later write has the higher number.
    let number = |id: &str| writes.iter().position(|(.., known)| *known == id).expect("it is among them") as u32;
    let (mut referee, mut stale) = (Referee::default(), BTreeSet::new());
    for told in &account {
        let (token, sent, write) = (told.token, told.sent, told.id.map(number));
        let read = told.read.iter().map(|id| number(id)).collect();
        let event = Event { at: told.answered, who: 0, what: What::Write { token, write, read, sent, accepted: true } };
        let shown = stale_writes(referee.state(), &event);
        stale.extend(shown.into_iter().map(|write| writes[write as usize].2));
        // It counts whatever it breaks.
        let _ = referee.observe(&event);
    }
    stale
}

/// In the order of the service's answers.
fn by_the_service(service: &[Write]) -> Vec<Told<'_>> {
    let began = service.iter().map(|write| write.sent).min();
    let since = |at: Instant| began.map_or(Duration::ZERO, |began| at - began);
    let mut account: Vec<_> = service
        .iter()
        .filter(|write| write.reply == Reply::Accepted)
        .map(|write| {
            let read = write.list.iter().rev().skip(1).map(String::as_str).collect();
            let (sent, answered) = (since(write.sent), since(write.answered));
            Told { token: write.token, id: write.id(), read, sent, answered }
        })
        .collect();
    account.sort_by_key(|told| told.answered);
    account
}

/// As their writers say; what these had read follows from what each began with.
fn by_the_workers<'a>(accepted: &[&'a str], began: &HashMap<&'a str, &'a str>) -> Vec<Told<'a>> {
    let mut account: Vec<_> = accepted
        .iter()
        .map(|id| {
            let after = |id: &&'a str| began.get(id).copied().filter(|after| *after != "nothing");
            let read = std::iter::successors(after(id), after).collect();
            Told { token: token_of(id), id: Some(id), read, sent: Duration::ZERO, answered: Duration::ZERO }
        })
        .collect();
    account.sort_by_key(|told| told.id.map(|id| (token_of(id), number_of(id))));
    account
}

/// In the order in which they stand there: each was written by somebody who had read those before.
fn by_the_register(register: &[String]) -> Vec<Told<'_>> {
    let ids = register.iter().enumerate();
    ids.map(|(place, id)| Told {
        token: token_of(id),
        id: Some(id),
        read: register[..place].iter().map(String::as_str).collect(),
        sent: Duration::ZERO,
        answered: Duration::ZERO,
    })
    .collect()
}

/// Writes that their writers know to be accepted, and of which the service shows nothing.
pub fn unseen<'a>(history: &'a [Line], service: &[Write]) -> Vec<&'a str> {
    let accepted = service.iter().filter(|write| write.reply == Reply::Accepted);
    let seen: BTreeSet<_> = accepted.filter_map(Write::id).collect();
    said(history, "accepted").filter(|id| !seen.contains(id)).collect()
}

/// The writes of which their writers said this.
fn said<'a>(history: &'a [Line], what: &str) -> impl Iterator<Item = &'a str> {
    let what = format!(" {what} id=");
    history.iter().filter(move |line| line.text.contains(&what)).map(|line| word(line, "id"))
}

fn refused_by_the_service(service: &[Write]) -> BTreeSet<String> {
    let has_newer = |older: &Write| {
        let mut newer = service.iter().filter(|newer| newer.token > older.token);
        newer.any(|newer| newer.reply == Reply::Accepted && newer.answered <= older.answered)
    };
    let refused = service.iter().filter(|write| write.reply == Reply::Refused && has_newer(write));
    refused.filter_map(Write::id).map(str::to_owned).collect()
}

/// The word after `<name>=`.
pub fn word<'a>(line: &'a Line, name: &str) -> &'a str {
    let (_, rest) = line.text.split_once(&format!(" {name}=")).unwrap_or_else(|| panic!("no {name} in {line:?}"));
    rest.split(' ').next().unwrap_or_default()
}
