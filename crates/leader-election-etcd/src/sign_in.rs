//! The user, and the token that etcd has given for its password.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

/// Who signs in. The token is that of the whole cluster, but a member forgets it when it is restarted, and after five minutes in which
/// nobody has shown it there; whoever is told so signs in again.
pub(crate) struct User {
    name: String,
    password: String,
    token: Mutex<Option<Token>>,
}

/// What a request shows. `None` inside: etcd's authentication is off, so there are no tokens.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Token(pub(crate) Option<Arc<str>>);

impl User {
    pub(crate) fn new(name: &str, password: &str) -> Self {
        Self { name: name.to_owned(), password: password.to_owned(), token: Mutex::default() }
    }

    /// The body of the request that brings a token.
    pub(crate) fn request(&self) -> Value {
        json!({"name": self.name, "password": self.password})
    }

    pub(crate) fn token(&self) -> Option<Token> {
        self.lock().clone()
    }

    pub(crate) fn remember(&self, token: &Token) {
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
}
