//! Which fault violates which invariant, and which tests find it: `tests/faults/README.md`.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use crate::fault::Fault;

const HEAD: &str = "\
# Planted faults

Each patch here breaks one thing; `cargo test --test planted_faults -- --ignored --nocapture` applies one at a time to a copy of
the crate, and every test that a patch names must find it. Made by `FAULTS_TABLE=write cargo test --test planted_faults`, which
also fails when a patch is not found by both the model and the simulator (or the exploration of the core) and does not say why.
`tests/repository/invariants.rs` sees that a patch is planted for every invariant. The numbers are those of `crates/leader-election/src/election.rs`.

";

/// Fails when the table in this file is not that of these faults; `FAULTS_TABLE=write` writes it.
pub fn check(file: &Path, faults: &[Fault]) {
    let table = table(faults);
    if std::env::var_os("FAULTS_TABLE").is_some_and(|wanted| wanted == "write") {
        fs::write(file, &table).expect("written");
    }
    let stands = fs::read_to_string(file).unwrap_or_default();
    assert!(
        stands.lines().eq(table.lines()),
        "FAULTS_TABLE=write cargo test --test planted_faults; it is now\n{table}"
    );
}

fn table(faults: &[Fault]) -> String {
    let mut sorted: Vec<_> = faults.iter().collect();
    sorted.sort_by(|one, other| one.rank().cmp(&other.rank()));
    let mut text = HEAD.to_owned();
    text.push_str("| Invariant | Patch | What is wrong | Found by |\n|---|---|---|---|\n");
    for fault in sorted {
        let nets: Vec<_> = fault.caught_by.iter().map(|net| format!("`{net}`")).collect();
        let (invariants, name) = (fault.invariants.join(", "), &fault.name);
        let _ = writeln!(text, "| {invariants} | `{name}` | {} | {} |", fault.what, nets.join(", "));
    }
    text.push_str("\n## What a net cannot see\n\n");
    for net in ["model", "simulation"] {
        let reasons = |fault: &Fault| fault.not_by.iter().find(|(not, _)| *not == net).map(|(_, why)| why.clone());
        let mut excused: Vec<_> = faults.iter().filter_map(|fault| Some((reasons(fault)?, &fault.name))).collect();
        excused.sort();
        for why in excused.chunk_by(|one, other| one.0 == other.0) {
            let names: Vec<_> = why.iter().map(|(_, name)| format!("`{name}`")).collect();
            let _ = writeln!(text, "- Not by the {net}, as {}: {}.", why[0].0, names.join(", "));
        }
    }
    text
}
