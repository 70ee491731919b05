//! What the command `leader check` does in a cluster beside its elections. No stable API.

use leader_election::Result;
use serde_json::Value;

use crate::EtcdCluster;
use crate::connection::{Call, Patience};
use crate::record::check_election;
use crate::requests::MOST;
use crate::wire;

/// Deletes the record of an election and those beside it. It is no error when there are none.
///
/// # Errors
/// As [`observe`](leader_election::DistributedMutex::observe).
pub async fn remove(cluster: &EtcdCluster, election: &str, sides: &[&'static str]) -> Result<()> {
    check_election(election)?;
    let key = format!("{}{election}", cluster.connection.address().prefix());
    let keys = std::iter::once(key.clone()).chain(sides.iter().map(|side| format!("{key}:{side}")));
    for key in keys {
        let (body, doing) = (wire::range(key.as_bytes()), format!("deleting the key {key}"));
        let call = Call { path: "kv/deleterange", body, most: MOST, doing, patience: Patience::OF_A_LOOK };
        cluster.connection.call::<Value>(&call).await?;
    }
    Ok(())
}
