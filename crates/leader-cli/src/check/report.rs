//! What a check has found: a line as it is found, and a table to paste into an issue.

use std::io::Write;
use std::time::Duration;

use azure_leader_election::check::{Finding, Names, Verdict};
use serde_json::json;

use crate::exit::{CONFIG, DENIED, NO, UNAVAILABLE};
use crate::output::words;

pub struct Report {
    json: bool,
    /// What is not to be shown.
    names: Option<Names>,
    store: String,
    found: usize,
}

impl Report {
    pub fn new(json: bool, names: Option<Names>, store: String) -> Self {
        Self { json, names, store, found: 0 }
    }

    /// As it is found; of `steps` in all.
    pub fn tell(&mut self, finding: &Finding, steps: usize) {
        self.found += 1;
        let Finding { number, expectation, verdict, .. } = finding;
        let seen = self.seen(finding);
        if self.json {
            say(&json!({ "number": number, "expectation": expectation, "verdict": verdict.as_str().to_lowercase(), "seen": seen }).to_string());
        } else {
            let count = format!("{}/{steps}", self.found);
            say(&format!("{number:<4} {:<13} {expectation}  [{count}]\n     {seen}", verdict.as_str()));
        }
    }

    /// The end: the table, and the exit code.
    pub fn end(&self, findings: &[Finding], lease: Duration) -> u8 {
        let code = exit_code(findings);
        if self.json {
            let count = |verdict| findings.iter().filter(|finding| finding.verdict == verdict).count();
            say(&json!({
                "store": self.store,
                "steps": findings.len(),
                "as_documented": count(Verdict::AsDocumented),
                "differs": numbers(findings, Verdict::Differs),
                "no_right": numbers(findings, Verdict::Denied),
                "unfit": numbers(findings, Verdict::Unfit),
                "no_answer": numbers(findings, Verdict::Unanswered),
                "exit_code": code,
            })
            .to_string());
            return code;
        }
        let mut table = format!(
            "\n#### leader check {} of {}, lease {}\n\n| | Expected | | Seen |\n|---|---|---|---|\n",
            env!("CARGO_PKG_VERSION"),
            self.store,
            words(lease)
        );
        for finding in findings {
            let cells = [finding.number, finding.expectation, finding.verdict.as_str(), &self.seen(finding)].map(cell);
            table.push_str(&format!("| {} |\n", cells.join(" | ")));
        }
        say(&format!("{table}\n{}", summary(findings)));
        code
    }

    fn seen(&self, finding: &Finding) -> String {
        // A service's words are among it, which are not to control a terminal.
        let seen: String = finding.seen.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        self.names.as_ref().map_or_else(|| seen.clone(), |names| names.hidden_in(&seen))
    }
}

/// A text within a row of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

fn numbers(findings: &[Finding], verdict: Verdict) -> Vec<&'static str> {
    findings.iter().filter(|finding| finding.verdict == verdict).map(|finding| finding.number).collect()
}

fn summary(findings: &[Finding]) -> String {
    let count = |verdict| numbers(findings, verdict).len();
    let mut said = vec![format!("{} of {} as documented", count(Verdict::AsDocumented), findings.len())];
    for (verdict, words) in [
        (Verdict::Differs, "differ"),
        (Verdict::Denied, "take a right that is missing"),
        (Verdict::Unfit, "do not go with an election"),
        (Verdict::Unanswered, "had no answer"),
        (Verdict::NotChecked, "could not be checked"),
    ] {
        let numbers = numbers(findings, verdict);
        if !numbers.is_empty() {
            said.push(format!("{} {words}: {}", numbers.len(), numbers.join(", ")));
        }
    }
    said.join("; ")
}

/// What is worst decides.
fn exit_code(findings: &[Finding]) -> u8 {
    let order = [
        (Verdict::Differs, NO),
        (Verdict::Denied, DENIED),
        (Verdict::Unanswered, UNAVAILABLE),
        (Verdict::Unfit, CONFIG),
    ];
    let worst = order.into_iter().find(|(verdict, _)| findings.iter().any(|finding| finding.verdict == *verdict));
    worst.map_or(0, |(_, code)| code)
}

/// Whether anybody reads it or not: what was written has to be removed.
fn say(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}
