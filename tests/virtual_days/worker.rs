//! A worker: the real host on the real store and SDK, with a way to the oracle of its own.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use azure_core::credentials::{AccessToken, TokenCredential, TokenRequestOptions};
use azure_core::time::OffsetDateTime;
use azure_leader_election::{
    BlobDistributedMutex, BlobMutexOptions, CancellationToken, HolderId, LeaderHost, LeaderHostOptions, Leadership,
    Result, SharedCredential, Sources, TaskError,
};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use crate::referee::{Referee, WorkerId};
use crate::support::oracle::network::Network;
use crate::support::random::Random;
use crate::weather::{Trap, Weather};

pub const CONTAINER_URL: &str = "https://acct.blob.core.windows.net/leases";
pub const BLOB: &str = "nightly";

#[derive(Debug)]
pub struct Worker {
    pub id: WorkerId,
    pub weather: Weather,
    referee: Referee,
    shutdown: CancellationToken,
    run: JoinHandle<Result<()>>,
}

impl Worker {
    pub fn start(id: WorkerId, network: &Network, referee: &Referee, trap: &Trap, seed: u64) -> Self {
        let mut random = Random::new(seed);
        let witness = referee.clone();
        let network = network.another(move |now, request, response| witness.carried_out(now, id, request, response));
        let weather = Weather::new(random.below(u64::MAX), Trap::clone(trap));
        let (sky, witness) = (weather.clone(), referee.clone());
        network.ordain(move |request| {
            let fate = sky.fate(request);
            witness.sent(id, request, &fate);
            fate
        });

        let options = BlobMutexOptions { transport: Some(network.transport()), ..Default::default() };
        let signed_in = SharedCredential::with_runtime(Arc::new(ShortToken), Handle::current());
        let mutex = BlobDistributedMutex::new(CONTAINER_URL, BLOB, signed_in).expect("valid");
        let mutex = mutex.with_options(options).expect("valid");
        let host = LeaderHost::new(mutex).with_options(LeaderHostOptions {
            holder: HolderId::new(format!("worker-{id}")).expect("valid"),
            ..LeaderHostOptions::default()
        });
        let host = host.with_sources(Sources::seeded(random.next())).on_caller_runtime();
        referee.begins(id);
        let shutdown = CancellationToken::new();
        let (stop, watch, random) = (shutdown.clone(), referee.clone(), Mutex::new(random));
        let task = move |leader: Leadership| {
            let on_duty = watch.elected(id, &leader);
            let mut random = random.lock().expect("no panic under this lock");
            let (manner, drain) = (random.below(20), random.millis(0, 2_500));
            async move {
                let _on_duty = on_duty;
                leader.token().cancelled().await;
                match manner {
                    // Does not heed it, and is aborted.
                    0 => std::future::pending().await,
                    1 => Err(TaskError::from("it failed at the last moment")),
                    _ => {
                        tokio::time::sleep(drain).await;
                        Ok(())
                    }
                }
            }
        };
        let run = tokio::spawn(async move { host.run_task_when_mutex_acquired(stop, task).await });
        Self { id, weather, referee: referee.clone(), shutdown, run }
    }

    /// Ends as on SIGTERM: waits for the drain and for the release.
    pub async fn stop(self) {
        let begun = self.referee.now();
        self.shutdown.cancel();
        let ended = self.run.await.expect("the host does not panic");
        let (took, id) = (self.referee.now() - begun, self.id);
        // Drain limit, and three attempt timeouts.
        if ended.is_err() || took > Duration::from_secs(10 + 3 * 3) {
            self.referee.violation(&format!("worker {id} took {took:?} to stop (invariant 15): {ended:?}"));
        }
        self.referee.ends(id);
    }

    /// Ends as on SIGKILL: whatever it does from now on reaches nobody. What it has sent before may still arrive.
    pub fn crash(self) {
        self.weather.cut_off();
        self.referee.strikes(self.id);
        self.referee.ends(self.id);
        self.shutdown.cancel();
    }
}

/// A token that the SDK means to renew with every request: it judges a token's age by the wall clock, for which no time
/// passes here.
#[derive(Debug)]
struct ShortToken;

#[async_trait]
impl TokenCredential for ShortToken {
    async fn get_token(&self, _: &[&str], _: Option<TokenRequestOptions<'_>>) -> azure_core::Result<AccessToken> {
        Ok(AccessToken::new("token", OffsetDateTime::now_utc() + Duration::from_secs(60)))
    }
}
