//! The client, made on first use and anew when it seems stuck.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use azure_core::credentials::Secret;
use azure_data_cosmos::clients::ContainerClient;
use azure_data_cosmos::models::{ContainerProperties, IndexingMode, IndexingPolicy};
use azure_data_cosmos::options::{
    AvailabilityStrategy, BinaryEncodingOptions, ConnectionPoolOptions, EndToEndOperationLatencyPolicy,
    OperationOptions, OperationOptionsBuilder, ReadConsistencyStrategy, ThrottlingRetryOptionsBuilder,
};
use azure_data_cosmos::{AccountReference, CosmosClient, CosmosError, CosmosRuntime, RoutingStrategy};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tracing::warn;

use super::CosmosMutexOptions;
use super::account::{Access, Account};
use super::address::{Address, CosmosAddress};
use super::errors;
use leader_election::{Error, ErrorKind, Result, kit::TARGET, kit::service_time};

/// The SDK's limits on a call. The host bounds each attempt as well; these keep what it gave up from going on for long.
const LIMIT: Duration = Duration::from_secs(2);
/// After how many calls in a row without an answer the client is made anew: it does not find a region that took over in a
/// forced failover by itself.
const REBUILD_AFTER: u32 = 3;
/// How long connecting may take, signing in included.
const CONNECT_LIMIT: Duration = Duration::from_secs(30);

pub(super) struct Connection {
    setup: Arc<Setup>,
    state: Mutex<State>,
    silence: std::sync::Mutex<Silence>,
}

/// Calls that the client was handed out for since its last answer.
#[derive(Debug, Default)]
struct Silence {
    calls: u32,
    since: Option<Instant>,
}

struct Setup {
    container: CosmosAddress,
    /// For errors.
    address: Address,
    access: Access,
    options: CosmosMutexOptions,
    /// Set for good once the account was seen with several write regions.
    refused: AtomicBool,
    /// The service's time when it was last asked, and when that was.
    told: std::sync::Mutex<Option<(u64, Instant)>>,
}

#[derive(Default)]
enum State {
    #[default]
    Idle,
    /// Goes on when the attempt that began it is dropped, so that a short attempt timeout does not begin it for ever.
    Connecting(JoinHandle<Result<ContainerClient>>),
    Connected {
        container: ContainerClient,
        checked_at: Instant,
        check: Option<JoinHandle<()>>,
    },
}

impl Connection {
    /// To the container that the election `address` is held in.
    pub(super) fn new(container: CosmosAddress, address: Address, access: Access, options: CosmosMutexOptions) -> Self {
        let (refused, told) = (AtomicBool::new(false), std::sync::Mutex::default());
        let setup = Setup { container, address, access, options, refused, told };
        Self { setup: Arc::new(setup), state: Mutex::default(), silence: std::sync::Mutex::default() }
    }

    /// What the service's clock shows now at the least, in milliseconds since 1970: a document that was written long ago does
    /// not tell, and an election that has moved to another store and back must get a token above all of that one's.
    pub(super) fn server_ms(&self) -> u64 {
        let told = *self.setup.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.map_or(0, |(told_ms, at)| service_time::at_least(told_ms, at.elapsed()))
    }

    /// The container, on an account that may be written to.
    pub(super) async fn container(&self) -> Result<ContainerClient> {
        let mut state = self.state.lock().await;
        // A host drops an attempt long before the client gives it up where the lease is short: only this counter sees those.
        if matches!(*state, State::Connected { .. }) && self.silence().is_long() {
            *state = State::Idle;
        }
        if let State::Idle = *state {
            *state = State::Connecting(tokio::spawn(Arc::clone(&self.setup).connect()));
        }
        if let State::Connecting(connecting) = &mut *state {
            let connected = connecting.await;
            *state = State::Idle;
            let container = connected
                .map_err(|error| Error::new(ErrorKind::Unavailable, "connecting panicked").with_source(error))??;
            self.answered();
            *state = State::Connected { container, checked_at: Instant::now(), check: None };
        }
        if self.setup.refused.load(Ordering::Acquire) {
            *state = State::Idle;
            self.setup.refused.store(false, Ordering::Release);
            return Err(self.setup.refusal());
        }
        match &mut *state {
            State::Connected { container, checked_at, check } => {
                if checked_at.elapsed() >= self.setup.options.recheck_every
                    && check.as_ref().is_none_or(JoinHandle::is_finished)
                {
                    *checked_at = Instant::now();
                    *check = Some(tokio::spawn(Arc::clone(&self.setup).check_again()));
                }
                self.silence().begin_call();
                Ok(container.clone())
            }
            State::Idle | State::Connecting(_) => Err(Error::new(ErrorKind::Unavailable, "not connected yet")),
        }
    }

    /// Notes how a call went that failed so.
    pub(super) async fn failed(&self, explained: &Error) {
        if explained.kind() != ErrorKind::Unreachable {
            self.answered();
        } else if self.silence().calls >= REBUILD_AFTER {
            *self.state.lock().await = State::Idle;
        }
    }

    pub(super) fn answered(&self) {
        *self.silence() = Silence::default();
    }

    fn silence(&self) -> std::sync::MutexGuard<'_, Silence> {
        self.silence.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Silence {
    fn begin_call(&mut self) {
        self.calls = self.calls.saturating_add(1);
        self.since.get_or_insert_with(Instant::now);
    }

    /// Enough calls, and not just at the same time.
    fn is_long(&self) -> bool {
        self.calls >= REBUILD_AFTER && self.since.is_some_and(|since| since.elapsed() >= LIMIT)
    }
}

impl Setup {
    async fn connect(self: Arc<Self>) -> Result<ContainerClient> {
        self.bounded(self.connected()).await
    }

    async fn connected(&self) -> Result<ContainerClient> {
        let account = self.check().await?;
        if account.multiple_write_regions && !self.options.accept_multiple_write_regions {
            return Err(self.refusal());
        }
        if account.can_lose_writes() {
            warn!(
                target: TARGET,
                event = "account_can_lose_terms",
                election = self.address.id,
                account = self.container.host(),
                regions = account.regions,
                consistency = account.consistency,
                "a forced failover of this account can lose the latest term; use Strong consistency, or one region"
            );
        }
        let client = self.client().await?;
        self.open(&client).await
    }

    /// Asks the account while the leader leads; no answer is no news.
    async fn check_again(self: Arc<Self>) {
        match self.bounded(self.check()).await {
            Ok(account) if account.multiple_write_regions && !self.options.accept_multiple_write_regions => {
                self.refused.store(true, Ordering::Release);
            }
            Ok(_) => {}
            Err(error) => {
                let election = &self.address.id;
                warn!(target: TARGET, event = "account_not_checked", election, %error, "the account's write regions could not be checked again");
            }
        }
    }

    /// What outlives an attempt must not hang for ever.
    async fn bounded<T>(&self, connecting: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::time::timeout(CONNECT_LIMIT, connecting).await.unwrap_or_else(|_| {
            let host = self.container.host();
            Err(Error::new(
                ErrorKind::Timeout,
                format!("signing in and connecting to {host} took over {CONNECT_LIMIT:?}"),
            ))
        })
    }

    async fn check(&self) -> Result<Account> {
        let account = Account::fetch(self.container.url(), &self.address, &self.access).await?;
        if let Some(server_ms) = account.server_ms {
            *self.told.lock().unwrap_or_else(PoisonError::into_inner) = Some((server_ms, Instant::now()));
        }
        Ok(account)
    }

    fn refusal(&self) -> Error {
        Error::new(
            ErrorKind::InvalidSetting,
            format!(
                "the Cosmos DB account {:?} has several write regions: writes in two of them can both succeed, and two \
                 workers would lead. Turn multi-region writes off, or use an account of its own with one write region",
                self.container.host()
            ),
        )
    }

    async fn client(&self) -> Result<CosmosClient> {
        let failed = |error: CosmosError| errors::explain("connecting to", &self.address, &error);
        let pool = ConnectionPoolOptions::builder()
            // Over HTTP/2 the transport repeats a lost call below every retry setting.
            .with_is_http2_allowed(false)
            .with_proxy_allowed(true)
            .with_max_connect_timeout(LIMIT)
            .with_max_dataplane_request_timeout(LIMIT)
            .with_max_metadata_request_timeout(LIMIT)
            .build()
            .map_err(failed)?;
        let runtime = CosmosRuntime::builder().with_connection_pool(pool).build().await.map_err(failed)?;
        let endpoint = self.container.endpoint().parse().map_err(failed)?;
        let account = match &self.access {
            Access::Key(key) => {
                AccountReference::with_authentication_key(endpoint, Secret::new(key.secret().to_owned()))
            }
            Access::Credential(credential) => AccountReference::with_credential(endpoint, Arc::new(credential.clone())),
        };
        CosmosClient::builder()
            .with_runtime(runtime)
            .with_default_operation_options(one_attempt())
            .with_binary_encoding_options(BinaryEncodingOptions::new().with_enabled(false))
            // The account's own order: its write region first.
            .build(account, RoutingStrategy::PreferredRegions(Vec::new()))
            .await
            .map_err(failed)
    }

    async fn open(&self, client: &CosmosClient) -> Result<ContainerClient> {
        let (database, container) = (self.container.database().to_owned(), self.container.container().to_owned());
        let opened = client.database_client(database.clone()).container_client(container.clone(), None).await;
        match opened {
            Err(error) if error.status().is_not_found() && self.options.create => {}
            opened => return opened.map_err(|error| errors::explain("opening", &self.address, &error)),
        }
        let failed = |error: CosmosError| errors::explain("creating the container of", &self.address, &error);
        unless_conflict(client.create_database(&database, None).await).map_err(failed)?;
        let properties = ContainerProperties::new(container.clone(), "/id".into())
            .with_indexing_policy(IndexingPolicy::default().with_indexing_mode(IndexingMode::None));
        let database = client.database_client(database);
        unless_conflict(database.create_container(properties, None).await).map_err(failed)?;
        database.container_client(container, None).await.map_err(failed)
    }
}

/// Another worker may be faster in creating something: that is as good.
fn unless_conflict<T>(created: std::result::Result<T, CosmosError>) -> std::result::Result<(), CosmosError> {
    match created {
        Err(error) if !error.status().is_conflict() => Err(error),
        _ => Ok(()),
    }
}

/// The driver's own retries outlive a lease, and its hedging writes where nobody looks. The election repeats what is worth
/// repeating; reads must see the latest write, whatever the account's consistency.
fn one_attempt() -> OperationOptions {
    OperationOptionsBuilder::new()
        .with_end_to_end_latency_policy(EndToEndOperationLatencyPolicy::new(LIMIT))
        .with_max_failover_retry_count(0)
        .with_max_session_retry_count(0)
        .with_throttling_retry_options(ThrottlingRetryOptionsBuilder::new().with_max_retry_count(0).build())
        .with_hedging_enabled(false)
        .with_availability_strategy(AvailabilityStrategy::Disabled)
        .with_read_consistency_strategy(ReadConsistencyStrategy::LatestCommitted)
        .with_session_capturing_disabled(true)
        .build()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used)]

    use super::*;
    use crate::shared_credential::SharedCredential;

    #[derive(Debug)]
    struct Hangs;

    #[async_trait::async_trait]
    impl azure_core::credentials::TokenCredential for Hangs {
        async fn get_token(
            &self,
            _: &[&str],
            _: Option<azure_core::credentials::TokenRequestOptions<'_>>,
        ) -> azure_core::Result<azure_core::credentials::AccessToken> {
            std::future::pending().await
        }
    }

    /// Such as one that starts a program.
    #[tokio::test(start_paused = true)]
    async fn a_sign_in_that_hangs_is_given_up() {
        let address = crate::cosmos::laws::place();
        let container = address.container.clone().expect("as given");
        let credential = SharedCredential::with_runtime(Arc::new(Hangs), tokio::runtime::Handle::current());
        let connection =
            Connection::new(container, address, Access::Credential(credential), CosmosMutexOptions::default());
        for _ in 0..3 {
            let attempt = tokio::time::timeout(CONNECT_LIMIT / 2, connection.container()).await;
            if let Ok(outcome) = attempt {
                let error = outcome.err().expect("not signed in");
                assert_eq!(error.kind(), ErrorKind::Credential);
                assert!(error.to_string().contains("signing in has taken 14 s"), "{error}");
                return;
            }
        }
        panic!("it is still waited for");
    }
}
