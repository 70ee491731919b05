//! A future whose panic is its output, so that the payload stays on the thread that made it.

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

/// What a panic said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Panicked(pub(crate) String);

/// Runs `future`; its panic becomes [`Panicked`].
pub(crate) async fn caught<F: Future>(future: F) -> Result<F::Output, Panicked> {
    Caught { future: Box::pin(future) }.await
}

/// Calls `function`; its panic becomes [`Panicked`].
pub(crate) fn caught_call<T>(function: impl FnOnce() -> T) -> Result<T, Panicked> {
    catch_unwind(AssertUnwindSafe(function)).map_err(Panicked::of)
}

struct Caught<F> {
    future: Pin<Box<F>>,
}

impl<F: Future> Future for Caught<F> {
    type Output = Result<F::Output, Panicked>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match catch_unwind(AssertUnwindSafe(|| self.future.as_mut().poll(context))) {
            Ok(polled) => polled.map(Ok),
            Err(payload) => Poll::Ready(Err(Panicked::of(payload))),
        }
    }
}

impl Panicked {
    fn of(payload: Box<dyn Any + Send>) -> Self {
        let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text =
            text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".to_owned());
        // The payload is a value of the user's: its destructor may panic in its turn.
        if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
            std::mem::forget(second);
        }
        Self(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Bomb;

    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("in the destructor");
        }
    }

    #[test]
    fn a_payload_whose_destructor_panics_is_only_a_panic() {
        let caught = caught_call(|| std::panic::panic_any(Bomb));
        assert_eq!(caught, Err(Panicked("no message".to_owned())));
        assert_eq!(caught_call(|| panic!("{}", 7)), Err::<(), _>(Panicked("7".to_owned())));
        assert_eq!(caught_call(|| 7), Ok(7));
    }
}
