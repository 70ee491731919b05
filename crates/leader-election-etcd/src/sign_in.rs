//! The user, and the token that etcd has given for its password.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use leader_election::{Error, ErrorKind};
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::errors::Failure;

/// Who signs in. The token is that of the whole cluster, but a member forgets it when it is restarted, and after five minutes in which
/// nobody has shown it there; whoever is told so signs in again.
pub(crate) struct User {
    name: String,
    password: String,
    token: Mutex<Option<Token>>,
    /// By member, what became of the last sign-in there, or will.
    under_way: Mutex<HashMap<usize, watch::Receiver<Option<Outcome>>>>,
}

type Outcome = Result<Token, Failure>;

/// What a request shows. `None` inside: etcd's authentication is off, so there are no tokens.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Token(pub(crate) Option<Arc<str>>);

impl User {
    pub(crate) fn new(name: &str, password: &str) -> Self {
        Self {
            name: name.to_owned(),
            password: password.to_owned(),
            token: Mutex::default(),
            under_way: Mutex::default(),
        }
    }

    /// The body of the request that brings a token.
    pub(crate) fn request(&self) -> Value {
        json!({"name": self.name, "password": self.password})
    }

    pub(crate) fn token(&self) -> Option<Token> {
        self.lock().clone()
    }

    /// The outcome of the sign-in at this member, which `begin` makes unless one is under way there.
    ///
    /// It goes on when the caller is dropped, within the limit of its one request: to check a password takes etcd a tenth of a second, and longer where
    /// many sign in at once, as after a restart. Begun anew with each attempt, it might never be done.
    pub(crate) async fn signed_in<F>(self: &Arc<Self>, member: usize, begin: impl FnOnce() -> F) -> Outcome
    where
        F: Future<Output = Outcome> + Send + 'static,
    {
        let mut told = {
            let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
            // One that has ended has no sender any more.
            match under_way.get(&member).filter(|told| told.has_changed().is_ok()) {
                Some(told) => told.clone(),
                None => {
                    let (tell, told) = watch::channel(None);
                    let (user, sign_in) = (Arc::clone(self), begin());
                    // On the threads for requests, where all calls are made.
                    tokio::spawn(async move {
                        let outcome = sign_in.await;
                        if let Ok(token) = &outcome {
                            user.remember(token);
                        }
                        tell.send_replace(Some(outcome));
                    });
                    under_way.insert(member, told.clone());
                    told
                }
            }
        };
        let outcome = told.wait_for(Option::is_some).await.ok().and_then(|outcome| outcome.clone());
        outcome.unwrap_or_else(|| {
            Err(Failure::of_member(Error::new(ErrorKind::Unavailable, "signing in to etcd ended without an outcome")))
        })
    }

    fn remember(&self, token: &Token) {
        *self.lock() = Some(token.clone());
    }

    /// Unless another request has brought a newer one meanwhile.
    pub(crate) fn forget(&self, token: &Token) {
        self.lock().take_if(|known| known == token);
    }

    fn lock(&self) -> MutexGuard<'_, Option<Token>> {
        // No code that could panic runs under the lock.
        self.token.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_token_takes_no_newer_one_with_it() {
        let user = User::new("billing", "hunter2");
        let (old, new) = (Token(Some("old".into())), Token(Some("new".into())));
        user.remember(&new);
        user.forget(&old);
        assert!(user.token() == Some(new.clone()));
        user.forget(&new);
        assert!(user.token().is_none());
    }

    #[tokio::test]
    async fn a_sign_in_goes_on_when_whoever_waited_is_dropped_and_is_shared_by_the_next() {
        let user = Arc::new(User::new("billing", "hunter2"));
        let (open, opened) = tokio::sync::oneshot::channel::<()>();
        let slow = async move {
            let _ = opened.await;
            Ok(Token(Some("token".into())))
        };
        let waited = tokio::time::timeout(std::time::Duration::from_millis(20), user.signed_in(0, || slow)).await;
        assert!(waited.is_err() && user.token().is_none());
        let second = tokio::spawn({
            let user = Arc::clone(&user);
            async move { user.signed_in(0, || async { unreachable!("one is under way") }).await }
        });
        tokio::task::yield_now().await;
        open.send(()).expect("it waits");
        assert!(second.await.expect("no panic").is_ok_and(|token| token == Token(Some("token".into()))));
        assert!(user.token().is_some());
        // What has failed is not kept.
        user.forget(&Token(Some("token".into())));
        let failed = || async { Err(Failure::of_member(Error::new(ErrorKind::Unreachable, "gone"))) };
        assert!(user.signed_in(0, failed).await.is_err());
        assert!(user.signed_in(0, || async { Ok(Token(None)) }).await.is_ok());
    }
}
