//! The runs of a process: from its start until its future returns, or is dropped, or the process is killed.

use std::time::Duration;

use leader_election::{AfterTask, Error, ErrorKind, Result};

use super::Monitor;

impl Monitor {
    /// A run of this process begins.
    pub fn runs_again(&mut self, process: usize) {
        let process = &mut self.processes[process];
        process.began = !process.abandoned;
        (process.over, process.abandoned, process.told_to_stop) = (false, false, false);
        (process.stop_by, process.abort_by, process.rest, process.asks_by) = (None, None, None, None);
        (process.polled, process.short_terms, process.answered) = (false, 0, false);
    }

    /// Somebody asks a leader to step down.
    pub fn asked_to_leave(&mut self, term: usize) {
        let term = &mut self.terms[term];
        let now = self.processes[term.process].clock.truth();
        term.leaves_at.get_or_insert(now);
    }

    /// It is told to end; `now` when its future was dropped.
    pub fn told_to_stop(&mut self, process: usize, dropped: bool) {
        let process = &mut self.processes[process];
        let now = process.clock.truth();
        process.told_to_stop = true;
        let by = now + process.stop_bound();
        process.stop_by.get_or_insert(by);
        if dropped {
            process.abandoned = true;
            process.abort_by = Some(now + process.tolerance());
        }
    }

    /// The process goes on after it stood still.
    pub fn resumed(&mut self, process: usize) {
        let process = &mut self.processes[process];
        let now = process.clock.truth();
        let bound = process.stop_bound();
        process.resumed_at = now;
        process.pauses += 1;
        process.stop_by.iter_mut().for_each(|by| *by = now + bound);
        // A candidate that slept when it was paused sleeps on for as long as it had meant to.
        let longest = process.longest_rest();
        process.asks_by.iter_mut().for_each(|by| *by = now + longest);
    }

    /// A process was killed: nothing of it runs any more.
    pub fn killed(&mut self, now: Duration, process: usize) {
        self.processes[process].over = true;
        for term in &mut self.terms {
            if term.process == process {
                term.gone.get_or_insert(now);
            }
        }
        self.active.retain(|term| self.terms[*term].process != process);
    }

    /// The future of a run returned.
    pub fn run_over(&mut self, now: Duration, process: usize, outcome: &Result<()>) {
        self.inspect(now);
        self.hear(now, process);
        let state = &mut self.processes[process];
        if !state.began && outcome.is_ok() && state.told_to_stop {
            state.abandoned = true;
            self.note(now, process, format_args!("its run returned Ok before it began"));
            return;
        }
        state.over = true;
        let what = match outcome {
            Ok(()) => "Ok".to_owned(),
            Err(error) => format!("{:?}: {error}", error.kind()),
        };
        let mut wrong = Vec::new();
        if state.elected.is_some() {
            wrong.push("without the end of its term (invariant 16)");
        }
        if state.in_flight > 0 {
            wrong.push("with a request in flight (invariant 15)");
        }
        if state.owes_release.is_some() {
            wrong.push("without releasing (invariant 8)");
        }
        // After a jump it may be another copy of this machine that has it.
        if state.asked.is_some_and(|asked| asked.unknown && asked.jumps == state.jumps) {
            wrong.push("with an acquire whose outcome is unknown (invariant 8)");
        }
        let may = match outcome.as_ref().map_err(Error::kind) {
            Ok(()) => state.told_to_stop || state.settings.after_success == AfterTask::EndHost,
            Err(ErrorKind::TaskFailed | ErrorKind::TaskPanicked) => state.settings.after_failure == AfterTask::EndHost,
            Err(ErrorKind::Denied | ErrorKind::NotFound | ErrorKind::InvalidSetting | ErrorKind::Refused) => {
                !state.answered && !state.settings.keep_trying
            }
            Err(_) => false,
        };
        let runs = self.running(process).is_some();
        self.note(now, process, format_args!("its run returned {what}"));
        self.log.count(match outcome.as_ref().map_err(Error::kind) {
            Ok(()) => "run ended well",
            Err(ErrorKind::TaskFailed | ErrorKind::TaskPanicked) => "run ended by its task",
            Err(_) => "run ended by a refusal",
        });
        for wrong in wrong {
            self.violation(now, process, format_args!("its run returned {wrong}"));
        }
        if runs {
            self.violation(now, process, format_args!("its run returned while its task runs (invariant 15)"));
        }
        if !may {
            self.violation(now, process, format_args!("its run returned {what}"));
        }
    }
}
