//! The mutex on a Lease.

use std::fmt;

use leader_election::Result;
use leader_election::document::DocumentMutex;
use leader_election::kit::{OnRequestThreads, delegate_mutex};

use crate::cluster::KubernetesCluster;
use crate::lease::LeaseStore;
use crate::names;
use crate::object::KubernetesObject;

/// Elects on a Kubernetes Lease, side by side with workers in Go that use client-go.
///
/// The Lease has the election's name: a DNS subdomain of up to 253 characters. It is created by whoever contends first, unless a manifest
/// ships it. A standby reads it once per poll, watches it for a release, and takes it over when it has stood still for a whole lease on the standby's
/// own clock; no clocks are compared. Leases take 1 s to an hour, in whole seconds. On AKS take 15 s, and 30 s on the Free tier, whose API
/// server has no availability promise and 50 writes at a time for the whole cluster.
///
/// The worker's service account needs these rules in its namespace, where `billing` is the election:
///
/// ```yaml
/// - {apiGroups: [coordination.k8s.io], resources: [leases], verbs: [get, update, watch], resourceNames: [billing]}
/// # A POST names no object, so this rule cannot. Leave it out where a manifest ships the Lease.
/// - {apiGroups: [coordination.k8s.io], resources: [leases], verbs: [create]}
/// ```
///
/// To break a lease takes no more. Its [side records](leader_election::DistributedMutex::side) are Leases of their own, `billing.wish`, `billing.runs` and
/// `billing.terms`: add those names to the first rule. To [list the elections](leader_election::Operator::elections) takes the verb `list`, which no
/// rule can limit to names; without it the operator says that it cannot. Without `watch` a hand-over takes up to a poll longer.
///
/// Whoever deletes the Lease while workers run lets a second one lead; the fencing token rises over that as far as the clocks of the API servers agree.
///
/// # With client-go
///
/// A Go worker on client-go's `leaderelection` with a `LeaseLock` and ours exclude each other, under three conditions: their identities differ; below
/// client-go 0.27 its `LeaseDuration` is not shorter than the lease here; and the Go worker stops its work in `OnStoppedLeading`, as client-go tells
/// it nothing before its lease is over. A Go worker has no fencing token, so a fence does not keep *its* late writes out. While a Go worker
/// leads, [`observe`](leader_election::DistributedMutex::observe) shows its name, cut to 128 printable characters, beside the last token of ours.
///
/// `kube-leader-election` (0.44) and `kube-lease-manager` (0.13) write without naming a version, so they take a Lease that somebody holds: **never run
/// them on the same Lease.** `kubert` (0.25) compares wall clocks, and excludes others only while those agree.
///
/// A Lease whose `spec.strategy` is set is led by the API server's own coordinator, and refused.
///
/// ```no_run
/// use leader_election_kube::{KubernetesCluster, KubernetesLeaseMutex};
///
/// # fn main() -> leader_election::Result<()> {
/// let mutex = KubernetesLeaseMutex::new(&KubernetesCluster::of_this_pod()?, "prod", "billing")?;
/// # let _ = mutex;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct KubernetesLeaseMutex {
    at: KubernetesObject,
    election: OnRequestThreads<DocumentMutex<LeaseStore>>,
}

impl KubernetesLeaseMutex {
    /// The Lease `election` in that namespace. Nothing is sent yet.
    ///
    /// # Errors
    /// [`InvalidSetting`](leader_election::ErrorKind::InvalidSetting) for a namespace or an election that no Lease can have, and for an election that
    /// [names a side record](leader_election::SideName::check_election).
    pub fn new(cluster: &KubernetesCluster, namespace: &str, election: &str) -> Result<Self> {
        names::check_election(election)?;
        let at = KubernetesObject::lease(namespace, election)?;
        let store = LeaseStore::new(cluster.clone(), at.clone());
        Ok(Self { at, election: OnRequestThreads::new(DocumentMutex::new(store)) })
    }
}

delegate_mutex!(KubernetesLeaseMutex, election);

impl fmt::Debug for KubernetesLeaseMutex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("KubernetesLeaseMutex").field(&self.at.to_string()).finish()
    }
}
