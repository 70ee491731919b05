//! What the documentation of Cosmos DB says, asked of the service by requests of this room's own: the SDK repeats some answers away.

mod account;
mod documents;
mod raw;

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value, json};

use super::lease::CosmosDistributedMutex;
use crate::check::{Ground, Probes, Seen, Step, side};
use leader_election::{Error, ErrorKind, Result};
use raw::{Answer, Raw};

pub(crate) struct CosmosProbes(Arc<Raw>);

impl CosmosProbes {
    /// By the right of this mutex, in its container; `None` for one with a client of the caller's.
    pub(crate) fn new(mutex: &CosmosDistributedMutex) -> Result<Option<Self>> {
        let Some((address, container, access)) = mutex.way() else { return Ok(None) };
        Ok(Some(Self(Arc::new(Raw::new(address.clone(), container.clone(), access.clone())?))))
    }
}

#[async_trait]
impl Probes for CosmosProbes {
    fn steps(&self) -> Vec<Step> {
        account::steps(&self.0).into_iter().chain(documents::steps(&self.0)).collect()
    }

    async fn remove(&self, election: &str) -> Result<()> {
        let sides = side::written_beside(election).iter().map(|side| format!("{election}.{side}"));
        let mut ids: Vec<_> = sides.chain([election.to_owned()]).collect();
        if election.to_uppercase().ends_with(documents::LONG) {
            ids.extend(documents::long_ids(election));
        }
        for id in ids {
            let deleted = self.0.delete(&id).await?;
            match deleted.status {
                // To one that is longer than the service takes, 400 says that it cannot be there.
                204 | 400 | 404 => {}
                401 | 403 => {
                    let message =
                        "the right to delete items is missing, which no election needs; delete the document by hand";
                    return Err(Error::new(ErrorKind::Denied, message));
                }
                status => {
                    return Err(Error::new(ErrorKind::Refused, format!("deleting its document failed: {status}")));
                }
            }
        }
        Ok(())
    }
}

type Acting = std::pin::Pin<Box<dyn Future<Output = Result<Seen>> + Send>>;

/// A step that writes to a document of its own.
fn step(raw: &Arc<Raw>, number: &'static str, says: &'static str, act: fn(Arc<Raw>, String) -> Acting) -> Step {
    let raw = Arc::clone(raw);
    Step::new(number, says, move |ground: Ground| act(raw, ground.name(number)))
}

/// A document of the check.
fn document(id: &str, text: &str) -> Value {
    json!({ "id": id, "ttl": -1, "text": text })
}

fn text(answer: &Answer) -> String {
    answer.json().get("text").and_then(Value::as_str).unwrap_or_default().to_owned()
}
