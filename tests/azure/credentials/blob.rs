//! A host on a blob lease, in paused time.

use std::time::Duration;

use azure_leader_election::{
    BlobDistributedMutex, BlobMutexOptions, CancellationToken, LeaderHost, Leadership, SharedCredential,
};
use tokio::runtime::Handle;

use crate::credentials::moody::{Mood, Moody, Phase};
use crate::credentials::seen::{Seen, Time, judge};
use testbed::oracle::network::Network;

/// Below five minutes: the SDK judges a token by the wall clock, which stands still here, and asks for a new one within each
/// request. The credential itself keeps one for 15 s.
const LIFE: Duration = Duration::from_secs(290);
const KEPT: Duration = Duration::from_secs(15);

#[tokio::test(start_paused = true)]
async fn a_slow_or_failing_credential_costs_no_blob_lease_while_the_token_is_good_and_is_named_when_there_is_none() {
    let mut all = Vec::new();
    for phase in [Phase::Start, Phase::Refresh] {
        for mood in Mood::ALL {
            let network = Network::new();
            let credential = Moody::new(mood, phase, "token", LIFE, KEPT);
            let shared = SharedCredential::with_runtime(credential.clone(), Handle::current());
            let url = "https://acct.blob.core.windows.net/leases";
            let options = BlobMutexOptions { transport: Some(network.transport()), ..Default::default() };
            let mutex = BlobDistributedMutex::new(url, "nightly", shared).unwrap().with_options(options).unwrap();
            let host = LeaderHost::new(mutex).in_tokio_time();
            let events = host.events();
            let shutdown = CancellationToken::new();
            let stop = shutdown.clone();
            let run = tokio::spawn(async move { host.run_task_when_mutex_acquired(stop, lead).await });
            let seen = Seen::new("blob", mood, phase);
            all.push(seen.hear(events, credential, LIFE + Duration::from_secs(30)).await);
            shutdown.cancel();
            run.await.expect("no panic").expect("no error");
        }
    }
    judge(&all, LIFE, Time::Paused);
}

async fn lead(leader: Leadership) -> Result<(), azure_leader_election::TaskError> {
    leader.token().cancelled().await;
    Ok(())
}
