//! Which public enums may grow: the rule of `ARCHITECTURE.md`, and what stands in the source.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// The public enums of the library, each with whether it may grow.
pub fn enums(root: &Path) -> BTreeSet<(String, bool)> {
    let mut found = BTreeSet::new();
    // Of the crates that are published as libraries.
    for folder in ["src", "crates/leader-election/src", "crates/leader-election-http/src"] {
        collect(&root.join(folder), &mut found);
    }
    found
}

fn collect(folder: &Path, found: &mut BTreeSet<(String, bool)>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.map(|entry| entry.expect("an entry").path()) {
        // Neither programs nor tests are matched on by anybody.
        if entry.is_dir() && !entry.ends_with("bin") && !entry.ends_with("tests") {
            collect(&entry, found);
        } else if entry.extension().is_some_and(|extension| extension == "rs") {
            found.extend(declared(&fs::read_to_string(&entry).expect("readable")));
        }
    }
}

pub fn declared(text: &str) -> Vec<(String, bool)> {
    let mut found = Vec::new();
    let mut grows = false;
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("pub enum ") {
            let name = rest.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
            found.push((name.to_owned(), grows));
        }
        grows = line == "#[non_exhaustive]" || grows && line.starts_with("#[");
    }
    found
}

/// What the rule says of an enum: the names in the point that begins with these words.
pub fn listed(architecture: &str, point: &str) -> BTreeSet<String> {
    let from = architecture.find(point).unwrap_or_else(|| panic!("no such point: {point}"));
    let text = &architecture[from..];
    let end = text.find("\n- **").unwrap_or(text.len());
    let spans = text[..end].split('`').skip(1).step_by(2);
    spans.filter(|span| span.starts_with(char::is_uppercase)).map(str::to_owned).collect()
}
