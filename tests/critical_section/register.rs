//! The register: a list of writes, in a blob or in a Cosmos DB document, with a fence or without.

use std::sync::Arc;
use std::time::Duration;

use azure_core::credentials::Secret;
use azure_core::http::{RequestContent, Url};
use azure_data_cosmos::clients::ContainerClient;
use azure_leader_election::{
    BlobDistributedMutex, CosmosAddress, CosmosDistributedMutex, DistributedMutex, Error, ErrorKind, FencedBlob,
    FencedPartition, FencingToken, Result, TaskError,
};
use azure_storage_blob::{BlobClient, BlobContainerClient};
use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use testbed::cosmos::client;

const DATABASE: &str = "workers";

#[derive(Clone, Copy, ValueEnum)]
pub enum Store {
    Blob,
    Cosmos,
}

/// Where the election is held, and where the register is.
#[derive(Args, Clone)]
pub struct Place {
    #[arg(value_enum)]
    store: Store,
    /// The container's URL with a signature in it, or the account's endpoint
    url: String,
    /// Of the election, and of the register
    name: String,
    #[arg(long)]
    no_fencing: bool,
}

pub enum Register {
    Blob(BlobClient),
    FencedBlob(FencedBlob),
    Document(ContainerClient, String),
    FencedDocument(ContainerClient, String, Box<FencedPartition>),
}

impl Place {
    pub fn mutex(&self) -> Result<Arc<dyn DistributedMutex>> {
        Ok(match self.store {
            Store::Blob => Arc::new(BlobDistributedMutex::for_emulator(&self.url, &format!("lease-{}", self.name))?),
            Store::Cosmos => {
                let leaders = CosmosAddress::new(&self.url, DATABASE, "leaders")?;
                Arc::new(CosmosDistributedMutex::with_key(leaders, &self.name, key())?)
            }
        })
    }

    /// Opens the register for a new leader, which takes its fence before it reads.
    pub async fn open(&self, token: FencingToken) -> std::result::Result<Register, TaskError> {
        let register = format!("register-{}", self.name);
        match self.store {
            Store::Blob => {
                let container = BlobContainerClient::new(Url::parse(&self.url)?, None, None)?;
                if self.no_fencing {
                    return Ok(Register::Blob(container.blob_client(&register)));
                }
                let blob = FencedBlob::new(&container, &register, token)?.with_limit(Duration::from_secs(10));
                blob.raise().await?;
                Ok(Register::FencedBlob(blob))
            }
            Store::Cosmos => {
                let container = client::container(&self.url, key(), DATABASE, "registers").await?;
                if self.no_fencing {
                    return Ok(Register::Document(container, register));
                }
                let partition = FencedPartition::new(container.clone(), &[("group", &register)], token)?;
                partition.raise().await?;
                Ok(Register::FencedDocument(container, register, Box::new(partition)))
            }
        }
    }
}

impl Register {
    /// The writes that stand there.
    pub async fn read(&mut self) -> Result<Vec<String>> {
        let bytes = match self {
            Self::FencedBlob(blob) => blob.read().await?.map(|content| content.bytes),
            Self::Blob(blob) => match blob.download(None).await {
                Ok(content) => Some(content.body.collect().await.map_err(unclear)?.to_vec()),
                Err(error) if error.http_status() == Some(azure_core::http::StatusCode::NotFound) => None,
                Err(error) => return Err(unclear(error)),
            },
            Self::Document(container, id) | Self::FencedDocument(container, id, _) => {
                match container.read_item(id.clone(), id, None).await {
                    Ok(document) => {
                        let document: Value = document.into_model().map_err(unclear)?;
                        Some(document["writes"].to_string().into_bytes())
                    }
                    Err(error) if error.status().is_not_found() => None,
                    Err(error) => return Err(unclear(error)),
                }
            }
        };
        bytes.map_or_else(|| Ok(Vec::new()), |bytes| serde_json::from_slice(&bytes).map_err(unclear))
    }

    /// Writes what was read, and one write more.
    pub async fn write(&mut self, mut writes: Vec<String>, id: &str) -> Result<()> {
        writes.push(id.to_owned());
        let list = json!(writes);
        let document = |register: &str| json!({"id": register, "group": register, "writes": list});
        match self {
            Self::FencedBlob(blob) => blob.overwrite(list.to_string(), None).await.map(drop),
            Self::Blob(blob) => {
                let content = RequestContent::from(list.to_string().into_bytes());
                blob.upload(content, None).await.map(drop).map_err(unclear)
            }
            Self::Document(container, id) => {
                container.upsert_item(id.clone(), id, &document(id), None).await.map(drop).map_err(unclear)
            }
            Self::FencedDocument(_, id, partition) => {
                partition.execute(|batch| batch.upsert_item(document(id), None)).await.map(drop)
            }
        }
    }
}

/// Nobody knows whether it was carried out.
fn unclear(error: impl std::error::Error) -> Error {
    Error::new(ErrorKind::Unreachable, error.to_string())
}

fn key() -> Secret {
    Secret::new(std::env::var("COSMOS_KEY").unwrap_or_default())
}
