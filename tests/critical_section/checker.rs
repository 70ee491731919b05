//! A checker that finds nothing proves nothing.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use testbed::critical_section::{Reply, Verdict, Write, judge};
use testbed::worker::Line;

const BEGUN: [&str; 3] = ["thinking id=a/1/0 after=nothing", "thinking id=b/2/0 after=nothing", "accepted id=b/2/0"];

#[test]
fn a_stale_write_and_a_lost_one_are_seen() {
    let fair = judged(&[], &[], &["b/2/0"]);
    assert_eq!((fair.accepted, fair.stale_accepted, fair.lost), (1, 0, 0));
    let overwritten = judged(&["accepted id=a/1/0"], &[], &["a/1/0"]);
    assert_eq!((overwritten.accepted, overwritten.stale_accepted, overwritten.lost), (2, 1, 1));
    let out_of_order = judged(&[], &[], &["b/2/0", "a/1/0"]);
    assert_eq!((out_of_order.stale_accepted, out_of_order.lost), (1, 0));
}

/// Its writer has given it up, and a second later the newer leader overwrites it: only the service knows.
#[test]
fn a_stale_write_of_unknown_outcome_that_was_overwritten_is_seen() {
    let unknown = ["unknown id=a/1/0", "thinking id=b/2/1 after=b/2/0", "accepted id=b/2/1"];
    let register = ["b/2/0", "b/2/1"];
    let service = |late| {
        let newest = write(4, 2, &["b/2/0", "b/2/1"], Reply::Accepted);
        [write(0, 2, &[], Reply::Accepted), write(1, 2, &["b/2/0"], Reply::Accepted), late, newest]
    };
    let refused = judged(&unknown, &service(write(2, 1, &["a/1/0"], Reply::Refused)), &register);
    assert_eq!((refused.stale_accepted, refused.lost, refused.unknown), (0, 0, 1));
    assert_eq!(refused.refused.into_iter().collect::<Vec<_>>(), ["a/1/0"]);
    let accepted = judged(&unknown, &service(write(2, 1, &["a/1/0"], Reply::Accepted)), &register);
    assert_eq!((accepted.stale_accepted, accepted.lost), (1, 0));
    assert!(accepted.refused.is_empty());
}

/// A duplicate of a write that was fair the first time.
#[test]
fn a_write_that_the_service_accepts_once_more_after_a_newer_leaders_is_seen() {
    let own = write(0, 1, &["a/1/0"], Reply::Accepted);
    let newer = write(1, 2, &["a/1/0", "b/2/0"], Reply::Accepted);
    let texts =
        ["thinking id=a/1/0 after=nothing", "accepted id=a/1/0", "thinking id=b/2/0 after=a/1/0", "accepted id=b/2/0"];
    let (texts, register) = (history(&texts), ["a/1/0", "b/2/0"].map(str::to_owned));
    assert_eq!(judge(&texts, &[own.clone(), newer.clone()], &register).stale_accepted, 0);
    let again = write(2, 1, &["a/1/0"], Reply::Accepted);
    assert_eq!(judge(&texts, &[own, newer, again], &register).stale_accepted, 1);
}

/// When both were under way at once, what the newer one had read tells which came first.
#[test]
fn of_two_writes_at_once_the_older_is_stale_unless_the_newer_leader_had_read_it() {
    let at_once = |list: &[&str]| [write(0, 2, list, Reply::Accepted), write(0, 1, &["a/1/0"], Reply::Accepted)];
    assert_eq!(judged(&[], &at_once(&["b/2/0"]), &["b/2/0"]).stale_accepted, 1);
    assert_eq!(judged(&[], &at_once(&["a/1/0", "b/2/0"]), &["b/2/0"]).stale_accepted, 0);
}

fn judged(more: &[&str], service: &[Write], register: &[&str]) -> Verdict {
    let register: Vec<_> = register.iter().map(|id| (*id).to_owned()).collect();
    judge(&history(&[&BEGUN[..], more].concat()), service, &register)
}

fn history(texts: &[&str]) -> Vec<Line> {
    let line = |text| Line { at: 0, read_at: Instant::now(), text };
    texts.iter().map(|text| line(format!("0 somebody {text} token=0"))).collect()
}

/// The service deals with it within the second that begins then.
fn write(second: u64, token: u64, list: &[&str], reply: Reply) -> Write {
    static BEGAN: LazyLock<Instant> = LazyLock::new(Instant::now);
    let sent = *BEGAN + Duration::from_secs(second);
    let list = list.iter().map(|id| (*id).to_owned()).collect();
    Write { sent, answered: sent + Duration::from_millis(500), token, list, reply }
}
