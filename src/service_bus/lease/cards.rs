//! Looking at who leads, without the session: by the card in it. On a connection of its own, so that no look delays a renewal.

use std::sync::Arc;

use tokio::sync::Mutex;

use crate::service_bus::address::Address;
use crate::service_bus::connection::{Connection, Way};
use crate::service_bus::errors::{self, Fault};
use crate::service_bus::requests;
use crate::service_bus::wire::read_card;
use leader_election::kit::patience;
use leader_election::{Observation, Result};

pub(super) struct Looks {
    way: Arc<Way>,
    address: Address,
    connection: Mutex<Option<Connection>>,
}

impl Looks {
    pub(super) fn new(way: Arc<Way>, address: Address) -> Self {
        Self { way, address, connection: Mutex::default() }
    }

    pub(super) async fn observe(&self) -> Result<Observation> {
        let seen = self.within("observing", async |connection| requests::look(connection, &self.address.session).await);
        match seen.await? {
            (_, Some(card)) => Ok(read_card(&card.body, &self.address)?.observation()),
            _ => Ok(Observation::default()),
        }
    }

    /// A look that fails, or is dropped, takes the connection with it.
    async fn within<T>(
        &self,
        doing: &'static str,
        look: impl AsyncFnOnce(&mut Connection) -> Result<T, Fault>,
    ) -> Result<T> {
        let looking = async {
            let mut kept = self.connection.lock().await;
            let mut connection = match kept.take().filter(Connection::is_open) {
                Some(connection) => connection,
                None => Connection::open(&self.way, patience::OF_A_LOOK).await?,
            };
            connection.keep_signed_in(patience::OF_A_LOOK).await?;
            let seen = look(&mut connection).await?;
            *kept = Some(connection);
            Ok::<T, Fault>(seen)
        };
        match tokio::time::timeout(patience::OF_A_LOOK, looking).await {
            Ok(seen) => seen.map_err(|fault| fault.explain(doing, &self.address)),
            Err(_) => Err(errors::too_late(doing, &self.address)),
        }
    }
}
