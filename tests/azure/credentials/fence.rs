//! A fenced writer whose client signs in by a shared credential, in paused time.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use azure_core::http::ClientOptions;
use azure_leader_election::{EndReason, ErrorKind, FencedBlob, FencedPartition, FencingToken, SharedCredential};
use azure_storage_blob::{BlobContainerClient, BlobContainerClientOptions};
use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::credentials::moody::{Mood, Moody, Phase};
use crate::credentials::seen::{Seen, Time, judge};
use testbed::cosmos::{Emulator, EmulatorOptions, signed_in};
use testbed::oracle::network::Network;

const LIFE: Duration = Duration::from_secs(290);
const KEPT: Duration = Duration::from_secs(15);

/// "Leads" stands for "writes" here: from its first write on, and to the first one that fails after it.
#[tokio::test(start_paused = true)]
async fn a_fenced_writer_writes_as_long_as_its_token_is_good_and_says_what_it_waits_for() {
    let mut all = Vec::new();
    for phase in [Phase::Start, Phase::Refresh] {
        for mood in Mood::ALL {
            let network = Network::new();
            let credential = Moody::new(mood, phase, "token", LIFE, KEPT);
            let shared = SharedCredential::with_runtime(credential.clone(), Handle::current());
            let client_options = ClientOptions { transport: Some(network.transport()), ..ClientOptions::default() };
            let options = BlobContainerClientOptions { client_options, ..Default::default() };
            let url = "https://acct.blob.core.windows.net/state".parse().unwrap();
            let container = BlobContainerClient::new(url, Some(Arc::new(shared)), Some(options)).unwrap();
            let blob = FencedBlob::new(&container, "billed-until", FencingToken::new(7).unwrap()).unwrap();
            let mut seen = Seen::new("fence", mood, phase);
            let begun = Instant::now();
            let mut slowest = Duration::ZERO;
            while begun.elapsed() < LIFE + Duration::from_secs(30) {
                let asked = Instant::now();
                let _ = container.create(None).await;
                match blob.overwrite("2026-11-21", None).await {
                    Ok(_) => seen.led_at = seen.led_at.or(Some(begun.elapsed())),
                    Err(error) => {
                        assert!(error.kind() == ErrorKind::Credential || error.kind() == ErrorKind::Timeout, "{error}");
                        seen.note(&error.to_string());
                        if seen.led_at.is_some() {
                            seen.ended = seen.ended.or(Some((begun.elapsed(), EndReason::RenewalTimedOut)));
                        }
                    }
                }
                if phase == Phase::Refresh && begun.elapsed() < LIFE {
                    slowest = slowest.max(asked.elapsed());
                }
                sleep(Duration::from_secs(1)).await;
            }
            seen.most_programs = credential.most_programs.load(Ordering::SeqCst);
            assert_eq!(slowest, Duration::ZERO, "no write waits for a new token while the present one is good: {seen}");
            all.push(seen);
        }
    }
    judge(&all, LIFE, Time::Paused);
}

/// In real time. Its client cannot be made without a token, so there is no row for the start.
#[tokio::test(flavor = "multi_thread")]
async fn a_fenced_partition_is_written_to_as_long_as_the_token_is_good() {
    const LIFE: Duration = Duration::from_secs(44);
    let emulator = Emulator::start(EmulatorOptions::default());
    emulator.create_partitioned("billing", "charges", &["/tenant"]);
    let mut cases = JoinSet::new();
    for mood in Mood::ALL {
        let endpoint = emulator.endpoint();
        cases.spawn(async move {
            let credential = Moody::new(mood, Phase::Refresh, "token-DataContributor", LIFE, LIFE / 3);
            let begun = Instant::now();
            let shared = Arc::new(SharedCredential::new(credential.clone()));
            let container = signed_in(&endpoint, shared, "billing", "charges").await.unwrap();
            let tenant = format!("{mood:?}");
            let token = FencingToken::new(7).unwrap();
            let partition = FencedPartition::new(container, &[("tenant", &tenant)], token).unwrap();
            let mut seen = Seen::new("fence in Cosmos DB", mood, Phase::Refresh);
            // One that waits for a silent credential does so for most of a minute.
            let until = if mood == Mood::Silent { LIFE * 3 / 4 } else { LIFE * 5 / 4 };
            while begun.elapsed() < until {
                match partition.raise().await {
                    Ok(()) => seen.led_at = seen.led_at.or(Some(begun.elapsed())),
                    Err(error) => {
                        seen.note(&error.to_string());
                        seen.ended = seen.ended.or(Some((begun.elapsed(), EndReason::RenewalTimedOut)));
                    }
                }
                sleep(Duration::from_secs(1)).await;
            }
            seen.most_programs = credential.most_programs.load(Ordering::SeqCst);
            seen
        });
    }
    let mut all = cases.join_all().await;
    all.sort_by_key(|seen| Mood::ALL.iter().position(|mood| *mood == seen.mood));
    judge(&all, LIFE, Time::Real);
}
