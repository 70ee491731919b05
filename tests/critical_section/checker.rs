//! A checker that finds nothing proves nothing.

use std::time::Instant;

use crate::support::critical_section::judge;
use crate::support::worker::Line;

#[test]
fn a_stale_write_and_a_lost_one_are_seen() {
    let history = |texts: &[&str]| -> Vec<Line> {
        let line = |text| Line { at: 0, read_at: Instant::now(), text };
        texts.iter().map(|text| line(format!("0 somebody {text} token=0"))).collect()
    };
    let register = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
    let begun = ["thinking id=a/1/0 after=nothing", "thinking id=b/2/0 after=nothing", "accepted id=b/2/0"];

    let fair = judge(&history(&begun), &register(&["b/2/0"]));
    assert_eq!((fair.accepted, fair.stale_accepted, fair.lost), (1, 0, 0));
    let overwritten = judge(&history(&[&begun[..], &["accepted id=a/1/0"]].concat()), &register(&["a/1/0"]));
    assert_eq!((overwritten.accepted, overwritten.stale_accepted, overwritten.lost), (2, 1, 1));
    let out_of_order = judge(&history(&begun), &register(&["b/2/0", "a/1/0"]));
    assert_eq!((out_of_order.stale_accepted, out_of_order.lost), (1, 0));
}
