//! One sign-in to Azure for all stores and fences: `azure_core`'s credentials over [`kit::credential`](leader_election::kit::credential).

#[cfg(feature = "redis")]
mod identity;
mod words;

#[cfg(any(feature = "blob", feature = "cosmos"))]
pub(crate) use words::credential_error;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use azure_core::credentials::{AccessToken, TokenCredential, TokenRequestOptions};
use azure_core::error::ErrorKind as SdkKind;
use tokio::runtime::Handle;

use leader_election::{
    Error, Result,
    kit::credential::{Background, Secret, SecretSource, SharedSecret},
};

/// How long a request waits for its first token where nothing else bounds it: longer than a program such as `az` takes on a
/// slow machine.
const PATIENCE: Duration = Duration::from_secs(14);

/// A credential that signs in apart from the requests, once for all who share it.
///
/// Make one from any [`TokenCredential`], and clone it into as many stores, fenced writers and clients of the Azure SDK as you
/// like. The stores' constructors make one by themselves from what you give them; share one where a process has many
/// elections, or each of them signs in for itself.
///
/// The SDK asks for a token within a request, and asks for a new one there too, five minutes before the old one ends. An
/// identity endpoint or an `az` that is slow, throttled or silent then costs the lease, although the token at hand is good and
/// the store answers. Here the credential you gave runs on a thread of its own, never on the one that renews leases:
/// - one fetch at a time, which goes on when the request that waited for it is given up: one `az`, not one per attempt;
/// - a token is fetched anew ten minutes before it ends, or at half its life if that is shorter; with credentials that keep a
///   token themselves until five minutes before, at some instant in the minute after that, which differs from worker to worker;
/// - until the new one is there the present one is used, to its very end, whatever becomes of the fetch;
/// - after a failure it waits 1 s, then twice as long each time, up to 8 s without a token and 30 s with one, and as long as a
///   `Retry-After` says, up to five minutes; a fetch without an answer is given up after a minute, and further ones in a row
///   after two;
/// - nothing is fetched for a credential that is not used.
///
/// A store's request that has no token fails with [`ErrorKind::Credential`](crate::ErrorKind), which is transient, and with the
/// credential's own words ("Please run 'az login'"), or with how long it has waited ("signing in has taken 9 s so far").
///
/// Clones share the thread, which ends with the last one. `Debug` shows no token.
///
/// ```no_run
/// use azure_identity::ManagedIdentityCredential;
/// use azure_leader_election::{BlobDistributedMutex, SharedCredential};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let credential = SharedCredential::new(ManagedIdentityCredential::new(None)?);
/// let leases = "https://myaccount.blob.core.windows.net/leases";
/// let billing = BlobDistributedMutex::new(leases, "nightly-billing", credential.clone())?;
/// let reports = BlobDistributedMutex::new(leases, "reports", credential)?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct SharedCredential {
    inner: Arc<Inner>,
}

struct Inner {
    credential: Arc<dyn TokenCredential>,
    background: Background,
    /// One for each set of scopes: tokens of one service are no good for another.
    tokens: Mutex<HashMap<Vec<String>, SharedSecret>>,
}

impl SharedCredential {
    /// Signs in on a thread of its own, which is started by the first request. Nothing is sent yet.
    #[must_use]
    pub fn new(credential: Arc<dyn TokenCredential>) -> Self {
        Self::within(credential, Background::thread())
    }

    /// Signs in on a runtime of yours, which needs its time driver and has to live as long as this. For credentials that are
    /// bound to a runtime, and for tests in paused time; a runtime that is blocked or gone signs nobody in.
    #[must_use]
    pub fn with_runtime(credential: Arc<dyn TokenCredential>, runtime: Handle) -> Self {
        Self::within(credential, Background::runtime(runtime))
    }

    fn within(credential: Arc<dyn TokenCredential>, background: Background) -> Self {
        Self { inner: Arc::new(Inner { credential, background, tokens: Mutex::default() }) }
    }

    /// The token: at once while the present one is good, and otherwise when it comes, or an error after `patience`.
    pub(crate) async fn token(&self, scopes: &[&str], patience: Duration) -> Result<Secret> {
        self.secret(scopes).get(patience).await
    }

    /// What signs in to Redis in Azure, for [`RedisServer::with_secret`](crate::redis::RedisServer::with_secret): the token, with the identity's
    /// object id for the user. One for all servers; the identity needs an access policy on each database. Nothing is sent yet.
    ///
    /// Sign in to servers in Azure alone by it: any other one would be shown a token that is good there.
    ///
    /// ```no_run
    /// use azure_identity::ManagedIdentityCredential;
    /// use azure_leader_election::SharedCredential;
    /// use azure_leader_election::redis::{RedisDistributedMutex, RedisServer};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let credential = SharedCredential::new(ManagedIdentityCredential::new(None)?);
    /// let server = RedisServer::new("rediss://mycache.westeurope.redis.azure.net")?.with_secret(credential.for_redis());
    /// let mutex = RedisDistributedMutex::new(server, "nightly-billing")?;
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "redis")]
    #[cfg_attr(docsrs, doc(cfg(feature = "redis")))]
    #[must_use]
    pub fn for_redis(&self) -> SharedSecret {
        self.secret(&[identity::REDIS])
    }

    fn secret(&self, scopes: &[&str]) -> SharedSecret {
        let scopes: Vec<String> = scopes.iter().map(ToString::to_string).collect();
        let mut tokens = self.inner.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        let new = |scopes: &Vec<String>| {
            let source = Source { credential: Arc::clone(&self.inner.credential), scopes: scopes.clone() };
            SharedSecret::new(source, self.inner.background.clone())
        };
        tokens.entry(scopes).or_insert_with_key(new).clone()
    }
}

impl fmt::Debug for SharedCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedCredential").finish_non_exhaustive()
    }
}

#[async_trait]
impl TokenCredential for SharedCredential {
    /// Answers at once while the present token is good. Waits for 14 s at most otherwise.
    async fn get_token(
        &self,
        scopes: &[&str],
        _options: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AccessToken> {
        let token = self.token(scopes, PATIENCE).await.map_err(|error| {
            let text = error.to_string();
            azure_core::Error::with_error(SdkKind::Credential, error, text)
        })?;
        let ends = token.good_until.unwrap_or_else(SystemTime::now);
        Ok(AccessToken::new(token.text.to_string(), ends.into()))
    }
}

impl From<Arc<dyn TokenCredential>> for SharedCredential {
    fn from(credential: Arc<dyn TokenCredential>) -> Self {
        Self::new(credential)
    }
}

impl<T: TokenCredential + 'static> From<Arc<T>> for SharedCredential {
    fn from(credential: Arc<T>) -> Self {
        Self::new(credential)
    }
}

/// A credential of the user's, asked for one set of scopes.
struct Source {
    credential: Arc<dyn TokenCredential>,
    scopes: Vec<String>,
}

#[async_trait]
impl SecretSource for Source {
    async fn fetch(&self) -> Result<Secret> {
        let scopes: Vec<&str> = self.scopes.iter().map(String::as_str).collect();
        let token = self.credential.get_token(&scopes, None).await.map_err(|error| failed(&error))?;
        let good_until = Some(SystemTime::from(token.expires_on));
        let secret = Secret::new(token.token.secret()).with_good_until(good_until);
        #[cfg(feature = "redis")]
        if scopes == [identity::REDIS] {
            let user = identity::object_id(&secret.text)?;
            return Ok(secret.with_user(Some(user)));
        }
        Ok(secret)
    }
}

fn failed(error: &azure_core::Error) -> Error {
    words::own(error).unwrap_or_else(|| words::sign_in_failed(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the constructors of stores and fences take.
    #[test]
    fn whatever_signs_in_is_shared_and_what_is_shared_already_stays_the_same() {
        fn taken(credential: impl Into<SharedCredential>) -> SharedCredential {
            credential.into()
        }
        let shared = taken(Arc::new(Nothing));
        assert!(Arc::ptr_eq(&shared.inner, &taken(shared.clone()).inner));
        let any: Arc<dyn TokenCredential> = Arc::new(Nothing);
        assert!(!Arc::ptr_eq(&shared.inner, &taken(any).inner));
    }

    #[derive(Debug)]
    struct Nothing;

    #[async_trait]
    impl TokenCredential for Nothing {
        async fn get_token(&self, _: &[&str], _: Option<TokenRequestOptions<'_>>) -> azure_core::Result<AccessToken> {
            Err(azure_core::Error::with_message(SdkKind::Credential, "nothing"))
        }
    }
}
