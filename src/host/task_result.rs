//! What a leader's task may return.

use super::TaskError;

/// What a leader's task may return: nothing, or a `Result` whose error is any that becomes a [`TaskError`].
///
/// ```
/// use azure_leader_election::{IntoTaskResult, TaskError};
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
/// ```compile_fail
/// # fn is_accepted<T: azure_leader_election::IntoTaskResult>() {}
/// is_accepted::<Result<u32, std::io::Error>>();
/// ```
///
/// ```compile_fail
/// # fn is_accepted<T: azure_leader_election::IntoTaskResult>() {}
/// is_accepted::<Result<(), Box<dyn std::error::Error>>>();
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
