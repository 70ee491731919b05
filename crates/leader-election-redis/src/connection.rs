//! One connection to the server: opened, signed in, asked.

use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use leader_election::kit::credential::Secret;
use leader_election::{Error, Result};
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Pipeline, RedisConnectionInfo, Value};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;
use tokio_util::task::AbortOnDropHandle;

use crate::RedisServer;
use crate::errors::{self, Unfit};

/// How long opening a connection may take, and how long a request. Longer than an attempt of a host's, which ends them by dropping them:
/// it is for callers who bound nothing.
pub(crate) const LIMIT: Duration = Duration::from_secs(10);
/// Servers and the devices on the way close idle connections, and not all of them say so. Azure's close after ten minutes, its load
/// balancers after four.
const IDLE: Duration = Duration::from_secs(60);
/// So long before a secret ends the connection is replaced by one of the next secret: the server closes it at the end.
const BEFORE_END: Duration = Duration::from_secs(300);
/// The most bytes of an answer to a command without data, such as `AUTH`.
const SHORT: usize = 64 * 1024;

/// Asked by one caller at a time. Dropping it closes it.
pub(crate) struct Connection {
    client: MultiplexedConnection,
    driver: AbortOnDropHandle<()>,
    /// How many more bytes may be read.
    allowance: Arc<AtomicUsize>,
    /// Why its stream was ended here. The client may tell of that as a broken pipe, if its driver has ended before the request was noted.
    unfit: Arc<OnceLock<Unfit>>,
    secret: Option<Secret>,
    used: Instant,
}

impl Connection {
    /// Opens one and signs in. `first` is asked in the same request.
    pub(crate) async fn open(
        server: &RedisServer,
        secret: Option<Secret>,
        first: Option<&Pipeline>,
    ) -> Result<(Self, Vec<Value>)> {
        timeout(LIMIT, Self::opened(server, secret, first))
            .await
            .unwrap_or_else(|_| Err(errors::late("connecting to", server, LIMIT)))
    }

    async fn opened(
        server: &RedisServer,
        secret: Option<Secret>,
        first: Option<&Pipeline>,
    ) -> Result<(Self, Vec<Value>)> {
        let (allowance, unfit) = (Arc::new(AtomicUsize::new(SHORT)), Arc::<OnceLock<Unfit>>::default());
        let stream = stream(server).await?;
        let stream =
            Metered { stream, allowance: Arc::clone(&allowance), unfit: Arc::clone(&unfit), speaks_redis: false };
        // Whoever waits here has a limit of their own, and each request too.
        let config = AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(Some(LIMIT));
        // It signs in with what follows, as the client would make one error of all that the server may say to it.
        let nothing = RedisConnectionInfo::default().set_skip_set_lib_name();
        let (client, driver) = MultiplexedConnection::new_with_config(&nothing, stream, config)
            .await
            .map_err(|error| errors::unanswered("connecting to", server, &error))?;
        let driver = AbortOnDropHandle::new(tokio::spawn(driver));
        let mut connection = Self { client, driver, allowance, unfit, secret, used: Instant::now() };
        let answers = connection.sign_in(server, first).await?;
        Ok((connection, answers))
    }

    async fn sign_in(&mut self, server: &RedisServer, first: Option<&Pipeline>) -> Result<Vec<Value>> {
        let mut requests = Pipeline::new();
        if let Some(secret) = &self.secret {
            let auth = requests.cmd("AUTH");
            if let Some(user) = &secret.user {
                auth.arg(user);
            }
            auth.arg(&*secret.text);
        }
        if server.address.database != 0 {
            requests.cmd("SELECT").arg(server.address.database);
        }
        let signs_in = usize::from(self.secret.is_some());
        let own = requests.len();
        for command in first.into_iter().flat_map(|first| first.cmd_iter()) {
            requests.add_command(command.clone());
        }
        if requests.is_empty() {
            return Ok(Vec::new());
        }
        let mut answers = self.ask("connecting to", server, &requests, SHORT).await?;
        if let Some(Value::ServerError(error)) = answers.iter().take(signs_in).next() {
            return Err(errors::not_signed_in(server, error));
        }
        if let Some(Value::ServerError(error)) = answers.iter().take(own).next_back() {
            return Err(errors::answered("choosing the database on", server, error));
        }
        Ok(answers.split_off(own))
    }

    /// Sends the commands in one go, and returns the answer to each: [`Value::ServerError`] where it was refused. Whoever drops this
    /// future, or gets an error, drops the connection: nobody else may get what is still to come.
    pub(crate) async fn ask(
        &mut self,
        doing: &str,
        server: &RedisServer,
        requests: &Pipeline,
        most: usize,
    ) -> Result<Vec<Value>> {
        self.allowance.store(most, Ordering::Relaxed);
        self.used = Instant::now();
        let count = requests.len();
        let answers =
            self.client.send_packed_commands(requests, 0, count).await.map_err(|error| match self.unfit.get() {
                Some(unfit) => errors::broken(doing, server, &(*unfit).into()),
                None => errors::unanswered(doing, server, &error),
            })?;
        if answers.len() == count { Ok(answers) } else { Err(errors::unexpected(doing, server)) }
    }

    /// Whether the next request may go by it. `secret` is the one that a new connection would have.
    pub(crate) fn is_good(&self, secret: Option<&Secret>) -> bool {
        // It ends when the server has closed the connection.
        !self.driver.is_finished() && self.used.elapsed() < IDLE && !self.is_outdated(secret)
    }

    fn is_outdated(&self, secret: Option<&Secret>) -> bool {
        let ends_within = |time: Duration| {
            let end = self.secret.as_ref().and_then(|secret| secret.good_until);
            end.is_some_and(|end| end.duration_since(SystemTime::now()).unwrap_or_default() <= time)
        };
        let there_is_another = secret.map(|secret| &secret.text) != self.secret.as_ref().map(|secret| &secret.text);
        ends_within(Duration::ZERO) || (there_is_another && ends_within(BEFORE_END))
    }
}

/// The way to the server, encrypted where its URL says so.
pub(crate) async fn stream(server: &RedisServer) -> Result<Box<dyn Stream>> {
    let address = &server.address;
    let failed = |error: std::io::Error| errors::broken("connecting to", server, &error);
    let stream = TcpStream::connect((address.host.as_str(), address.port)).await.map_err(failed)?;
    // Small requests, each of which somebody waits for.
    stream.set_nodelay(true).map_err(failed)?;
    if !address.tls {
        return Ok(Box::new(stream));
    }
    let name = ServerName::try_from(address.host.clone())
        .map_err(|_| Error::setting(format!("the host of {server} is no name that a certificate can have")))?;
    let stream = TlsConnector::from(server.tls()?).connect(name, stream).await.map_err(failed)?;
    Ok(Box::new(stream))
}

pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> Stream for S {}

/// Ends the connection when more is read than the answer can have: what a server sends is kept in memory until it is whole.
struct Metered<S> {
    stream: S,
    allowance: Arc<AtomicUsize>,
    unfit: Arc<OnceLock<Unfit>>,
    /// Its first byte was one that an answer begins with.
    speaks_redis: bool,
}

impl<S> Metered<S> {
    fn end(&self, unfit: Unfit) -> std::io::Error {
        let _ = self.unfit.set(unfit);
        unfit.into()
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Metered<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let before = into.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, into);
        let Some(first) = into.filled().get(before).copied() else { return polled };
        // https://redis.io/docs/latest/develop/reference/protocol-spec/
        if !self.speaks_redis && !b"+-:$*_#,(!=%|~>".contains(&first) {
            return Poll::Ready(Err(self.end(Unfit::SpeaksNoRedis)));
        }
        self.speaks_redis = true;
        let read = into.filled().len().saturating_sub(before);
        match self.allowance.load(Ordering::Relaxed).checked_sub(read) {
            Some(left) => self.allowance.store(left, Ordering::Relaxed),
            None => return Poll::Ready(Err(self.end(Unfit::TooMuch))),
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Metered<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, from: &[u8]) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, from)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
