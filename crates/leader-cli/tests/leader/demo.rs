//! The demo: it ends by itself, measures, and leaves nothing behind.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::rig::{answer, leader, stderr, stdout};

#[test]
fn it_ends_within_a_minute_and_prints_takeover_and_hand_over() {
    let began = Instant::now();
    let mut command = leader();
    command.args(["demo", "--json"]);
    let output = answer(command, "");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(began.elapsed() < Duration::from_secs(60));
    let said = stdout(&output);
    let events: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).expect("an object")).collect();
    let names: Vec<_> = events.iter().filter_map(|event| event["event"].as_str()).collect();
    assert_eq!(names, ["start", "works", "killed", "works", "stopped", "works", "measured"]);
    let measured = events.last().expect("the last");
    assert_eq!(measured["overlaps"], 0);
    let [takeover, hand_over] = ["takeover_ms", "hand_over_ms"].map(|name| measured[name].as_u64().expect("a number"));
    // A killed leader is missed for a lease; one that hands over is not.
    assert!(hand_over < takeover, "{measured}");
}

#[cfg(target_os = "linux")]
#[test]
fn one_that_is_killed_leaves_no_process_behind() {
    use std::io::{BufRead, BufReader};
    use std::process::Stdio;

    let mut demo = leader().arg("demo").stdout(Stdio::piped()).spawn().expect("it starts");
    let mut lines = BufReader::new(demo.stdout.take().expect("piped")).lines();
    lines
        .find(|line| line.as_ref().is_ok_and(|line| line.contains("leads and works")))
        .expect("somebody leads")
        .expect("text");
    let workers: Vec<_> = crate::rig::children_of(demo.id());
    assert_eq!(workers.len(), 3);
    demo.kill().expect("killed");
    demo.wait().expect("reaped");
    crate::rig::eventually("the workers end", || !workers.iter().any(|worker| crate::rig::process_runs(*worker)));
}
