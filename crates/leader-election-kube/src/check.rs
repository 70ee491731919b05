//! What the command `leader check` does in a namespace beside its elections. No stable API.

use leader_election::Result;

use crate::KubernetesObject;
use crate::cluster::KubernetesCluster;
use crate::{names, requests};

/// Deletes the Lease of an election and those beside it. It is no error when there are none.
///
/// # Errors
/// [`Denied`](leader_election::ErrorKind::Denied) without the verb `delete`, which no election needs; otherwise as
/// [`observe`](leader_election::DistributedMutex::observe).
pub async fn remove(
    cluster: &KubernetesCluster,
    namespace: &str,
    election: &str,
    sides: &[&'static str],
) -> Result<()> {
    names::check_election(election)?;
    let beside = sides.iter().map(|side| format!("{election}.{side}"));
    for name in beside.chain([election.to_owned()]) {
        requests::delete(cluster, &KubernetesObject::lease(namespace, &name)?).await?;
    }
    Ok(())
}
