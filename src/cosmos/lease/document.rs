//! The leader document as a document store: read, create, replace.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::side::SideDocument;
use super::wire::{self, Rest};
use crate::cosmos::address::Address;
use crate::cosmos::documents::Documents;
use leader_election::{
    Result, SideName, SideRecord, Written,
    document::{DocumentStore, Record, Stored},
    kit::record::check_lease,
};

pub(super) struct LeaderDocument {
    documents: Arc<Documents>,
    address: Address,
}

impl LeaderDocument {
    pub(super) fn new(documents: Documents, address: Address) -> Self {
        Self { documents: Arc::new(documents), address }
    }
}

impl fmt::Debug for LeaderDocument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LeaderDocument").field(&self.address.to_string()).finish()
    }
}

#[async_trait]
impl DocumentStore for LeaderDocument {
    type Rest = Rest;

    async fn read(&self) -> Result<Option<Stored<Rest>>> {
        let Some(document) = self.documents.read(&self.address).await? else { return Ok(None) };
        let stored = wire::read(document.version, document.content)?;
        let server_ms = stored.server_ms.unwrap_or_default().max(self.documents.server_ms());
        Ok(Some(stored.with_server_ms(Some(server_ms))))
    }

    async fn create(&self, record: &Record) -> Result<Written> {
        let document = wire::write(&self.address.id, record, &Rest::new());
        self.documents.create(&self.address, &document).await
    }

    async fn replace(&self, seen: &Stored<Rest>, record: &Record) -> Result<Written> {
        let document = wire::write(&self.address.id, record, &seen.rest);
        self.documents.replace(&self.address, &seen.version, &document).await
    }

    async fn elections(&self) -> Result<Vec<String>> {
        let ids = self.documents.ids_of_those_with(&wire::MARKS, &self.address).await?;
        // Whatever somebody else has put there under a name that no election can have.
        let mut names: Vec<_> = ids.into_iter().filter(|id| Address::of_election(None, id).is_ok()).collect();
        names.sort_unstable();
        Ok(names)
    }

    fn side(&self, name: SideName) -> Option<Arc<dyn SideRecord>> {
        let address = self.address.beside(name)?;
        Some(Arc::new(SideDocument { documents: Arc::clone(&self.documents), address }))
    }

    fn election(&self) -> &str {
        &self.address.id
    }

    /// Any that a host can have, in the milliseconds that the document counts in.
    fn check_lease(&self, lease: Duration) -> Result<()> {
        check_lease(lease, "on Cosmos DB")
    }
}
