//! What a leader's task may return.

use super::TaskError;

/// What a leader's task may return to [`LeaderHost::run`](crate::LeaderHost::run): nothing, or a `Result` whose error is any that
/// becomes a [`TaskError`].
///
/// ```
/// use leader_election::{IntoTaskResult, TaskError};
///
/// fn is_accepted<T: IntoTaskResult>() {}
///
/// is_accepted::<()>();
/// is_accepted::<Result<(), TaskError>>();
/// is_accepted::<Result<(), std::io::Error>>();
/// is_accepted::<Result<(), String>>();
/// is_accepted::<anyhow::Result<()>>();
/// ```
///
/// Neither a value, nor an error that is not `Send + Sync + 'static`:
///
/// ```compile_fail,E0277
/// # fn is_accepted<T: leader_election::IntoTaskResult>() {}
/// is_accepted::<Result<u32, std::io::Error>>();
/// ```
///
/// ```compile_fail,E0277
/// # fn is_accepted<T: leader_election::IntoTaskResult>() {}
/// is_accepted::<Result<(), Box<dyn std::error::Error>>>();
/// ```
///
/// # The forms of a task
///
/// The shortest is an `async fn`, with an error of any type:
///
/// ```
/// # use leader_election::{CancellationToken, LeaderHost, Leadership, MemoryMutex};
/// async fn lead(leader: Leadership) -> anyhow::Result<()> {
///     leader.ensure()?;
///     leader.token().cancelled().await;
///     Ok(())
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> leader_election::Result<()> {
/// # let (host, shutdown) = (LeaderHost::new(MemoryMutex::new()), CancellationToken::new());
/// # shutdown.cancel();
/// host.run(shutdown, lead).await?;
/// # Ok(())
/// # }
/// ```
///
/// State comes by a closure. It is called once for each term, so it clones what the term takes:
///
/// ```
/// # use leader_election::{CancellationToken, LeaderHost, Leadership, MemoryMutex, TaskError};
/// # use std::sync::Arc;
/// # struct Books;
/// async fn bill(leader: Leadership, books: Arc<Books>) -> Result<(), TaskError> {
///     // …
/// #   let _ = (leader, books);
///     Ok(())
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> leader_election::Result<()> {
/// # let (host, shutdown) = (LeaderHost::new(MemoryMutex::new()), CancellationToken::new());
/// # shutdown.cancel();
/// let books = Arc::new(Books);
/// host.run(shutdown, move |leader| bill(leader, books.clone())).await?;
/// # Ok(())
/// # }
/// ```
///
/// An `async` block that is written in place has no type of error to go by. Name it in the last line, or call
/// [`run_task_when_mutex_acquired`](crate::LeaderHost::run_task_when_mutex_acquired), which is `run` for tasks that fail with [`TaskError`]:
///
/// ```
/// # use leader_election::{CancellationToken, LeaderHost, Leadership, MemoryMutex, TaskError};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> leader_election::Result<()> {
/// # let (host, shutdown) = (LeaderHost::new(MemoryMutex::new()), CancellationToken::new());
/// # shutdown.cancel();
/// let named = |leader: Leadership| async move {
///     leader.ensure()?;
///     Ok::<(), TaskError>(()) // or `anyhow::Ok(())`
/// };
/// host.run(shutdown.clone(), named).await?;
///
/// let known = |leader: Leadership| async move {
///     leader.ensure()?;
///     Ok(())
/// };
/// host.run_task_when_mutex_acquired(shutdown, known).await?;
/// # Ok(())
/// # }
/// ```
///
/// Without either, the compiler asks for the type:
///
/// ```compile_fail,E0282
/// # use leader_election::{CancellationToken, LeaderHost, Leadership};
/// # async fn example(host: LeaderHost, shutdown: CancellationToken) -> leader_election::Result<()> {
/// host.run(shutdown, |leader: Leadership| async move {
///     leader.ensure()?;
///     Ok(())
/// })
/// .await
/// # }
/// ```
///
/// A block that never ends, as `async move { loop { … } }`, is one for `run_task_when_mutex_acquired`, too.
///
/// An `async` closure is a task if it captures nothing (`async |leader: Leadership| { … }`), and for
/// [`run_one_term`](crate::LeaderHost::run_one_term) also if it does. One that captures state lends it to its future, so it is no `FnMut`; and of
/// such a future stable Rust cannot say that it may go to another thread, which the runtime asks for:
///
/// ```compile_fail
/// # use leader_election::{CancellationToken, LeaderHost, Leadership};
/// # async fn example(host: LeaderHost, shutdown: CancellationToken) -> leader_election::Result<()> {
/// let ledger = String::from("2026");
/// host.run(shutdown, async move |leader: Leadership| println!("{ledger}: {}", leader.fencing_token())).await
/// # }
/// ```
#[diagnostic::on_unimplemented(
    message = "a leader's task returns `()` or `Result<(), E>`, and not `{Self}`",
    note = "`E` is any error that is `Send + Sync + 'static`, such as `TaskError`, `anyhow::Error` or a type of your own",
    note = "`LeaderHost::run_one_term` takes a task that returns a value"
)]
pub trait IntoTaskResult {
    /// The same, as the host takes it. It is called on the task's own runtime and within its span, as a part of the task.
    ///
    /// # Errors
    /// That of the task.
    fn into_task_result(self) -> Result<(), TaskError>;
}

impl IntoTaskResult for () {
    fn into_task_result(self) -> Result<(), TaskError> {
        Ok(())
    }
}

impl<E: Into<TaskError>> IntoTaskResult for Result<(), E> {
    fn into_task_result(self) -> Result<(), TaskError> {
        self.map_err(Into::into)
    }
}
