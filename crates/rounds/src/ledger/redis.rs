//! A ledger in a list of Redis, behind the fence of its hash tag.

use async_trait::async_trait;
use azure_leader_election::{Error, ErrorKind, FencingToken, Result};
use leader_election_redis::{FencedKeys, KeyCommand, RedisServer};

use super::{Ledger, Writer};

pub struct RedisLedger {
    url: String,
    tag: String,
}

impl RedisLedger {
    pub fn new(url: &str, name: &str) -> Self {
        Self { url: url.to_owned(), tag: format!("ledger-{name}") }
    }

    fn list(&self) -> String {
        format!("{{{}}}:entries", self.tag)
    }
}

struct RedisWriter {
    keys: FencedKeys,
    list: String,
}

#[async_trait]
impl Ledger for RedisLedger {
    async fn open(&self, token: FencingToken) -> Result<Box<dyn Writer>> {
        let keys = FencedKeys::new(RedisServer::new(&self.url)?, &self.tag, token)?;
        Ok(Box::new(RedisWriter { keys, list: self.list() }))
    }

    async fn entries(&self) -> Result<Vec<String>> {
        let failed = |error: redis::RedisError| Error::new(ErrorKind::Unavailable, error.to_string());
        let client = redis::Client::open(self.url.as_str()).map_err(failed)?;
        let mut connection = client.get_multiplexed_async_connection().await.map_err(failed)?;
        redis::cmd("LRANGE").arg(self.list()).arg(0).arg(-1).query_async(&mut connection).await.map_err(failed)
    }
}

#[async_trait]
impl Writer for RedisWriter {
    async fn add(&mut self, entry: &str) -> Result<()> {
        let push = KeyCommand::new("RPUSH").key(&self.list).arg(entry);
        self.keys.execute(vec![push]).await.map(drop)
    }
}
