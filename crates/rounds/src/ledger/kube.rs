//! A ledger in a ConfigMap, which refuses older leaders by its version.

use async_trait::async_trait;
use azure_leader_election::kube::{FencedObject, KubernetesCluster, KubernetesObject};
use azure_leader_election::{FencingToken, Result, StoreOptions};

use super::{Ledger, Writer};

pub struct ObjectLedger {
    cluster: KubernetesCluster,
    namespace: String,
    name: String,
}

impl ObjectLedger {
    pub fn new(options: &StoreOptions, namespace: &str, name: &str) -> Self {
        let cluster = options.kube.clone().expect("KUBE_URL names the server");
        Self { cluster, namespace: namespace.to_owned(), name: format!("ledger-{name}") }
    }

    async fn object(&self, token: FencingToken) -> Result<FencedObject> {
        FencedObject::open(&self.cluster, KubernetesObject::config_map(&self.namespace, &self.name)?, token).await
    }
}

struct ObjectWriter(FencedObject);

#[async_trait]
impl Ledger for ObjectLedger {
    async fn open(&self, token: FencingToken) -> Result<Box<dyn Writer>> {
        Ok(Box::new(ObjectWriter(self.object(token).await?)))
    }

    /// As the last leader of all: nobody writes after that.
    async fn entries(&self) -> Result<Vec<String>> {
        let object = self.object(FencingToken::new(FencingToken::MAX)?).await?;
        let entries = object.object()["data"]["entries"].as_str().unwrap_or_default();
        Ok(entries.lines().map(str::to_owned).collect())
    }
}

#[async_trait]
impl Writer for ObjectWriter {
    async fn add(&mut self, entry: &str) -> Result<()> {
        self.0
            .update(|object| {
                let before = object["data"]["entries"].as_str().unwrap_or_default();
                object["data"]["entries"] = format!("{before}{entry}\n").into();
            })
            .await
    }
}
