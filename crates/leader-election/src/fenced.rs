//! A resource that refuses older leaders.

use std::fmt;
use std::ops::{Deref, DerefMut};

use tokio::sync::{Mutex, MutexGuard};

use crate::error::Result;
use crate::refusal::write_fenced;
use crate::token::FencingToken;

/// Wraps a resource, and lets nobody at it who comes with a lower [`FencingToken`] than an earlier visitor.
///
/// It is for what runs in one process and serves all workers: an endpoint, an actor, a device's driver. The look at the
/// token and the work are one step: whoever is [admitted](Self::admit) keeps the resource until the guard is dropped, so
/// no older leader's work can come in between.
///
/// The highest token is kept in memory. A service that restarts must remember it, as the resource remembers its own
/// state: store [`highest`](FencedGuard::token) together with it, and begin [`after`](Self::after) it.
///
/// ```
/// use leader_election::{ErrorKind, Fenced, FencingToken};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> leader_election::Result<()> {
/// let charges = Fenced::new(Vec::new());
/// charges.admit("42".parse()?).await?.push("subscription 7");
///
/// let refusal = charges.admit("41".parse()?).await.unwrap_err();
/// assert_eq!(refusal.kind(), ErrorKind::Fenced);
/// assert_eq!(refusal.fenced_by(), Some(FencingToken::new(42)?));
/// # Ok(())
/// # }
/// ```
pub struct Fenced<R> {
    inner: Mutex<Inner<R>>,
}

struct Inner<R> {
    highest: Option<FencingToken>,
    resource: R,
}

/// The resource, for as long as this is held. See [`Fenced::admit`].
///
/// ```
/// # use leader_election::{Fenced, FencingToken};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> leader_election::Result<()> {
/// let counter = Fenced::new(0);
/// let mut admitted = counter.admit(FencingToken::new(7)?).await?;
/// *admitted += 1;
/// assert_eq!((*admitted, admitted.token().get()), (1, 7));
/// # Ok(())
/// # }
/// ```
pub struct FencedGuard<'a, R> {
    inner: MutexGuard<'a, Inner<R>>,
    token: FencingToken,
}

impl<R> Fenced<R> {
    /// A resource that no leader has been at.
    pub fn new(resource: R) -> Self {
        Self { inner: Mutex::new(Inner { highest: None, resource }) }
    }

    /// A resource that was last written to under this token.
    pub fn after(highest: FencingToken, resource: R) -> Self {
        Self { inner: Mutex::new(Inner { highest: Some(highest), resource }) }
    }

    /// Waits until the resource is free, and lets the bearer of `token` at it if no newer leader was there before.
    ///
    /// From this moment on every older leader is refused, whether or not anything is done with the resource: so a leader
    /// that reads, thinks and writes in two visits knows that no older one comes in between.
    ///
    /// Cancellation-safe: who gives up waiting was not admitted.
    ///
    /// # Errors
    /// [`ErrorKind::Fenced`](crate::ErrorKind::Fenced), with the newer token.
    pub async fn admit(&self, token: FencingToken) -> Result<FencedGuard<'_, R>> {
        let mut inner = self.inner.lock().await;
        if let Some(newer) = inner.highest.filter(|highest| *highest > token) {
            return Err(write_fenced(std::any::type_name::<R>(), token, newer));
        }
        inner.highest = Some(token);
        Ok(FencedGuard { inner, token })
    }

    /// The resource, for good and without a token.
    pub fn into_inner(self) -> R {
        self.inner.into_inner().resource
    }
}

impl<R> FencedGuard<'_, R> {
    /// The token that was admitted: the highest so far.
    #[must_use]
    pub fn token(&self) -> FencingToken {
        self.token
    }
}

impl<R> Deref for FencedGuard<'_, R> {
    type Target = R;

    fn deref(&self) -> &R {
        &self.inner.resource
    }
}

impl<R> DerefMut for FencedGuard<'_, R> {
    fn deref_mut(&mut self) -> &mut R {
        &mut self.inner.resource
    }
}

impl<R> fmt::Debug for Fenced<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let highest = self.inner.try_lock().ok().and_then(|inner| inner.highest);
        f.debug_struct("Fenced").field("highest", &highest).finish_non_exhaustive()
    }
}

impl<R> fmt::Debug for FencedGuard<'_, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FencedGuard").field("token", &self.token).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn token(number: u64) -> FencingToken {
        FencingToken::new(number).expect("in range")
    }

    #[tokio::test]
    async fn an_older_token_is_refused_and_told_the_newer_one() {
        let resource = Fenced::after(token(5), ());
        assert_eq!(resource.admit(token(4)).await.expect_err("older").fenced_by(), Some(token(5)));
        assert!(resource.admit(token(5)).await.is_ok(), "the same leader comes again");
        assert!(resource.admit(token(9)).await.is_ok());
        assert!(resource.admit(token(5)).await.is_err(), "and is the older one now");
    }

    #[tokio::test]
    async fn who_waited_while_a_newer_leader_was_at_it_is_refused() {
        let resource = Arc::new(Fenced::new(0));
        let first = resource.admit(token(1)).await.expect("nobody was there");
        let enter = |number| {
            let resource = Arc::clone(&resource);
            tokio::spawn(async move { resource.admit(token(number)).await.map(|mut admitted| *admitted = number) })
        };
        let newer = enter(3);
        tokio::task::yield_now().await;
        let older = enter(2);
        tokio::task::yield_now().await;
        drop(first);
        newer.await.expect("no panic").expect("the newest");
        assert!(older.await.expect("no panic").is_err());
        assert_eq!(*resource.admit(token(3)).await.expect("the newest"), 3);
    }
}
