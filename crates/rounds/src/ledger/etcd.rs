//! A ledger in keys of etcd, in the order of their creation, behind the fence of their prefix.

use async_trait::async_trait;
use azure_leader_election::{Error, ErrorKind, FencingToken, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use leader_election_etcd::{EtcdAddress, EtcdCluster, EtcdOptions, FencedKeys, KeyBatch};
use leader_election_http::{Settings, answer, client};
use serde_json::{Value, json};

use super::{Ledger, Writer};

/// More than any ledger has.
const MOST: usize = 256 * 1024 * 1024;

pub struct EtcdLedger {
    url: String,
    prefix: String,
}

impl EtcdLedger {
    pub fn new(url: &str, name: &str) -> Self {
        Self { url: url.to_owned(), prefix: format!("ledger-{name}/") }
    }
}

struct EtcdWriter(FencedKeys);

#[async_trait]
impl Ledger for EtcdLedger {
    async fn open(&self, token: FencingToken) -> Result<Box<dyn Writer>> {
        let cluster = EtcdCluster::new(EtcdAddress::new(&self.url)?, EtcdOptions::default())?;
        Ok(Box::new(EtcdWriter(FencedKeys::new(&cluster, &self.prefix, token)?)))
    }

    async fn entries(&self) -> Result<Vec<String>> {
        let members = self.url.trim_start_matches("etcd://");
        let member = members.split([';', '/']).next().unwrap_or_default();
        let prefix = format!("{}entries/", self.prefix);
        let end = format!("{}entries0", self.prefix);
        let range = json!({
            "key": STANDARD.encode(&prefix), "range_end": STANDARD.encode(end),
            "sort_order": "ASCEND", "sort_target": "CREATE",
        });
        let client = client(&Settings { plain: true, ..Settings::default() })?;
        let request = client.post(format!("http://{member}/v3/kv/range")).body(range.to_string());
        let answer = answer(request, MOST, "etcd").await?;
        let unreadable = || Error::new(ErrorKind::CorruptRecord, "the ledger cannot be read");
        let read: Value = serde_json::from_slice(&answer.body).map_err(|_| unreadable())?;
        let mut entries = Vec::new();
        for key in read["kvs"].as_array().into_iter().flatten() {
            let value = key["value"].as_str().and_then(|value| STANDARD.decode(value).ok()).ok_or_else(unreadable)?;
            let entry = String::from_utf8(value).map_err(|_| unreadable())?;
            // A key that was put twice is an entry that was accepted twice.
            let times: usize = key["version"].as_str().and_then(|times| times.parse().ok()).ok_or_else(unreadable)?;
            entries.extend(std::iter::repeat_n(entry, times));
        }
        Ok(entries)
    }
}

#[async_trait]
impl Writer for EtcdWriter {
    async fn add(&mut self, entry: &str) -> Result<()> {
        let key = format!("entries/{}", entry.replace(' ', "/"));
        self.0.write(KeyBatch::new().put(key, entry)).await
    }
}
