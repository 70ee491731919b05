//! What leaders write to: entries in the order in which they were accepted, behind a fence.

mod etcd;
mod file;
mod kube;
mod redis;

use async_trait::async_trait;
use azure_leader_election::kube::{KubernetesAccess, KubernetesCluster, KubernetesToken};
use azure_leader_election::{FencingToken, Result, StoreOptions};

/// A list that refuses entries of older leaders.
#[async_trait]
pub trait Ledger: Send + Sync {
    /// For the writes of one term.
    async fn open(&self, token: FencingToken) -> Result<Box<dyn Writer>>;

    /// All entries, in the order in which they were accepted.
    async fn entries(&self) -> Result<Vec<String>>;
}

/// The writes of one term.
#[async_trait]
pub trait Writer: Send + Sync {
    /// Adds an entry. May be dropped at any await, and may have been carried out then.
    async fn add(&mut self, entry: &str) -> Result<()>;
}

/// The ledger of this name at `url`: one of the forms that a store's URL has, opened by the same right. Behind `unfenced+` it refuses nobody.
pub fn ledger(url: &str, name: &str, options: &StoreOptions) -> Box<dyn Ledger> {
    match url.split(':').next() {
        Some("file") => Box::new(file::FileLedger::new(&url["file:".len()..], name, true)),
        Some("unfenced+file") => Box::new(file::FileLedger::new(&url["unfenced+file:".len()..], name, false)),
        Some("redis") => Box::new(redis::RedisLedger::new(url, name)),
        Some("etcd") => Box::new(etcd::EtcdLedger::new(url, name)),
        Some("kube") => Box::new(kube::ObjectLedger::new(options, &url["kube:".len()..], name)),
        other => panic!("no ledger for {other:?}"),
    }
}

/// By what right a worker opens stores and ledgers: as the command `leader` does, by its environment.
pub fn options() -> StoreOptions {
    let variable = |name: &str| std::env::var(name).ok();
    let kube = variable("KUBE_URL").map(|url| {
        let authorities = variable("KUBE_CA").map(|path| std::fs::read(path).expect("the authority's file"));
        let token = variable("KUBE_TOKEN").map(KubernetesToken::text);
        KubernetesCluster::new(&url, KubernetesAccess { authorities, token }).expect("a server")
    });
    StoreOptions { kube, ..StoreOptions::default() }
}
