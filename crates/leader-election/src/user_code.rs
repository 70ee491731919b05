//! Runs what belongs to users apart from the renewal thread: wakers, subscribers, exporters, destructors.
//!
//! Each of them may block, panic, or never return. None of that may delay a renewal or a cancellation, so the renewal thread
//! only hands over what is to be run. A [`Lane`] keeps the order of what it is given, and a lane that is stuck holds up no
//! other one.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio::runtime::{Builder, Handle, Runtime};

use crate::caught::caught_call;
use crate::renewal_thread;

type Job = Box<dyn FnOnce() + Send>;

/// Where a host runs its users' code.
#[derive(Debug, Clone)]
pub(crate) enum UserCode {
    /// At once, on the thread that asks for it: for a host that is driven by its caller's own runtime.
    Here,
    /// On other threads, within the context of the caller's runtime, as the code may spawn tasks there.
    Apart(Handle),
}

/// Threads for one sort of work. Two sorts, so that a subscriber in which many threads are stuck holds up no cancellation.
#[derive(Debug, Clone, Copy)]
enum Pool {
    Lanes,
    Cancellations,
}

impl UserCode {
    pub(crate) fn lane(&self) -> Lane {
        match self {
            Self::Here => Lane(None),
            Self::Apart(context) => Lane(Some(Arc::new(Inner { context: context.clone(), queue: Mutex::default() }))),
        }
    }

    /// Cancels a token, which runs the wakers of all who wait for it. The thread may get lost in one of them.
    pub(crate) fn cancel(&self, cancel: impl FnOnce() + Send + 'static) {
        match self {
            Self::Here => drop(caught_call(cancel)),
            Self::Apart(context) => {
                let context = context.clone();
                let cancel = Arc::new(Mutex::new(Some(cancel)));
                let job = {
                    let cancel = Arc::clone(&cancel);
                    move || run_once(&cancel, &context)
                };
                if !Pool::Cancellations.start(job.clone()) {
                    // No thread is left in the system. A waker that blocks is rarer than that.
                    job();
                }
            }
        }
    }
}

fn run_once<F: FnOnce()>(job: &Mutex<Option<F>>, context: &Handle) {
    let taken = job.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(job) = taken {
        let _context = context.enter();
        drop(caught_call(job));
    }
}

/// Jobs that run one after the other.
#[derive(Debug, Clone)]
pub(crate) struct Lane(Option<Arc<Inner>>);

struct Inner {
    context: Handle,
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    /// A thread works on them.
    running: bool,
    /// How many were refused for want of room since this was last told.
    refused: u64,
}

/// How soon a thread is asked for again.
const RETRY: Duration = Duration::from_secs(1);

/// More than a lane that works ever holds.
const ROOM: usize = 1_024;

impl Lane {
    /// Runs `job` after those before it. However many wait, it is kept.
    pub(crate) fn post(&self, job: impl FnOnce() + Send + 'static) {
        match &self.0 {
            None => drop(caught_call(job)),
            Some(inner) => inner.push(Box::new(job)),
        }
    }

    /// Runs `job` after those before it, unless 1,024 wait: then something is stuck, and the job is dropped. The job learns
    /// how many were dropped before it.
    pub(crate) fn post_if_room(&self, job: impl FnOnce(u64) + Send + 'static) {
        match &self.0 {
            None => drop(caught_call(|| job(0))),
            Some(inner) => {
                let refused = {
                    let mut queue = inner.queue();
                    if queue.jobs.len() >= ROOM {
                        queue.refused += 1;
                        return;
                    }
                    std::mem::take(&mut queue.refused)
                };
                inner.push(Box::new(move || job(refused)));
            }
        }
    }

    /// Drops `value` there: its destructor may be a user's.
    pub(crate) fn discard<T: Send + 'static>(&self, value: T) {
        self.post(move || drop(value));
    }
}

impl Inner {
    fn push(self: &Arc<Self>, job: Job) {
        self.queue().jobs.push_back(job);
        self.start();
    }

    /// Has the jobs run, unless that is so.
    fn start(self: &Arc<Self>) {
        let mut queue = self.queue();
        if queue.running || queue.jobs.is_empty() {
            return;
        }
        let inner = Arc::clone(self);
        queue.running = Pool::Lanes.start(move || inner.work());
        if !queue.running {
            self.start_later();
        }
    }

    /// The system has no thread to spare now. The last job of a run tells its caller that it ended, so none may be forgotten.
    fn start_later(self: &Arc<Self>) {
        let inner = Arc::clone(self);
        if let Ok(renewal_thread) = renewal_thread::handle() {
            renewal_thread.spawn(async move {
                tokio::time::sleep(RETRY).await;
                inner.start();
            });
        }
    }

    fn work(&self) {
        let _context = self.context.enter();
        loop {
            let job = {
                let mut queue = self.queue();
                let job = queue.jobs.pop_front();
                queue.running = job.is_some();
                job
            };
            let Some(job) = job else { return };
            drop(caught_call(job));
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        // No code of anybody else's runs under the lock.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lane").finish_non_exhaustive()
    }
}

impl Pool {
    /// Whether a thread was found for it, or will be.
    fn start(self, job: impl FnOnce() + Send + 'static) -> bool {
        static LANES: OnceLock<Option<Runtime>> = OnceLock::new();
        static CANCELLATIONS: OnceLock<Option<Runtime>> = OnceLock::new();
        let (runtime, name, most) = match self {
            Self::Lanes => (&LANES, "leader-users", 64),
            Self::Cancellations => (&CANCELLATIONS, "leader-cancels", 512),
        };
        // Only its threads for what blocks are used. They end when they have been idle for a while.
        let build = || {
            let mut builder = Builder::new_current_thread();
            builder.thread_name(name).max_blocking_threads(most).thread_keep_alive(Duration::from_secs(10));
            builder.build().ok()
        };
        let Some(runtime) = runtime.get_or_init(build) else { return false };
        // Tokio panics when the system refuses a thread.
        caught_call(|| drop(runtime.handle().spawn_blocking(job))).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    fn apart() -> (Runtime, UserCode) {
        let runtime = Builder::new_multi_thread().worker_threads(1).build().expect("a runtime");
        let user_code = UserCode::Apart(runtime.handle().clone());
        (runtime, user_code)
    }

    #[test]
    fn a_lane_keeps_the_order_and_survives_panics() {
        let (_runtime, user_code) = apart();
        let lane = user_code.lane();
        let (told, heard) = mpsc::channel();
        for number in 0..100 {
            let told = told.clone();
            lane.post(move || {
                told.send(number).expect("heard");
                assert!(number % 3 != 0, "a panic of a job is nobody else's");
            });
        }
        drop(told);
        assert_eq!(heard.iter().collect::<Vec<_>>(), (0..100).collect::<Vec<_>>());
    }

    #[test]
    fn a_stuck_lane_holds_up_no_other_and_no_cancellation_and_has_an_end() {
        let (_runtime, user_code) = apart();
        let stuck = user_code.lane();
        let (release, held) = mpsc::channel::<()>();
        let (entered, began) = mpsc::channel();
        stuck.post(move || {
            entered.send(()).expect("heard");
            let _ = held.recv();
        });
        began.recv().expect("it began");
        let (told, heard) = mpsc::channel();
        for number in 0..2_000_u64 {
            let told = told.clone();
            stuck.post_if_room(move |refused| told.send((number, refused)).expect("heard"));
        }
        let (other, others) = mpsc::channel();
        let cancelled = other.clone();
        user_code.lane().post(move || other.send("lane").expect("heard"));
        user_code.cancel(move || cancelled.send("cancel").expect("heard"));
        let mut ran = [others.recv().expect("it runs"), others.recv().expect("it runs")];
        ran.sort_unstable();
        assert_eq!(ran, ["cancel", "lane"]);

        drop(release);
        let ran: Vec<_> = heard.iter().take(ROOM).collect();
        assert_eq!(ran.last(), Some(&(ROOM as u64 - 1, 0)));
        stuck.post_if_room(move |refused| told.send((9_999, refused)).expect("heard"));
        assert_eq!(heard.recv(), Ok((9_999, 2_000 - ROOM as u64)));
    }

    #[test]
    fn user_code_finds_the_callers_runtime() {
        let (runtime, user_code) = apart();
        let (told, heard) = mpsc::channel();
        user_code.lane().post(move || {
            tokio::spawn(async move { told.send(Handle::current().id()).expect("heard") });
        });
        assert_eq!(heard.recv(), Ok(runtime.handle().id()));
    }
}
