//! Every form that a task may have, and that none of them costs a word of what is told of its failure.

use std::error::Error as _;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Context as _;
use leader_election::{
    AfterTask, CancellationToken, ErrorKind, IntoTaskResult, LeaderEvent, LeaderHost, Leadership, MemoryMutex,
    TaskError, TaskOutcome,
};

use crate::host_support::{bounded, options};

/// An error of a user's own, as `thiserror` would make it.
#[derive(Debug)]
struct LedgerError {
    cause: std::io::Error,
}

impl fmt::Display for LedgerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the ledger is closed")
    }
}

impl std::error::Error for LedgerError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.cause)
    }
}

impl From<leader_election::NotLeader> for LedgerError {
    fn from(refusal: leader_election::NotLeader) -> Self {
        Self { cause: std::io::Error::other(refusal) }
    }
}

fn full() -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::StorageFull, "the disk is full")
}

async fn by_anyhow(leader: Leadership) -> anyhow::Result<()> {
    leader.ensure()?;
    Err(full()).context("the ledger is closed")
}

async fn by_own_type(leader: Leadership) -> Result<(), LedgerError> {
    leader.ensure()?;
    Err(LedgerError { cause: full() })
}

async fn by_box(leader: Leadership) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    by_own_type(leader).await?;
    Ok(())
}

async fn by_text(leader: Leadership) -> Result<(), String> {
    leader.ensure().map_err(|refusal| refusal.to_string())?;
    Err("the ledger is closed: the disk is full".to_owned())
}

/// Ends with its first term, well or not.
fn host() -> LeaderHost {
    let mut options = options("a");
    (options.after_success, options.after_failure) = (AfterTask::EndHost, AfterTask::EndHost);
    LeaderHost::new(MemoryMutex::new()).with_options(options).in_tokio_time()
}

/// What the run returns and what the events say, when the task fails.
async fn failure<F, Fut>(play: F) -> (leader_election::Error, String)
where
    F: FnMut(Leadership) -> Fut + Send + 'static,
    Fut: Future<Output: IntoTaskResult> + Send + 'static,
{
    let host = host();
    let mut events = host.events();
    let error = bounded(host.run(CancellationToken::new(), play)).await.unwrap_err();
    drop(host);
    while let Some(event) = bounded(events.recv()).await {
        if let LeaderEvent::Ended { outcome, detail, .. } = event {
            assert_eq!(outcome, TaskOutcome::Failed);
            return (error, detail.expect("a detail"));
        }
    }
    panic!("no end was told");
}

fn causes(error: &leader_election::Error) -> Vec<String> {
    let mut causes = Vec::new();
    let mut cause = error.source();
    while let Some(next) = cause {
        causes.push(next.to_string());
        cause = next.source();
    }
    causes
}

#[tokio::test(start_paused = true)]
async fn whatever_the_type_of_a_tasks_error_its_whole_chain_is_told() {
    for (error, detail) in [failure(by_anyhow).await, failure(by_own_type).await, failure(by_box).await] {
        assert_eq!(error.kind(), ErrorKind::TaskFailed);
        assert_eq!(causes(&error), ["the ledger is closed", "the disk is full"]);
        assert_eq!(detail, "the leader's task failed: the ledger is closed: the disk is full");
    }
    let (error, detail) = failure(by_text).await;
    assert_eq!(causes(&error), ["the ledger is closed: the disk is full"]);
    assert_eq!(detail, "the leader's task failed: the ledger is closed: the disk is full");
}

#[tokio::test(start_paused = true)]
async fn an_error_of_ones_own_type_is_found_again_in_what_the_run_returns() {
    let (error, _) = failure(by_own_type).await;
    let own = error.source().and_then(|cause| cause.downcast_ref::<LedgerError>());
    assert_eq!(own.expect("it is there").cause.kind(), std::io::ErrorKind::StorageFull);
}

#[tokio::test(start_paused = true)]
async fn every_form_of_a_task_that_ends_well_is_run() {
    let ran = Arc::new(AtomicUsize::new(0));
    /// Runs each of these on a host of its own.
    macro_rules! run {
        ($($form:expr),* $(,)?) => {{
            let mut forms = 0;
            $(
                let count = Arc::clone(&ran);
                let form = $form;
                let counted = move |leader: Leadership| {
                    count.fetch_add(1, Ordering::Relaxed);
                    form(leader)
                };
                bounded(host().run(CancellationToken::new(), counted)).await.unwrap();
                forms += 1;
            )*
            forms
        }};
    }
    async fn nothing(leader: Leadership) {
        let _ = leader.ensure();
    }
    async fn ends_well(leader: Leadership, state: Arc<str>) -> anyhow::Result<()> {
        leader.ensure()?;
        anyhow::ensure!(&*state == "state", "lost");
        Ok(())
    }
    let state: Arc<str> = "state".into();
    let other = Arc::clone(&state);
    let forms = run![
        nothing,
        |_leader| async {},
        async |leader: Leadership| {
            let _ = leader.ensure();
        },
        async |leader: Leadership| {
            leader.ensure()?;
            Ok::<(), TaskError>(())
        },
        |leader: Leadership| async move {
            leader.ensure()?;
            Ok::<(), TaskError>(())
        },
        |leader: Leadership| async move {
            leader.ensure()?;
            anyhow::Ok(())
        },
        move |leader| ends_well(leader, state.clone()),
        move |leader: Leadership| {
            let state = Arc::clone(&other);
            async move { ends_well(leader, state).await }
        },
    ];
    assert_eq!(ran.load(Ordering::Relaxed), forms);
}

/// The customer's name, in the form that its tasks have: nothing is annotated.
#[tokio::test(start_paused = true)]
async fn a_task_that_is_written_in_place_needs_no_annotation_by_the_long_name() {
    let run = host().run_task_when_mutex_acquired(CancellationToken::new(), |leader| async move {
        leader.ensure()?;
        Ok(())
    });
    bounded(run).await.unwrap();
    let run = host().run_task_when_mutex_acquired(CancellationToken::new(), |leader| async move {
        leader.ensure()?;
        Err("no".into())
    });
    assert_eq!(bounded(run).await.unwrap_err().kind(), ErrorKind::TaskFailed);
    let run = host().run_task_when_mutex_acquired(CancellationToken::new(), |leader| async move {
        loop {
            leader.ensure()?;
            leader.step_down();
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    });
    assert!(tokio::time::timeout(std::time::Duration::from_secs(60), run).await.is_err(), "it contends again");
}

/// What an error says is its own code's business: a panic in it is the task's.
#[tokio::test(start_paused = true)]
async fn a_conversion_that_panics_is_a_panic_of_the_task() {
    struct Bomb;
    impl IntoTaskResult for Bomb {
        fn into_task_result(self) -> Result<(), TaskError> {
            panic!("in the conversion");
        }
    }
    let error = bounded(host().run(CancellationToken::new(), async |_leader| Bomb)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TaskPanicked);
    assert!(error.to_string().contains("in the conversion"), "{error}");
}
