//! Who uses whom, read from the source as text.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The first-level modules below `source`, each with those that it names.
pub fn graph(source: &Path) -> BTreeMap<String, Vec<String>> {
    let library = fs::read_to_string(source.join("lib.rs")).expect("a library");
    let owners = exports(&library);
    let mut graph: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for file in files(source) {
        let below = file.strip_prefix(source).expect("inside");
        let room = below.components().next().expect("a name").as_os_str().to_string_lossy().replace(".rs", "");
        if matches!(room.as_str(), "lib" | "main" | "fuzzing" | "laws") {
            continue;
        }
        let uses = graph.entry(room.clone()).or_default();
        for name in named(&shipped(&fs::read_to_string(&file).expect("text"))) {
            let used = owners.get(&name).cloned().unwrap_or(name);
            if used != room {
                uses.insert(used);
            }
        }
    }
    let rooms: BTreeSet<String> = graph.keys().cloned().collect();
    let known = |uses: BTreeSet<String>| uses.into_iter().filter(|used| rooms.contains(used)).collect();
    graph.into_iter().map(|(room, uses)| (room, known(uses))).collect()
}

/// Which module a name at the root of the library is from: of `pub use port::{Acquire, Held};` both are from `port`.
fn exports(library: &str) -> BTreeMap<String, String> {
    let uses = library.split("pub use ").skip(1).filter_map(|rest| rest.split_once(';')).map(|(used, _)| used);
    uses.filter_map(|used| used.split_once("::"))
        .flat_map(|(room, names)| words(names).map(|name| (name.to_owned(), room.to_owned())).collect::<Vec<_>>())
        .collect()
}

/// Without comments, examples and unit tests.
fn shipped(text: &str) -> String {
    let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// What follows `crate::`, also in braces.
fn named(code: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for rest in code.split("crate::").skip(1) {
        let Some(group) = rest.strip_prefix('{') else {
            found.extend(words(rest).next().map(str::to_owned));
            continue;
        };
        let mut depth = 0;
        let mut begins = true;
        for word in group.split_inclusive(['{', '}', ',']) {
            if begins && depth == 0 {
                found.extend(words(word).next().map(str::to_owned));
            }
            begins = word.ends_with(',');
            match word.chars().last() {
                Some('{') => depth += 1,
                Some('}') if depth == 0 => break,
                Some('}') => depth -= 1,
                _ => {}
            }
        }
    }
    found
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(|word| !word.is_empty())
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let files = entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] });
    files.filter(|path| path.extension().is_some_and(|extension| extension == "rs")).collect()
}
