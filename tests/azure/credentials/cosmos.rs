//! A host on a document in Cosmos DB, in real time: nothing depends on how fast the machine is but the order of things.

use std::time::Duration;

use azure_leader_election::{CancellationToken, CosmosDistributedMutex, LeaderHost, SharedCredential};
use tokio::task::JoinSet;

use crate::credentials::moody::{Mood, Moody, Phase};
use crate::credentials::seen::{Seen, Time, judge};
use testbed::cosmos::EmulatorOptions;
use testbed::cosmos::election::{address, emulator};

/// The wrapper asks for a new token at half of it, the credential itself within each request from then on.
const LIFE: Duration = Duration::from_secs(44);
const KEPT: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_or_failing_credential_costs_no_lead_on_cosmos_db_while_the_token_is_good_and_is_named_when_there_is_none()
 {
    let emulator = emulator(EmulatorOptions::default());
    let mut cases = JoinSet::new();
    for phase in [Phase::Start, Phase::Refresh] {
        for mood in Mood::ALL {
            let leaders = address(&emulator);
            cases.spawn(async move {
                let credential = Moody::new(mood, phase, "token-DataContributor", LIFE, KEPT);
                let shared = SharedCredential::new(credential.clone());
                let election = format!("{phase:?}-{mood:?}");
                let mutex = CosmosDistributedMutex::new(leaders, &election, shared).unwrap();
                let host = LeaderHost::new(mutex);
                let events = host.events();
                let shutdown = CancellationToken::new();
                let stop = shutdown.clone();
                let run = tokio::spawn(async move {
                    let task = |leader: azure_leader_election::Leadership| async move {
                        leader.token().cancelled().await;
                        Ok(())
                    };
                    host.run_task_when_mutex_acquired(stop, task).await
                });
                let seen = Seen::new("Cosmos DB", mood, phase).hear(events, credential, LIFE * 3 / 2).await;
                shutdown.cancel();
                run.await.expect("no panic").expect("no error");
                seen
            });
        }
    }
    let mut all = cases.join_all().await;
    all.sort_by_key(|seen| (seen.phase == Phase::Refresh, Mood::ALL.iter().position(|mood| *mood == seen.mood)));
    judge(&all, LIFE, Time::Real);
}
