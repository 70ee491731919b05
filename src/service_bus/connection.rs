//! A connection to the namespace, signed in for one queue.

use std::net::Shutdown;
use std::sync::Arc;
use std::time::Duration;

use fe2o3_amqp::connection::ConnectionHandle;
use fe2o3_amqp::sasl_profile::SaslProfile;
use fe2o3_amqp::session::SessionHandle;
use fe2o3_amqp::types::primitives::Value;
use fe2o3_amqp::{Sender, Session};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;
use uuid::Uuid;

use super::access::{Access, Token};
use super::address::ServiceBusQueue;
use super::errors::Fault;
use super::rpc::Rpc;
use leader_election::{Error, Result};
use leader_election_http::{Trust, tls};

/// Without a sign from the service for this long, the connection counts as dead.
const IDLE: Duration = Duration::from_secs(60);

/// How a queue is reached.
#[derive(Clone)]
pub(super) struct Way {
    pub(super) queue: ServiceBusQueue,
    pub(super) access: Access,
    /// `None`: plain TCP.
    tls: Option<Arc<ClientConfig>>,
}

/// It is driven on the runtime that opened it. When it is dropped its socket is shut, whatever still hangs in it, so the service frees
/// the sessions that were accepted on it.
pub(super) struct Connection {
    way: Way,
    shown: Token,
    cbs: Rpc,
    management: Option<Rpc>,
    cards: Option<Sender>,
    /// For the nodes and the cards. A session that is accepted has one of its own.
    links: SessionHandle<()>,
    pub(super) amqp: ConnectionHandle<()>,
    _socket: Socket,
}

/// A second handle of the socket.
struct Socket(std::net::TcpStream);

impl Drop for Socket {
    fn drop(&mut self) {
        // Fails only when it has ended already.
        let _ = self.0.shutdown(Shutdown::Both);
    }
}

impl Way {
    /// On loopback it is plain TCP, unless an authority is named that vouches for the server.
    pub(super) fn new(queue: ServiceBusQueue, access: Access, trust: &Trust) -> Result<Self> {
        let plain = queue.is_on_loopback() && trust.authorities.is_none();
        let tls = if plain { None } else { Some(tls::connector(trust)?) };
        Ok(Self { queue, access, tls })
    }
}

impl Connection {
    /// Opens one, and signs in within `patience`. The caller bounds the rest.
    pub(super) async fn open(way: &Way, patience: Duration) -> Result<Self, Fault> {
        // Signing in comes first, so that no connection waits for it.
        let token = way.access.token(&way.queue, patience).await?;
        let io = |error: std::io::Error| Fault::broken(&error);
        let host = way.queue.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let stream = TcpStream::connect((host.as_str(), way.queue.port())).await.map_err(io)?;
        // The requests are small, and each waits for its answer: 46 ms become 1 ms.
        stream.set_nodelay(true).map_err(io)?;
        let stream = stream.into_std().map_err(io)?;
        let socket = Socket(stream.try_clone().map_err(io)?);
        let stream = TcpStream::from_std(stream).map_err(io)?;
        let id = Uuid::new_v4().to_string();
        let builder = fe2o3_amqp::Connection::builder()
            .container_id(id)
            .hostname(way.queue.host())
            // The TLS below is ours.
            .scheme("amqp")
            .sasl_profile(SaslProfile::Anonymous)
            .idle_time_out(u32::try_from(IDLE.as_millis()).unwrap_or(u32::MAX));
        let opened = match &way.tls {
            None => builder.open_with_stream(stream).await,
            Some(configuration) => {
                let name = ServerName::try_from(host).map_err(|_| Error::setting("the namespace's host is no name"))?;
                let stream = TlsConnector::from(Arc::clone(configuration)).connect(name, stream).await.map_err(io)?;
                builder.open_with_stream(stream).await
            }
        };
        let mut amqp = opened.map_err(|error| Fault::broken(&error))?;
        let mut links = Session::begin(&mut amqp).await.map_err(|error| Fault::broken(&error))?;
        let cbs = Rpc::open(&mut links, "$cbs").await?;
        let mut connection =
            Self { way: way.clone(), shown: token, cbs, management: None, cards: None, links, amqp, _socket: socket };
        connection.show().await?;
        Ok(connection)
    }

    pub(super) fn is_open(&self) -> bool {
        !self.amqp.is_closed() && !self.links.is_ended()
    }

    /// Shows the service a new token where the old one ends, or links that need it would be closed.
    pub(super) async fn keep_signed_in(&mut self, patience: Duration) -> Result<(), Fault> {
        let Way { access, queue, .. } = &self.way;
        if access.is_due(&self.shown, queue, patience).await? {
            self.shown = access.token(queue, patience).await?;
            self.show().await?;
        }
        Ok(())
    }

    /// [Claims-based security](https://learn.microsoft.com/azure/service-bus-messaging/service-bus-amqp-protocol-guide#claims-based-authorization).
    async fn show(&mut self) -> Result<(), Fault> {
        let audience = self.way.queue.audience();
        let properties = [("type", self.shown.kind), ("name", audience.as_str())];
        let body = Value::String(self.shown.text.clone());
        self.cbs.call("put-token", properties, body).await.map(drop)
    }

    pub(super) async fn management(&mut self) -> Result<&mut Rpc, Fault> {
        match &mut self.management {
            Some(rpc) => Ok(rpc),
            empty => {
                let node = format!("{}/$management", self.way.queue.queue());
                Ok(empty.insert(Rpc::open(&mut self.links, &node).await?))
            }
        }
    }

    /// The link that cards are sent by.
    pub(super) async fn cards(&mut self) -> Result<&mut Sender, Fault> {
        match &mut self.cards {
            Some(sender) => Ok(sender),
            empty => {
                let name = Uuid::new_v4().to_string();
                Ok(empty.insert(Sender::attach(&mut self.links, name, self.way.queue.queue()).await?))
            }
        }
    }

    /// Both, for requests that go out together.
    pub(super) async fn management_and_cards(&mut self) -> Result<(&mut Rpc, &mut Sender), Fault> {
        self.management().await?;
        self.cards().await?;
        match (&mut self.management, &mut self.cards) {
            (Some(rpc), Some(sender)) => Ok((rpc, sender)),
            _ => Err(Fault::Broken("no links".to_owned())),
        }
    }
}
