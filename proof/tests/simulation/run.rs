//! Runs the schedules on all cores, and sums them up.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use libtest_mimic::{Arguments, Trial};

use super::log::{Log, Tally, add};
use super::schedule;
use super::tally::missing;

/// How many schedules a run looks at that names no number.
const SCHEDULES: u64 = if cfg!(debug_assertions) { 300 } else { 20_000 };

/// So many failing seeds are told of; the next ones say the same.
const TOLD: usize = 10;

/// Each of these is run twice, on different threads: the history has to be the same.
const REPEATED: std::ops::Range<u64> = 0..24;

/// What all schedules came to.
#[derive(Default)]
struct Sum {
    tally: Tally,
    schedules: u64,
    failed: Vec<(u64, Vec<String>)>,
}

static SUM: Mutex<Option<Sum>> = Mutex::new(None);

thread_local! {
    /// Panics of this thread that were not meant: the product's, or the simulation's own.
    static PANICS: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

pub fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // Each of them uses all cores.
    arguments.test_threads = Some(1);
    let (seed, aloud) = (number("SIM_SEED"), arguments.nocapture);
    // What panics belongs to its schedule.
    std::panic::set_hook(Box::new(|panic| PANICS.with_borrow_mut(|panics| panics.push(panic.to_string()))));
    let trials = match seed {
        Some(seed) => vec![Trial::test("replay", move || replay(seed, aloud))],
        None => vec![
            Trial::test("the_same_seed_gives_the_same_history", same_history),
            Trial::test("invariants_1_to_17_hold_whatever_happens", move || explore(aloud)),
        ],
    };
    let conclusion = libtest_mimic::run(&arguments, trials);
    if let Ok(Some(sum)) = SUM.lock().as_deref() {
        println!("schedules={} violations={}", sum.schedules, sum.failed.len());
    }
    conclusion.exit_code()
}

fn number(variable: &str) -> Option<u64> {
    let value = std::env::var(variable).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{variable} must be a number, not {value:?}")))
}

/// A schedule, with whatever panicked in it.
fn run(seed: u64, recording: bool, printing: bool) -> Log {
    PANICS.take();
    let outcome = catch_unwind(AssertUnwindSafe(|| schedule::run(seed, recording, printing)));
    let mut log = outcome.unwrap_or_else(|panic| {
        // No schedule passes that did not come to its end: not even one that unwinds without the hook above being asked.
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
        Log { violations: vec![format!("the schedule did not come to its end: {text}")], ..Log::default() }
    });
    log.violations.extend(PANICS.take());
    log
}

fn replay(seed: u64, aloud: bool) -> Result<(), libtest_mimic::Failed> {
    let log = run(seed, aloud, aloud);
    let failed = if log.violations.is_empty() { vec![] } else { vec![(seed, log.violations.clone())] };
    keep(Sum { tally: log.tally, schedules: 1, failed });
    if log.violations.is_empty() { Ok(()) } else { Err(log.violations.join("\n").into()) }
}

/// Nothing but the seed has a part in a schedule: neither the thread, nor what ran before, nor the real time.
fn same_history() -> Result<(), libtest_mimic::Failed> {
    let histories = || -> Vec<Vec<String>> { REPEATED.map(|seed| run(seed, true, false).history).collect() };
    let first = histories();
    let second = std::thread::spawn(move || {
        run(1_000, false, false);
        let mut second: Vec<_> = REPEATED.rev().map(|seed| run(seed, true, false).history).collect();
        second.reverse();
        second
    });
    let second = second.join().map_err(|_| "a thread died")?;
    for (seed, (first, second)) in REPEATED.zip(first.iter().zip(&second)) {
        if first.len() < 100 {
            return Err(format!("seed {seed} has a history of {} lines", first.len()).into());
        }
        if let Some(at) = (0..first.len().max(second.len())).find(|at| first.get(*at) != second.get(*at)) {
            let (first, second) = (first.get(at), second.get(at));
            return Err(format!("seed {seed} differs in line {at}:\n  {first:?}\n  {second:?}").into());
        }
    }
    Ok(())
}

fn explore(aloud: bool) -> Result<(), libtest_mimic::Failed> {
    // The seeds from this one on, so that a soak need not repeat what was seen before.
    let from = number("SIM_FROM").unwrap_or(0);
    let seeds = number("SIM_SEEDS").unwrap_or(SCHEDULES);
    // For those who know that it fails, and only want to see how.
    let enough = number("SIM_ENOUGH").unwrap_or(u64::MAX);
    let (next, failures) = (AtomicU64::new(from), AtomicU64::new(0));
    let work = || {
        let mut sum = Sum::default();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= from + seeds || failures.load(Ordering::Relaxed) >= enough {
                return sum;
            }
            let log = run(seed, false, false);
            add(&mut sum.tally, &log.tally);
            sum.schedules += 1;
            if !log.violations.is_empty() {
                failures.fetch_add(1, Ordering::Relaxed);
                sum.failed.push((seed, log.violations));
            }
        }
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut all = Sum::default();
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        for worker in workers {
            let sum = worker.join().expect("schedules catch their panics");
            add(&mut all.tally, &sum.tally);
            all.schedules += sum.schedules;
            all.failed.extend(sum.failed);
        }
    });
    all.failed.sort();
    if aloud {
        println!("{:#?}", all.tally);
    }
    let verdict = verdict(&all);
    keep(all);
    verdict
}

fn verdict(sum: &Sum) -> Result<(), libtest_mimic::Failed> {
    for (seed, violations) in sum.failed.iter().take(TOLD) {
        println!("seed {seed}: replay it with SIM_SEED={seed} cargo test --test simulation -- --nocapture");
        for violation in violations {
            println!("  {violation}");
        }
    }
    if !sum.failed.is_empty() {
        return Err(format!("{} of {} schedules", sum.failed.len(), sum.schedules).into());
    }
    // A handful of seeds sees what it sees.
    let missing = if sum.schedules >= 1_000 { missing(&sum.tally) } else { vec![] };
    if missing.is_empty() { Ok(()) } else { Err(format!("these came to pass too seldom: {missing:?}").into()) }
}

fn keep(sum: Sum) {
    if let Ok(mut kept) = SUM.lock() {
        *kept = Some(sum);
    }
}
