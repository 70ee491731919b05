//! What leaders write: how far the work has come, in a place that refuses an older leader.

use std::sync::Arc;

use azure_core::credentials::Secret;
use azure_data_cosmos::clients::ContainerClient;
use azure_data_cosmos::options::{BinaryEncodingOptions, ConnectionPoolOptions};
use azure_data_cosmos::{AccountReference, CosmosClient, CosmosError, CosmosRuntime, RoutingStrategy};
use azure_leader_election::kube::{FencedObject, KubernetesCluster, KubernetesObject};
use azure_leader_election::{Error, ErrorKind, FencedBlob, FencedPartition, FencingToken, Result};
use serde::{Deserialize, Serialize};
use tokio::sync::{Mutex, OnceCell};

use crate::config::{Config, Place};
use crate::{emulator, store};

/// The id of the document in Cosmos DB.
const DOCUMENT: &str = "checkpoint";

/// The key of the checkpoint in a ConfigMap.
const KEY: &str = "checkpoint.json";

/// How far the work has come, and who brought it there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    pub steps: u64,
    pub holder: String,
    pub fencing_token: u64,
    /// For people to read.
    pub written_at: String,
}

/// The container that leaders write to.
pub struct State {
    config: Arc<Config>,
    place: Place,
    documents: OnceCell<ContainerClient>,
    cluster: OnceCell<KubernetesCluster>,
}

/// The checkpoint as the leader with this token may write it.
pub enum FencedState {
    Blob(FencedBlob),
    Cosmos {
        partition: FencedPartition,
        container: ContainerClient,
        election: String,
    },
    /// One write at a time, each over the version of the one before.
    ConfigMap(Mutex<FencedObject>),
}

impl State {
    /// `None` if there is none to write to. Nothing is sent yet.
    pub fn of(config: &Arc<Config>) -> Option<Self> {
        let place = config.state_place.clone()?;
        Some(Self { config: Arc::clone(config), place, documents: OnceCell::new(), cluster: OnceCell::new() })
    }

    /// For the leader with this token. The ConfigMap locks older leaders out already. A client of Cosmos DB is made at the first call, and kept.
    pub async fn open(&self, token: FencingToken) -> Result<FencedState> {
        let election = self.config.election.clone();
        // Less than a task has to end when its lease cannot be kept: one that waits for a write would be aborted.
        let limit = self.config.timing.grace() * 3 / 4;
        Ok(match &self.place {
            Place::Blob { url } => {
                let name = format!("{election}.json");
                let blob = if self.place.is_emulator() {
                    FencedBlob::for_emulator(url, &name, token)
                } else {
                    FencedBlob::with_credential(url, &name, store::sign_in(&self.config)?, token)
                };
                FencedState::Blob(blob?.with_limit(limit))
            }
            Place::Kubernetes { namespace } => {
                let cluster = self.cluster.get_or_try_init(async || KubernetesCluster::of_this_pod()).await?;
                let namespace = namespace.as_deref().or(cluster.namespace()).unwrap_or_default();
                let object = KubernetesObject::config_map(namespace, &format!("{election}-state"))?;
                let opened = FencedObject::open(cluster, object, token);
                let too_long = |_| Error::new(ErrorKind::Timeout, "the ConfigMap was not opened in time");
                let opened = tokio::time::timeout(limit, opened).await.map_err(too_long)??;
                FencedState::ConfigMap(Mutex::new(opened.with_limit(limit)))
            }
            Place::Cosmos { endpoint, database, container } => {
                let connected = self.documents.get_or_try_init(|| self.connect_cosmos(endpoint, database, container));
                let container = connected.await?.clone();
                let partition = FencedPartition::new(container.clone(), &[("partition", &election)], token)?;
                FencedState::Cosmos { partition: partition.with_limit(limit), container, election }
            }
        })
    }

    async fn connect_cosmos(&self, endpoint: &str, database: &str, container: &str) -> Result<ContainerClient> {
        let failed = |error: CosmosError| unavailable(&format!("{} cannot be opened", self.place), error);
        let address = endpoint.parse().map_err(failed)?;
        let account = if self.place.is_emulator() {
            AccountReference::with_authentication_key(address, Secret::new(emulator::cosmos_key()))
        } else {
            AccountReference::with_credential(address, Arc::new(store::sign_in(&self.config)?))
        };
        // What emulators do not know is off for them.
        let pool = ConnectionPoolOptions::builder().with_is_http2_allowed(!self.place.is_emulator()).build();
        let runtime =
            CosmosRuntime::builder().with_connection_pool(pool.map_err(failed)?).build().await.map_err(failed)?;
        let client = CosmosClient::builder()
            .with_runtime(runtime)
            .with_binary_encoding_options(BinaryEncodingOptions::new().with_enabled(!self.place.is_emulator()))
            .build(account, RoutingStrategy::PreferredRegions(Vec::new()))
            .await
            .map_err(failed)?;
        let database = client.database_client(database.to_owned());
        database.container_client(container.to_owned(), None).await.map_err(failed)
    }
}

impl FencedState {
    /// Locks older leaders out, and only then reads how far they came: none of them can write after that.
    pub async fn take_over(&self) -> Result<Option<Checkpoint>> {
        match self {
            Self::Blob(blob) => {
                blob.raise().await?;
                let content = blob.read().await?;
                content.map(|content| serde_json::from_slice(&content.bytes).map_err(unreadable)).transpose()
            }
            Self::ConfigMap(object) => {
                let text = object.lock().await.object()["data"][KEY].as_str().map(str::to_owned);
                text.map(|text| serde_json::from_str(&text).map_err(unreadable)).transpose()
            }
            Self::Cosmos { partition, container, election } => {
                partition.raise().await?;
                match container.read_item(election.clone(), DOCUMENT, None).await {
                    Ok(item) => {
                        item.into_model().map(Some).map_err(|error| unavailable("the checkpoint cannot be read", error))
                    }
                    Err(error) if error.status().is_not_found() => Ok(None),
                    Err(error) => Err(unavailable("the checkpoint cannot be read", error)),
                }
            }
        }
    }

    /// Replaces the checkpoint if no newer leader has written. Writing the same one twice does no harm.
    pub async fn write(&self, checkpoint: &Checkpoint) -> Result<()> {
        match self {
            Self::Blob(blob) => {
                let text = serde_json::to_string(checkpoint).map_err(unreadable)?;
                blob.overwrite(text, None).await.map(drop)
            }
            Self::ConfigMap(object) => {
                let text = serde_json::to_string(checkpoint).map_err(unreadable)?;
                object.lock().await.update(|object| object["data"][KEY] = text.clone().into()).await
            }
            Self::Cosmos { partition, election, .. } => {
                let document = Document { id: DOCUMENT, partition: election, checkpoint };
                partition.execute(|batch| batch.upsert_item(&document, None)).await.map(drop)
            }
        }
    }
}

/// A checkpoint in Cosmos DB.
#[derive(Serialize)]
struct Document<'a> {
    id: &'static str,
    partition: &'a str,
    #[serde(flatten)]
    checkpoint: &'a Checkpoint,
}

fn unavailable(what: &str, error: CosmosError) -> Error {
    Error::new(ErrorKind::Unavailable, what.to_owned()).with_source(error)
}

fn unreadable(error: serde_json::Error) -> Error {
    Error::new(ErrorKind::CorruptRecord, "the checkpoint is no JSON of this worker's").with_source(error)
}
