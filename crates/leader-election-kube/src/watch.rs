//! The watch that tells a candidate of a release at once.
//!
//! What it tells is a hint: a candidate that hears of nothing polls as before, and to acquire reads the Lease in any case.

mod events;

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use leader_election::kit::{TARGET, on_request_threads};
use leader_election::{Error, ErrorKind, Result, Sources, Version};
use leader_election_http::{Answer, failed};
use reqwest::Method;
use tokio::time::{sleep, timeout};

use crate::cluster::KubernetesCluster;
use crate::errors::{Call, explain};
use crate::object::KubernetesObject;
use crate::requests;
use events::{Event, Lines};

/// For how long one watch is asked for. Azure's load balancers drop connections that are silent for four minutes.
const SECONDS: u64 = 230;
/// How long the answer to a watch may take to begin.
const BEGIN: Duration = Duration::from_secs(10);
/// A server that has gone without a word says nothing after the watch's own end either.
const GRACE: Duration = Duration::from_secs(10);
/// Between two watches, after one that failed; doubled with each further one.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

pub(crate) struct Watch {
    cluster: KubernetesCluster,
    at: KubernetesObject,
    /// The version that was read or written last: from there on, all that happens is told.
    since: std::sync::Arc<Mutex<Option<String>>>,
    /// No rule allows to watch, and it was said so.
    denied: std::sync::Arc<AtomicBool>,
}

/// How a watch ended.
enum End {
    /// The Lease is free, or gone.
    Changed,
    /// Its time is over.
    Over,
    /// The version it began from is too old to be known: what has happened since must be read.
    TooOld,
}

impl Watch {
    pub(crate) fn new(cluster: KubernetesCluster, at: KubernetesObject) -> Self {
        Self { cluster, at, since: Default::default(), denied: Default::default() }
    }

    /// What happened up to this version is known.
    pub(crate) fn note(&self, version: &Version) {
        self.set_since(Some(version.as_str().to_owned()));
    }

    /// Resolves when somebody may lead by now.
    pub(crate) async fn changed(&self) {
        let own = Self {
            cluster: self.cluster.clone(),
            at: self.at.clone(),
            since: std::sync::Arc::clone(&self.since),
            denied: std::sync::Arc::clone(&self.denied),
        };
        if on_request_threads(async move { own.until_changed().await }).await.is_err() {
            // Without threads there is no watch, and no request either.
            std::future::pending::<()>().await;
        }
    }

    async fn until_changed(&self) {
        let mut pause = FIRST_PAUSE;
        loop {
            if self.denied.load(Ordering::Relaxed) {
                std::future::pending::<()>().await;
            }
            match self.once().await {
                Ok(End::Changed | End::TooOld) => return,
                Ok(End::Over) => pause = FIRST_PAUSE,
                Err(error) if error.kind() == ErrorKind::Denied && error.to_string().contains("(403)") => {
                    self.deny(&error)
                }
                Err(error) => {
                    tracing::debug!(target: TARGET, event = "watch_failed", %error, "the Lease cannot be watched now; it is polled");
                    let wait = error.retry_after().unwrap_or_default().clamp(pause, LONGEST_PAUSE);
                    // By chance, as all standbys lose a server at the same time.
                    sleep(wait.mul_f64(0.5 + Sources::system().fraction())).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    fn deny(&self, error: &Error) {
        if !self.denied.swap(true, Ordering::Relaxed) {
            tracing::warn!(target: TARGET, event = "watch_denied", %error, "the Lease is polled, as it may not be watched: a hand-over takes up to a poll longer");
        }
    }

    async fn once(&self) -> Result<End> {
        let call = Call { verb: "watch", object: &self.at };
        let path = self.path();
        let limit = Duration::from_secs(SECONDS) + GRACE;
        match timeout(limit, self.follow(call, &path)).await {
            Ok(end) => end,
            Err(_) => Ok(End::Over),
        }
    }

    /// The collection under a field selector: at an object's own path `watch` is no watch, and without the selector a rule by name does
    /// not allow it.
    fn path(&self) -> String {
        let since = self.since.lock().unwrap_or_else(PoisonError::into_inner);
        let since = since.as_ref().map(|version| format!("&resourceVersion={version}")).unwrap_or_default();
        format!(
            "{}?watch=1&fieldSelector=metadata.name%3D{}&allowWatchBookmarks=true&timeoutSeconds={SECONDS}{since}",
            self.at.collection(),
            self.at.name
        )
    }

    async fn follow(&self, call: Call<'_>, path: &str) -> Result<End> {
        let what = self.cluster.what();
        let (request, sent) = requests::signed(&self.cluster, self.cluster.watches(), Method::GET, path).await?;
        let slow = |_| Error::new(ErrorKind::Timeout, format!("{what} gave no answer to {call}"));
        let mut response =
            timeout(BEGIN, request.send()).await.map_err(slow)?.map_err(|error| failed(&error, &what))?;
        if response.status() != 200 {
            let (status, headers) = (response.status().as_u16(), response.headers().clone());
            // What a refusal says comes with it; one that is longer than its first part is told by its status.
            let body = timeout(BEGIN, response.chunk()).await.map_err(slow)?.map_err(|error| failed(&error, &what))?;
            let answer = Answer { status, headers, body: body.unwrap_or_default().to_vec() };
            return match (status, sent) {
                (410, _) => Ok(self.too_old()),
                (401, Some(sent)) => Err(requests::refused(&self.cluster, call, &answer, &sent).await),
                _ => Err(explain(call, &answer)),
            };
        }
        let mut lines = Lines::default();
        while let Some(chunk) = response.chunk().await.map_err(|error| failed(&error, &what))? {
            lines.push(&chunk)?;
            while let Some(line) = lines.next() {
                match Event::of(&line)? {
                    Event::Held(version) | Event::Bookmark(version) => self.set_since(Some(version)),
                    Event::Free(version) => {
                        self.set_since(Some(version));
                        return Ok(End::Changed);
                    }
                    Event::Gone => {
                        self.set_since(None);
                        return Ok(End::Changed);
                    }
                    Event::TooOld => return Ok(self.too_old()),
                }
            }
        }
        Ok(End::Over)
    }

    /// The next read tells the version to begin from.
    fn too_old(&self) -> End {
        self.set_since(None);
        End::TooOld
    }

    fn set_since(&self, version: Option<String>) {
        // It goes into a URL. A version of the server's is a number.
        let version = version.filter(|version| version.bytes().all(|b| b.is_ascii_alphanumeric()));
        *self.since.lock().unwrap_or_else(PoisonError::into_inner) = version;
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Watch").field(&self.at.to_string()).finish()
    }
}
