//! A patch, and what its head says of it.
//!
//! ```text
//! Fault: what is wrong with the crate when it is applied
//! Invariant: 5, 9                          numbers of crates/leader-election/src/election.rs, first what it is planted for; `fencing`: of a resource
//! Caught by: model, simulation, oracle contract::in_memory    tests, each with a filter if need be; `lib` for unit tests
//! Not by model: why the model cannot see it                   also `Not by simulation`
//! Shown by: what a test says that finds it                    where it names no invariant
//! Schedules: 3000                                             of the simulator, where its 300 are too few
//! ```

use std::fs;
use std::path::{Path, PathBuf};

use crate::net::Net;

/// Faults are found early or not at all.
pub const SCHEDULES: u32 = 300;

pub struct Fault {
    pub name: String,
    pub path: PathBuf,
    pub what: String,
    pub invariants: Vec<String>,
    pub caught_by: Vec<Net>,
    /// Which of the two nets cannot see it, and why.
    pub not_by: Vec<(&'static str, String)>,
    pub shown_by: Option<String>,
    pub schedules: u32,
}

impl Fault {
    /// All of a folder, by name.
    pub fn all(folder: &Path) -> Vec<Self> {
        let mut faults: Vec<_> = fs::read_dir(folder)
            .expect("the folder of faults")
            .map(|entry| entry.expect("readable").path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "patch"))
            .map(Self::read)
            .collect();
        faults.sort_by(|one, other| one.name.cmp(&other.name));
        faults
    }

    fn read(path: PathBuf) -> Self {
        let text = fs::read_to_string(&path).expect("text");
        // The head ends where the diff begins.
        let head: Vec<_> = text.lines().take_while(|line| !line.is_empty()).collect();
        let optional =
            |key: &str| head.iter().find_map(|line| line.strip_prefix(key)).map(|rest| rest.trim().to_owned());
        let line = |key: &str| optional(key).unwrap_or_else(|| panic!("{} has no line {key:?}", path.display()));
        let parts = |list: &str| -> Vec<String> { list.split(',').map(|part| part.trim().to_owned()).collect() };
        let not_by = [("model", "Not by model:"), ("simulation", "Not by simulation:")];
        Self {
            name: path.file_stem().expect("a name").to_string_lossy().into_owned(),
            what: line("Fault:"),
            invariants: parts(&line("Invariant:")),
            caught_by: parts(&line("Caught by:")).iter().map(|net| Net::parse(net)).collect(),
            not_by: not_by.into_iter().filter_map(|(net, key)| Some((net, optional(key)?))).collect(),
            shown_by: optional("Shown by:"),
            schedules: optional("Schedules:").map_or(SCHEDULES, |number| number.parse().expect("a number")),
            path,
        }
    }

    /// The order of the invariants.
    pub fn rank(&self) -> (u32, &str) {
        (self.invariants[0].parse().unwrap_or(u32::MAX), &self.name)
    }
}

/// Those that `FAULTS` names, by those tests that `FAULTS_BY` names.
pub fn chosen(mut faults: Vec<Fault>) -> Vec<Fault> {
    if let Ok(wanted) = std::env::var("FAULTS") {
        match wanted.parse() {
            Ok(number) => faults = spread(faults, number),
            Err(_) => faults.retain(|fault| wanted.split(',').any(|part| fault.name.contains(part.trim()))),
        }
    }
    assert!(!faults.is_empty(), "there is no such fault");
    if let Ok(nets) = std::env::var("FAULTS_BY") {
        let nets: Vec<_> = nets.split(',').map(|net| Net::parse(net.trim())).collect();
        faults.iter_mut().for_each(|fault| fault.caught_by.clone_from(&nets));
    }
    faults
}

/// So many at even distances in the order of the invariants, from the first to the last: the same each time.
fn spread(mut faults: Vec<Fault>, number: usize) -> Vec<Fault> {
    faults.sort_by(|one, other| one.rank().cmp(&other.rank()));
    let (last, gaps) = (faults.len() - 1, number.clamp(2, faults.len()) - 1);
    let wanted: Vec<_> = (0..=gaps).map(|index| index * last / gaps).collect();
    let mut index = 0..;
    faults.retain(|_| index.next().is_some_and(|index| wanted.contains(&index)));
    faults
}

/// What is missing: each fault is to be found by the model and by the simulator, or by the exploration of the core, or else its
/// head says why one of them cannot see it.
pub fn wanting(fault: &Fault) -> Vec<String> {
    let model = |net: &Net| net.target == "model";
    let explores = |net: &Net| net.target == "election" && net.filter.as_deref() == Some("exploration");
    let simulator = |net: &Net| net.target == "simulation" || explores(net);
    let mut wanting = Vec::new();
    for (name, caught) in
        [("model", fault.caught_by.iter().any(model)), ("simulation", fault.caught_by.iter().any(simulator))]
    {
        let excused = fault.not_by.iter().any(|(net, _)| *net == name);
        match (caught, excused) {
            (false, false) => wanting.push(format!("{}: not by the {name}, and it does not say why", fault.name)),
            (true, true) => wanting.push(format!("{}: by the {name}, and it says why not", fault.name)),
            _ => {}
        }
    }
    wanting
}
