//! A visit to a session: it is accepted, its state is read and perhaps written, and it is closed. Nobody else writes meanwhile.

use std::sync::{Arc, Mutex as Short, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::service_bus::address::Address;
use crate::service_bus::connection::{Connection, Way};
use crate::service_bus::errors::{self, Fault};
use crate::service_bus::requests;
use crate::service_bus::session::{self, HeldSession};
use leader_election::{Error, ErrorKind, Result};

/// Between two tries, while another visitor has the session.
const PAUSE: Duration = Duration::from_millis(25);

/// What a visitor does with the state it has read.
pub(in crate::service_bus) enum After<T> {
    Leave(T),
    Write(Vec<u8>, T),
}

pub(in crate::service_bus) struct Visits {
    way: Arc<Way>,
    address: Address,
    limit: Duration,
    /// Of the last visit. One that fails, or is dropped, takes it along.
    connection: Short<Option<Connection>>,
}

impl Visits {
    pub(in crate::service_bus) fn new(way: Arc<Way>, address: Address, limit: Duration) -> Self {
        Self { way, address, limit, connection: Short::default() }
    }

    pub(in crate::service_bus) fn address(&self) -> &Address {
        &self.address
    }

    pub(in crate::service_bus) fn with_limit(self, limit: Duration) -> Self {
        Self { limit, ..self }
    }

    /// Visits the session within the limit. On the threads for requests: the connection is driven where it was opened.
    pub(in crate::service_bus) async fn visit<T>(
        &self,
        doing: &'static str,
        decide: impl FnOnce(Option<&[u8]>) -> Result<After<T>>,
    ) -> Result<T> {
        match tokio::time::timeout(self.limit, self.go(decide)).await {
            Ok(done) => done.map_err(|fault| fault.explain(doing, &self.address)),
            Err(_) => Err(errors::too_late(doing, &self.address)),
        }
    }

    async fn go<T>(&self, decide: impl FnOnce(Option<&[u8]>) -> Result<After<T>>) -> Result<T, Fault> {
        let kept = self.connection.lock().unwrap_or_else(PoisonError::into_inner).take();
        let mut connection = match kept.filter(Connection::is_open) {
            Some(connection) => connection,
            None => Connection::open(&self.way, self.limit * 3 / 4).await?,
        };
        connection.keep_signed_in(self.limit * 3 / 4).await?;
        let session = self.accept(&mut connection).await?;
        let state = requests::state(&mut connection, &session).await?;
        let decided = match decide(state.as_deref()) {
            Ok(After::Leave(value)) => Ok(value),
            Ok(After::Write(state, value)) => {
                requests::set_state(&mut connection, &session, state).await?;
                // Still the only one: whether the service takes a state from others then does not matter.
                match requests::renew(&mut connection, &session).await {
                    Ok(_) => Ok(value),
                    Err(fault) if fault.is_lock_lost() => Err(Fault::Told(Error::new(
                        ErrorKind::Unavailable,
                        format!(
                            "{} was lost while it was written; whether the write was carried out is not known",
                            self.address
                        ),
                    ))),
                    Err(fault) => return Err(fault),
                }
            }
            Err(error) => Err(Fault::Told(error)),
        };
        session.close().await;
        *self.connection.lock().unwrap_or_else(PoisonError::into_inner) = Some(connection);
        decided
    }

    /// Waits its turn.
    async fn accept(&self, connection: &mut Connection) -> Result<HeldSession, Fault> {
        let end = Instant::now() + self.limit / 2;
        loop {
            match session::accept_named(&mut connection.amqp, &self.address, Arc::new(|| ())).await? {
                Some(session) => return Ok(session),
                None if Instant::now() < end => tokio::time::sleep(PAUSE).await,
                None => return Err(Fault::refused("com.microsoft:session-cannot-be-locked", "")),
            }
        }
    }
}
