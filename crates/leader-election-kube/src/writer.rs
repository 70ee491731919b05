//! An object that refuses older leaders.

use std::fmt;
use std::time::Duration;

use leader_election::kit::{on_request_threads, write_fenced};
use leader_election::{Error, ErrorKind, FencingToken, Result, Sources};
use serde_json::Value;
use tokio::time::timeout;

use crate::cluster::KubernetesCluster;
use crate::object::KubernetesObject;
use crate::requests::{self, Outcome};
use crate::wire::{self, Object};

/// The highest token that has written, in decimal digits: an admission policy reads it too.
const FENCE: &str = "azure-leader-election/fence";
/// The number of the latest write, by which a leader knows its own again.
const WRITE: &str = "azure-leader-election/write";
/// How long an operation may take, all its requests together, unless the caller says otherwise.
const LIMIT: Duration = Duration::from_secs(60);
/// How often a write is tried again when somebody else's comes between.
const ROUNDS: usize = 32;

/// A Kubernetes object that holds a leader's state, such as a ConfigMap, and that only the latest leader writes to.
///
/// [Opening](Self::open) it writes the leader's [`FencingToken`] into the annotation `azure-leader-election/fence` and changes nothing else. That gives the
/// object a new version; from then on every write names the version that it goes over, and the API server refuses an older leader's, however late it
/// arrives, in the same request. The same keeps off late duplicates of this leader's own writes.
///
/// Opening takes two requests, once per leadership; a write takes one. It takes this rule, for the object's own kind and name, and the object has to be
/// there, as by a manifest. Take one for the leader's state alone: a write sends it whole.
///
/// ```yaml
/// - {apiGroups: [""], resources: [configmaps], verbs: [get, update], resourceNames: [billing-state]}
/// ```
///
/// **It binds those that play along.** Another tool's patch passes it, and whoever deletes the object deletes the fence. For everybody the API server
/// enforces it by the admission policy in `docs/kubernetes.md`. An object's `status` is written apart and not fenced.
///
/// # Errors of all operations
/// [`Fenced`](ErrorKind::Fenced) when a newer leader has opened it, with [its token](Error::fenced_by); [`NotFound`](ErrorKind::NotFound) when there is no such
/// object; [`CorruptRecord`](ErrorKind::CorruptRecord) when the annotation is no token; [`Conflict`](ErrorKind::Conflict) when others write without a pause; a transient
/// error when nobody knows whether a write was carried out. Then just write again: a write that was carried out is recognised.
///
/// Cancellation-safe: a write that is dropped may have been carried out; the next one finds out.
///
/// ```no_run
/// use leader_election::{Leadership, TaskError};
/// use leader_election_kube::{FencedObject, KubernetesCluster, KubernetesObject};
///
/// async fn bill(leader: Leadership, cluster: &KubernetesCluster) -> Result<(), TaskError> {
///     let state = KubernetesObject::config_map("prod", "billing-state")?;
///     let mut state = FencedObject::open(cluster, state, leader.fencing_token()).await?;
///     let until = state.object()["data"]["billed-until"].clone(); // nobody older can write any more
///     // ... find out what is due ...
///     state.update(|object| object["data"]["billed-until"] = "2026-11-28".into()).await?;
/// # let _ = until;
///     Ok(())
/// }
/// ```
pub struct FencedObject {
    cluster: KubernetesCluster,
    at: KubernetesObject,
    token: FencingToken,
    limit: Duration,
    /// As this leader last read or wrote it.
    seen: Value,
    /// The numbers of the writes over that version whose outcome is not known. At most one of them was carried out.
    unsettled: Vec<String>,
}

impl FencedObject {
    /// Opens the object for the leader with this token, and locks older ones out.
    ///
    /// # Errors
    /// As [above](Self#errors-of-all-operations).
    pub async fn open(cluster: &KubernetesCluster, object: KubernetesObject, token: FencingToken) -> Result<Self> {
        let (cluster, seen) = (cluster.clone(), Value::Null);
        let mut opened = Self { cluster, at: object, token, limit: LIMIT, seen, unsettled: Vec::new() };
        let open = async {
            opened.look().await?;
            opened.write(&mut |_| {}).await
        };
        timeout(LIMIT, open).await.unwrap_or_else(|_| Err(too_long(LIMIT)))?;
        Ok(opened)
    }

    /// Sets how long an operation may take, all its requests together. Default 60 s, also for [`open`](Self::open).
    #[must_use]
    pub fn with_limit(self, limit: Duration) -> Self {
        Self { limit, ..self }
    }

    /// The object whole, as this leader last read or wrote it. What others have written since, past the fence, is read by the next
    /// [`update`](Self::update) only.
    #[must_use]
    pub fn object(&self) -> &Value {
        &self.seen
    }

    /// Writes the object as `change` leaves it. `change` is called again on what stands there by then when somebody else's write, such as
    /// a new label, comes between; so let it put values, and not count.
    ///
    /// Its own name, namespace, uid, version and fence stay whatever `change` does to them.
    ///
    /// # Errors
    /// As [above](Self#errors-of-all-operations).
    pub async fn update(&mut self, mut change: impl FnMut(&mut Value) + Send) -> Result<()> {
        let limit = self.limit;
        let update = async {
            if !self.unsettled.is_empty() {
                self.look().await?;
            }
            self.write(&mut change).await
        };
        timeout(limit, update).await.unwrap_or_else(|_| Err(too_long(limit)))
    }

    async fn write(&mut self, change: &mut (dyn FnMut(&mut Value) + Send)) -> Result<()> {
        let number = Sources::system().uuid().simple().to_string();
        for _ in 0..ROUNDS {
            let content = self.changed(change, &number)?;
            if !self.unsettled.contains(&number) {
                self.unsettled.push(number.clone());
            }
            let (cluster, at) = (self.cluster.clone(), self.at.clone());
            match on_request_threads(async move { requests::replace(&cluster, &at, &content).await }).await?? {
                Outcome::Done(object) => {
                    self.stands(object.into());
                    return Ok(());
                }
                Outcome::Conflict => {
                    let stands = self.look().await?;
                    if stands.as_deref() == Some(&number) {
                        return Ok(());
                    }
                }
            }
        }
        let message = format!("others write to {} without a pause, so nothing was written: try again", self.at);
        Err(Error::new(ErrorKind::Conflict, message))
    }

    /// What `change` makes of what was seen, over that very version.
    fn changed(&self, change: &mut (dyn FnMut(&mut Value) + Send), number: &str) -> Result<Object> {
        let mut content = self.seen.clone();
        change(&mut content);
        let Value::Object(mut content) = content else {
            return Err(Error::setting("the change made something of the object that is none"));
        };
        wire::annotate(&mut content, FENCE, self.token.to_string());
        wire::annotate(&mut content, WRITE, number.to_owned());
        if let Some(Value::Object(metadata)) = content.get_mut("metadata") {
            for name in ["name", "namespace", "uid", "resourceVersion"] {
                metadata.insert(name.to_owned(), self.seen["metadata"][name].clone());
            }
        }
        Ok(content)
    }

    /// Reads the object anew, unless a newer leader has it. Returns the number of the latest write if that is one of this leader's own.
    async fn look(&mut self) -> Result<Option<String>> {
        let (cluster, at) = (self.cluster.clone(), self.at.clone());
        let read = on_request_threads(async move { requests::get(&cluster, &at).await }).await??;
        let Some(read) = read else {
            let message =
                format!("there is no {}: create it, as by a manifest; a leader's state is not made anew", self.at);
            return Err(Error::new(ErrorKind::NotFound, message));
        };
        let object = Value::Object(read.object);
        let annotation = |name: &str| object["metadata"]["annotations"][name].as_str();
        if let Some(text) = annotation(FENCE) {
            let fence = self.fence(text)?;
            if fence > self.token {
                return Err(write_fenced(&self.at.to_string(), self.token, fence));
            }
        }
        let own = annotation(WRITE).filter(|number| self.unsettled.iter().any(|own| own == number)).map(str::to_owned);
        // Over another version none of the others can be carried out any more.
        if object["metadata"]["resourceVersion"] == self.seen["metadata"]["resourceVersion"] {
            self.seen = object;
        } else {
            self.stands(object);
        }
        Ok(own)
    }

    fn stands(&mut self, object: Value) {
        self.seen = object;
        self.unsettled.clear();
    }

    fn fence(&self, text: &str) -> Result<FencingToken> {
        let number = text.parse().ok().and_then(|number| FencingToken::new(number).ok());
        number.ok_or_else(|| {
            let message = format!(
                "the annotation {FENCE} of {} is no fencing token; something else writes to it. Nothing was changed: restore it, or remove it",
                self.at
            );
            Error::new(ErrorKind::CorruptRecord, message)
        })
    }
}

fn too_long(limit: Duration) -> Error {
    Error::new(
        ErrorKind::Timeout,
        format!("the operation took longer than {limit:?}: nobody knows whether it was carried out"),
    )
}

impl fmt::Debug for FencedObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FencedObject")
            .field("object", &self.at.to_string())
            .field("token", &self.token)
            .finish_non_exhaustive()
    }
}
