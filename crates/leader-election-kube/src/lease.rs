//! A Lease as a document store: read, create, replace.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use leader_election::document::{DocumentStore, Record, Stored};
use leader_election::{
    Error, ErrorKind, FencingToken, Result, SideName, SideRecord, Timing, Version, Written, async_trait,
};
use serde_json::Value;

use crate::cluster::KubernetesCluster;
use crate::names;
use crate::object::KubernetesObject;
use crate::requests::{self, Outcome};
use crate::side::SideLease;
use crate::watch::Watch;
use crate::wire::{self, Object};

pub(crate) struct LeaseStore {
    cluster: KubernetesCluster,
    at: KubernetesObject,
    /// The object of the latest write, as the server answered it. `DocumentMutex` keeps the one before that, in which the times are older.
    written: Mutex<Option<(Version, Object)>>,
    watch: Watch,
}

impl LeaseStore {
    pub(crate) fn new(cluster: KubernetesCluster, at: KubernetesObject) -> Self {
        let watch = Watch::new(cluster.clone(), at.clone());
        Self { cluster, at, written: Mutex::new(None), watch }
    }

    fn written(&self) -> MutexGuard<'_, Option<(Version, Object)>> {
        // No code that could panic runs under the lock.
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The object of this version, whole; `None` when it is neither what was read nor what was written last.
    fn object_of(&self, seen: &Stored<Object>) -> Option<Object> {
        match &*self.written() {
            Some((version, object)) if *version == seen.version => return Some(object.clone()),
            _ => {}
        }
        let read = seen.rest.get("metadata").and_then(|metadata| metadata.get("resourceVersion"));
        (read.and_then(Value::as_str) == Some(seen.version.as_str())).then(|| seen.rest.clone())
    }

    fn done(&self, outcome: Outcome) -> Result<Written> {
        let Outcome::Done(object) = outcome else { return Ok(Written::Conflict) };
        let version = wire::read(&self.at, object.clone())?.version;
        self.watch.note(&version);
        *self.written() = Some((version.clone(), object));
        Ok(Written::Done(version))
    }
}

#[async_trait]
impl DocumentStore for LeaseStore {
    type Rest = Object;

    async fn read(&self) -> Result<Option<Stored<Object>>> {
        let Some(read) = requests::get(&self.cluster, &self.at).await? else { return Ok(None) };
        let stored = wire::read(&self.at, read.object)?;
        self.watch.note(&stored.version);
        Ok(Some(stored.with_server_ms(read.server_ms.filter(|ms| *ms < FencingToken::MAX))))
    }

    async fn create(&self, record: &Record) -> Result<Written> {
        let lease = wire::new(&self.at, record);
        self.done(requests::create(&self.cluster, &self.at, &lease).await?)
    }

    async fn replace(&self, seen: &Stored<Object>, record: &Record) -> Result<Written> {
        let Some(object) = self.object_of(seen) else { return Ok(Written::Conflict) };
        let lease = wire::replaced(object, &seen.record, record);
        self.done(requests::replace(&self.cluster, &self.at, &lease).await?)
    }

    /// The Leases with our record in them. A namespace with more than 5,000 Leases is not read to its end.
    async fn elections(&self) -> Result<Vec<String>> {
        let (mut names, mut from) = (Vec::new(), None);
        for _ in 0..10 {
            let (items, next) = match requests::list(&self.cluster, &self.at, from.as_deref()).await {
                // No rule can name what is listed, so many Roles do without: then nothing is wrong, but there is no list.
                Err(error) if error.kind() == ErrorKind::Denied => {
                    return Err(Error::new(ErrorKind::Refused, error.to_string()));
                }
                page => page?,
            };
            names.extend(items.iter().filter_map(election));
            from = next;
            if from.is_none() {
                break;
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    fn side(&self, name: SideName) -> Option<Arc<dyn SideRecord>> {
        let beside = format!("{}.{name}", self.at.name);
        // A name that is too long is none.
        let at = KubernetesObject::lease(&self.at.namespace, &beside).ok()?;
        Some(Arc::new(SideLease { cluster: self.cluster.clone(), at }))
    }

    fn election(&self) -> &str {
        &self.at.name
    }

    /// A Lease counts in whole seconds.
    fn check_lease(&self, lease: Duration) -> Result<()> {
        if lease < Timing::MIN_LEASE || lease > Timing::MAX_LEASE || lease.subsec_nanos() != 0 {
            return Err(Error::setting(format!(
                "lease must be 1 s to an hour, in whole seconds, on Kubernetes, not {lease:?}"
            )));
        }
        Ok(())
    }

    async fn changed(&self) {
        self.watch.changed().await;
    }
}

fn election(item: &Value) -> Option<String> {
    item.pointer("/metadata/annotations")?.get(wire::RECORD)?;
    let name = item.pointer("/metadata/name")?.as_str()?;
    names::check_election(name).is_ok().then(|| name.to_owned())
}

impl fmt::Debug for LeaseStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LeaseStore").field(&self.at.to_string()).finish()
    }
}
