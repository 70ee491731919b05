//! The checker: it reads the whole history, and samples nothing.

use std::collections::{BTreeSet, HashMap};

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
    let mut stale = stale_by_the_service(service);
    stale.extend(stale_by_the_workers(&accepted, &began));
    stale.extend(stale_by_the_register(register));
    Verdict {
        accepted: accepted.len(),
        stale_accepted: stale.len(),
        lost: accepted.iter().filter(|id| !register.iter().any(|write| write == **id)).count(),
        fenced: said(history, "fenced").count(),
        refused: refused_by_the_service(service),
        unknown: said(history, "unknown").count(),
    }
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

/// Of those that were accepted after the same one, only one had read all that was accepted before: take it for the newest.
fn stale_by_the_workers<'a>(accepted: &[&'a str], began: &HashMap<&'a str, &'a str>) -> Vec<&'a str> {
    let mut followers: HashMap<&str, Vec<&str>> = HashMap::new();
    for id in accepted {
        followers.entry(began[id]).or_default().push(id);
    }
    let all_but_the_newest = followers.into_values().flat_map(|mut followers| {
        followers.sort_by_key(|id| (token_of(id), number_of(id)));
        followers.pop();
        followers
    });
    all_but_the_newest.collect()
}

/// Tokens only rise from one write to the next.
fn stale_by_the_register(register: &[String]) -> Vec<&str> {
    let mut highest = 0;
    let goes_down = |id: &&str| {
        highest = highest.max(token_of(id));
        token_of(id) < highest
    };
    register.iter().map(String::as_str).filter(goes_down).collect()
}

/// An older leader's write that the service accepted
/// - after it had answered a newer leader that its fence or its write stands, or
/// - without the newer leader's having read it before it wrote, if it was the older one's last.
fn stale_by_the_service(service: &[Write]) -> BTreeSet<&str> {
    let accepted: Vec<_> = service.iter().filter(|write| write.reply == Reply::Accepted).collect();
    let mut last: HashMap<u64, &str> = HashMap::new();
    for id in accepted.iter().filter_map(|write| write.id()) {
        let last = last.entry(token_of(id)).or_insert(id);
        if number_of(id) > number_of(last) {
            *last = id;
        }
    }
    let is_stale = |older: &Write, id: &str| {
        accepted.iter().filter(|newer| newer.token > older.token).any(|newer| {
            let unread = newer.id().is_some() && !newer.list.iter().any(|write| write == id);
            newer.answered < older.sent || (unread && last[&older.token] == id)
        })
    };
    accepted.iter().filter_map(|older| older.id().filter(|id| is_stale(older, id))).collect()
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
