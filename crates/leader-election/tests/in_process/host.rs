//! The host in virtual time, against a store that hangs, lies, comes late and panics.
//!
//! Each test is named after the behaviour it holds; the numbers are those of the invariants in the election's
//! documentation. Whatever else a test asserts, the [`stage`](host_support::stage) holds the host to these at every
//! request, grant and task: nobody is granted the lease while another is valid, tokens rise, no release and no acquire
//! while a task runs, one request at a time, nothing under a claim that is spent, nothing after the run.

mod abandon;
mod bounded_shutdown;
mod clock;
mod document;
mod events;
mod forms;
mod hand_over;
mod health;
mod leadership;
mod leadership_watch;
mod many_hosts;
mod one_term;
mod owned;
mod push;
mod refusal;
mod renewals;
mod replies;
mod shutdown;
mod sources;
mod subtasks;
mod task_end;
