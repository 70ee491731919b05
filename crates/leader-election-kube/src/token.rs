//! The token that requests bear, and the file in a pod that it stands in.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use leader_election::kit::TARGET;
use leader_election::kit::credential::{Background, Secret, SecretSource, SharedSecret};
use leader_election::{Error, ErrorKind, Result, async_trait};

/// A bearer token for the API server: a text, or a file that is read again, as Kubernetes replaces a pod's token while the pod runs.
/// Its `Debug` shows no token.
///
/// ```
/// use leader_election_kube::KubernetesToken;
///
/// let given = KubernetesToken::text("eyJhbGciOiJSUzI1NiJ9");
/// assert!(!format!("{given:?}").contains("eyJ"));
/// let mounted = KubernetesToken::file("/var/run/secrets/kubernetes.io/serviceaccount/token");
/// # let _ = mounted;
/// ```
#[derive(Clone)]
pub struct KubernetesToken(Given);

#[derive(Clone)]
enum Given {
    Text(Arc<str>),
    File(Arc<Mounted>),
}

struct Mounted {
    path: PathBuf,
    /// Made anew when the server has refused what it gave: then the file is read at once.
    shared: Mutex<SharedSecret>,
}

/// A read of a local file; what is slower is told as such, and goes on.
const PATIENCE: Duration = Duration::from_millis(150);
/// A token that was read is good for so long, and half-way to that the file is read again. client-go does so after a minute too.
const GOOD_FOR: Duration = Duration::from_secs(120);
/// What was read before stays in use for so long when the file cannot be read any more. A token in a pod lives for ten minutes at the least.
const KEPT_FOR: Duration = Duration::from_secs(600);

impl KubernetesToken {
    /// A token that stays the same.
    #[must_use]
    pub fn text(token: impl AsRef<str>) -> Self {
        Self(Given::Text(token.as_ref().trim().into()))
    }

    /// The token in this file, which is read again each minute, and at once when the server refuses it. It is read on a thread of its
    /// own: a disk that hangs holds up no request.
    #[must_use]
    pub fn file(path: impl AsRef<Path>) -> Self {
        let path = path.as_ref().to_owned();
        let shared = Mutex::new(read_again(&path));
        Self(Given::File(Arc::new(Mounted { path, shared })))
    }

    pub(crate) async fn get(&self) -> Result<Arc<str>> {
        match &self.0 {
            Given::Text(text) => Ok(Arc::clone(text)),
            Given::File(file) => {
                let shared = file.shared().clone();
                Ok(shared.get(PATIENCE).await?.text)
            }
        }
    }

    /// Whether there is another token by now than this one, which the server has refused.
    pub(crate) async fn has_changed_from(&self, refused: &str) -> Result<bool> {
        let Given::File(file) = &self.0 else { return Ok(false) };
        let fresh = read_again(&file.path);
        let changed = *fresh.get(PATIENCE).await?.text != *refused;
        *file.shared() = fresh;
        Ok(changed)
    }
}

impl Mounted {
    fn shared(&self) -> MutexGuard<'_, SharedSecret> {
        // No code that could panic runs under the lock.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for KubernetesToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Given::Text(_) => f.write_str("KubernetesToken::text"),
            Given::File(file) => f.debug_tuple("KubernetesToken::file").field(&file.path).finish(),
        }
    }
}

fn read_again(path: &Path) -> SharedSecret {
    SharedSecret::new(TokenFile { path: path.to_owned(), last: Mutex::new(None) }, Background::thread())
}

struct TokenFile {
    path: PathBuf,
    last: Mutex<Option<(Arc<str>, Instant)>>,
}

#[async_trait]
impl SecretSource for TokenFile {
    async fn fetch(&self) -> Result<Secret> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let text: Arc<str> = match (read(&self.path), &*last) {
            (Ok(text), _) => {
                *last = Some((Arc::clone(&text), Instant::now()));
                text
            }
            (Err(error), Some((text, read_at))) if read_at.elapsed() < KEPT_FOR => {
                tracing::warn!(target: TARGET, event = "sign_in_failed", %error, "the token that was read before is used");
                Arc::clone(text)
            }
            (Err(error), _) => return Err(error),
        };
        Ok(Secret::new(text).with_good_until(SystemTime::now().checked_add(GOOD_FOR)))
    }
}

fn read(path: &Path) -> Result<Arc<str>> {
    let failed = |what: String| Error::new(ErrorKind::Credential, format!("the token file {} {what}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| failed(format!("cannot be read: {error}")))?;
    match text.trim() {
        "" => Err(failed("is empty".to_owned())),
        token => Ok(token.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_token_that_was_replaced_is_found_at_once_when_the_server_refused_the_old_one() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("token");
        std::fs::write(&path, "one\n").expect("written");
        let token = KubernetesToken::file(&path);
        let first = token.get().await.expect("read");
        assert_eq!(&*first, "one");
        assert!(!token.has_changed_from(&first).await.expect("read"), "the same: the server refuses it for good");
        std::fs::write(&path, "two\n").expect("written");
        assert!(token.has_changed_from(&first).await.expect("read"));
        assert_eq!(&*token.get().await.expect("read"), "two");
        std::fs::remove_file(&path).expect("removed");
        assert_eq!(token.has_changed_from("two").await.expect_err("no file").kind(), ErrorKind::Credential);
        assert_eq!(&*token.get().await.expect("kept"), "two", "a file that cannot be read takes no token away");
    }

    #[tokio::test]
    async fn what_was_read_is_kept_while_the_file_cannot_be_read_and_its_absence_at_first_names_it() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("token");
        let source = TokenFile { path: path.clone(), last: Mutex::new(None) };
        let error = source.fetch().await.expect_err("no file");
        assert!(error.to_string().contains("token"), "{error}");
        std::fs::write(&path, " \n").expect("written");
        assert!(source.fetch().await.expect_err("no token").to_string().contains("is empty"));
        std::fs::write(&path, "one").expect("written");
        source.fetch().await.expect("read");
        std::fs::remove_file(&path).expect("removed");
        assert_eq!(&*source.fetch().await.expect("kept").text, "one");
    }
}
