//! The host in virtual time, against a store that hangs, lies, comes late and panics.
//!
//! Each test is named after the behaviour it holds; the numbers are those of the invariants in the election's
//! documentation. Whatever else a test asserts, the [`stage`](host_support::stage) holds the host to these at every
//! request, grant and task: nobody is granted the lease while another is valid, tokens rise, no release and no acquire
//! while a task runs, one request at a time, nothing under a claim that is spent, nothing after the run.

#![allow(clippy::expect_used, clippy::unwrap_used)]

mod host_support;

#[path = "host/abandon.rs"]
mod abandon;
#[path = "host/bounded_shutdown.rs"]
mod bounded_shutdown;
#[path = "host/clock.rs"]
mod clock;
#[path = "host/document.rs"]
mod document;
#[path = "host/events.rs"]
mod events;
#[path = "host/hand_over.rs"]
mod hand_over;
#[path = "host/health.rs"]
mod health;
#[path = "host/leadership.rs"]
mod leadership;
#[path = "host/many_hosts.rs"]
mod many_hosts;
#[path = "host/one_term.rs"]
mod one_term;
#[path = "host/push.rs"]
mod push;
#[path = "support/random.rs"]
#[allow(dead_code)]
mod random;
#[path = "host/refusal.rs"]
mod refusal;
#[path = "host/renewals.rs"]
mod renewals;
#[path = "host/replies.rs"]
mod replies;
#[path = "host/shutdown.rs"]
mod shutdown;
#[path = "host/sources.rs"]
mod sources;
#[path = "host/subtasks.rs"]
mod subtasks;
#[path = "host/task_end.rs"]
mod task_end;
