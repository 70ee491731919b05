//! The Cosmos DB store against Microsoft's emulator: accounts that must not be used, a failover, documents that strangers
//! wrote, answers that get lost.

#![allow(clippy::expect_used, clippy::unwrap_used)]

use std::sync::Arc;
use std::time::Duration;

use azure_core::credentials::Secret;
use azure_data_cosmos_driver::in_memory_emulator::{ConsistencyLevel, WriteMode};
use azure_leader_election::{
    Acquire, AcquireRequest, CancellationToken, CosmosAddress, CosmosDistributedMutex, CosmosMutexOptions,
    DistributedMutex, Error, ErrorKind, LeaderData, LeaderHost, LeaderHostOptions, Renew, Result, SideName, Timing,
    TimingOptions, Version, Written,
};
use serde_json::{Value, json};
use testbed::cosmos::election::{
    CONTAINER, DATABASE, ELECTION, acquire, address, claim, emulator, mutex, refused, release, renew,
};
use testbed::cosmos::{EmulatorOptions, EmulatorToken, KEY, Kind, VercelServer};

#[tokio::test(flavor = "multi_thread")]
async fn an_account_with_two_write_regions_is_refused_before_any_write() {
    let two = EmulatorOptions { regions: &["East US", "West US"], multi_write: true, ..Default::default() };
    let emulator = emulator(two);
    let before = emulator.requests("PUT", Kind::Item) + emulator.requests("POST", Kind::Item);
    let error = start(mutex(&emulator)).await;
    assert_eq!(error.kind(), ErrorKind::InvalidSetting);
    assert!(error.to_string().contains("several write regions"), "{error}");
    assert_eq!(emulator.requests("PUT", Kind::Item) + emulator.requests("POST", Kind::Item), before);

    let options = CosmosMutexOptions { accept_multiple_write_regions: true, ..Default::default() };
    let accepted = mutex(&emulator).with_options(options).unwrap();
    acquire(&accepted, &claim("a")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_write_region_that_is_switched_on_under_a_leader_stops_it() {
    let emulator = emulator(EmulatorOptions { regions: &["East US", "West US"], ..Default::default() });
    let options = CosmosMutexOptions { recheck_every: Duration::from_secs(1), ..Default::default() };
    let mutex = mutex(&emulator).with_options(options).unwrap();
    let leading = claim("a");
    acquire(&mutex, &leading).await;
    emulator.store().set_write_mode(WriteMode::Multi);
    let told = loop {
        match mutex.renew(&leading).await {
            Err(error) if !error.is_transient() => break error,
            _ => tokio::time::sleep(Duration::from_millis(200)).await,
        }
    };
    assert_eq!(told.kind(), ErrorKind::InvalidSetting);
    let error = refused(async || mutex.try_acquire((&claim("b")).into()).await).await;
    assert!(error.to_string().contains("several write regions"), "{error}");
}

/// Under Strong consistency a write is in the other region before it is answered, so nothing is lost.
#[tokio::test(flavor = "multi_thread")]
async fn invariant_2_a_forced_failover_under_strong_consistency_repeats_no_token() {
    let emulator = emulator(EmulatorOptions {
        regions: &["East US", "West US"],
        consistency: ConsistencyLevel::Strong,
        ..Default::default()
    });
    let mutex = mutex(&emulator);
    let first = claim("a");
    let before = acquire(&mutex, &first).await.fencing_token;
    emulator.fail_over_to("West US");
    // The same mutex finds the region that took over, and the lease is still its own.
    assert_eq!(renew(&mutex, &first).await, Renew::Renewed);
    release(&mutex, &first).await;
    assert!(acquire(&mutex, &claim("b")).await.fencing_token > before, "tokens rise over a failover");
}

/// A host with a short lease gives up each attempt long before the client would, and nobody hears how it went.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_never_answers_in_time_is_made_anew() {
    let emulator = emulator(EmulatorOptions::default());
    let mutex = mutex(&emulator);
    let leading = claim("a");
    acquire(&mutex, &leading).await;
    let connected = emulator.requests("GET", Kind::Account);
    emulator.hang();
    for _ in 0..10 {
        let attempt = tokio::time::timeout(Duration::from_millis(300), mutex.renew(&leading)).await;
        assert!(attempt.is_err(), "{attempt:?}");
    }
    emulator.go_on();
    assert_eq!(renew(&mutex, &leading).await, Renew::Renewed);
    assert!(emulator.requests("GET", Kind::Account) > connected, "it has looked for the account's regions again");
}

/// Invariant 14, end to end.
#[tokio::test(flavor = "multi_thread")]
async fn a_document_that_cannot_be_understood_is_one_clear_error_and_stays_as_it_is() {
    let emulator = emulator(EmulatorOptions::default());
    let mutex = mutex(&emulator);
    acquire(&mutex, &claim("a")).await;
    let good = emulator.document(DATABASE, CONTAINER, ELECTION).unwrap();
    let ten_years = 10_u64 * 365 * 24 * 3600 * 1000;
    for (field, value) in [
        ("leaseMs", json!(ten_years)),
        ("fencingToken", json!(-1)),
        ("fencingToken", json!(1_u64 << 60)),
        ("fencingToken", json!("7")),
        ("fencingToken", Value::Null),
        ("holder", json!("Größe")),
        ("schemaVersion", json!(2)),
    ] {
        let mut spoiled = good.clone();
        spoiled[field] = value.clone();
        emulator.put_document(DATABASE, CONTAINER, &spoiled);
        let before = emulator.document(DATABASE, CONTAINER, ELECTION).unwrap();
        for error in [
            refused(async || mutex.try_acquire((&claim("b")).into()).await).await,
            refused(async || mutex.observe().await).await,
        ] {
            assert_eq!(error.kind(), ErrorKind::CorruptRecord);
            assert!(error.to_string().contains(field), "{field}={value}: {error}");
        }
        assert_eq!(start(mutex.clone()).await.kind(), ErrorKind::CorruptRecord, "a host says so at once");
        assert_eq!(emulator.document(DATABASE, CONTAINER, ELECTION).unwrap(), before, "nothing was overwritten");
    }
    let mut without = good.clone();
    without.as_object_mut().unwrap().remove("fencingToken");
    emulator.put_document(DATABASE, CONTAINER, &without);
    let error = refused(async || mutex.try_acquire((&claim("b")).into()).await).await;
    assert!(error.to_string().contains("fencingToken is missing"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewal_is_one_request_and_keeps_what_others_have_put_into_the_document() {
    let emulator = emulator(EmulatorOptions::default());
    let mutex = mutex(&emulator);
    let claim = claim("a");
    acquire(&mutex, &claim).await;
    let mut document = emulator.document(DATABASE, CONTAINER, ELECTION).unwrap();
    document["team"] = json!("billing");
    emulator.put_document(DATABASE, CONTAINER, &document);
    // The first one meets the stranger's write, and reads.
    assert_eq!(renew(&mutex, &claim).await, Renew::Renewed);
    assert_eq!(emulator.document(DATABASE, CONTAINER, ELECTION).unwrap()["team"], "billing");

    let count = || emulator.requests("GET", Kind::Item) + emulator.requests("PUT", Kind::Item);
    let mut answered = 0;
    while answered < 10 {
        let before = count();
        match mutex.renew(&claim).await {
            Ok(answer) => {
                assert_eq!((answer, count() - before), (Renew::Renewed, 1), "one request each");
                answered += 1;
            }
            // On a busy machine: it is sent again, and what came of the lost one is read before.
            Err(error) => {
                assert!(error.is_transient(), "{error}");
                assert_eq!(renew(&mutex, &claim).await, Renew::Renewed);
            }
        }
    }
}

/// A renewal whose answer is lost must not pass for one that was carried out later than it was.
#[tokio::test(flavor = "multi_thread")]
async fn a_renewal_without_an_answer_is_repeated_by_a_write_of_its_own() {
    let emulator = emulator(EmulatorOptions::default());
    let mutex = mutex(&emulator);
    let claim = claim("a");
    acquire(&mutex, &claim).await;
    emulator.lose_next_responses("PUT", 1);
    let lost = mutex.renew(&claim).await;
    assert!(lost.as_ref().is_err_and(Error::is_transient), "{lost:?}");
    let committed = emulator.document(DATABASE, CONTAINER, ELECTION).unwrap();
    assert_eq!(renew(&mutex, &claim).await, Renew::Renewed);
    let renewed = emulator.document(DATABASE, CONTAINER, ELECTION).unwrap();
    assert_ne!(renewed["_etag"], committed["_etag"], "the second renewal is a write of its own");
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_set_up_wrongly_is_one_clear_error_at_once() {
    let emulator = emulator(EmulatorOptions::default());
    let with_token = |container: &str, token| {
        let container = CosmosAddress::new(&emulator.endpoint(), DATABASE, container).unwrap();
        CosmosDistributedMutex::new(container, ELECTION, Arc::new(token)).unwrap()
    };
    let missing = start(with_token("absent", EmulatorToken::DataContributor)).await;
    assert_eq!(missing.kind(), ErrorKind::NotFound);
    assert!(shown(&missing).contains("az cosmosdb sql container create"), "{missing}");

    let no_role = start(with_token(CONTAINER, EmulatorToken::NoRole)).await;
    assert_eq!(no_role.kind(), ErrorKind::Denied);
    assert!(shown(&no_role).contains("Data Contributor"), "{no_role}");

    let reader = start(with_token(CONTAINER, EmulatorToken::DataReader)).await;
    assert_eq!(reader.kind(), ErrorKind::Denied);

    let wrong_key = Secret::new("c29tZSBvdGhlciBrZXksIG9mIHRoZSByaWdodCBsZW5ndGgsIGJ1dCBub3QgdGhpcyBhY2NvdW50J3M=");
    let wrong = CosmosDistributedMutex::with_key(address(&emulator), ELECTION, wrong_key).unwrap();
    let wrong = start(wrong).await;
    assert_eq!(wrong.kind(), ErrorKind::Denied);
    assert!(shown(&wrong).contains("key"), "{wrong}");

    let create = CosmosMutexOptions { create: true, ..Default::default() };
    let refused = with_token(CONTAINER, EmulatorToken::DataContributor).with_options(create).expect_err("refused");
    assert!(shown(&refused).contains("account key"), "{refused}");
}

/// The error with all its causes, after checking that it shows no secret.
fn shown(error: &Error) -> String {
    let causes = std::iter::successors(std::error::Error::source(error), |cause| cause.source());
    let all = causes.fold(format!("{error} | {error:?}"), |all, cause| format!("{all} | {cause} | {cause:?}"));
    for secret in ["sig=", "c29tZSBvdGhlc", KEY, "eyJ"] {
        assert!(!all.contains(secret), "{secret} in: {all}");
    }
    all
}

/// What a host reports that is started on this mutex. It must come by itself; the limits are for a busy machine, and for a test
/// to fail.
async fn start(mutex: CosmosDistributedMutex) -> Error {
    let lease = Duration::from_secs(600);
    let timing = TimingOptions { attempt_timeout: Duration::from_secs(60), ..TimingOptions::for_lease(lease) };
    let timing = Timing::new(timing).expect("valid");
    let host = LeaderHost::new(mutex).with_options(LeaderHostOptions { timing, ..Default::default() });
    let run = host.run_task_when_mutex_acquired(CancellationToken::new(), |_leader| async {
        panic!("no task may start");
    });
    tokio::time::timeout(Duration::from_secs(900), run).await.expect("an error at once").expect_err("an error")
}

/// A container's default would delete the record, and with it the lease and the token.
#[tokio::test(flavor = "multi_thread")]
async fn the_leader_document_lives_for_ever_whatever_the_containers_default_or_somebody_says() {
    let emulator = emulator(EmulatorOptions::default());
    let (mutex, leader) = (mutex(&emulator), claim("a"));
    let ttl = || emulator.document(DATABASE, CONTAINER, ELECTION).expect("there is one")["ttl"].clone();
    acquire(&mutex, &leader).await;
    assert_eq!(ttl(), json!(-1), "elected");
    let mut document = emulator.document(DATABASE, CONTAINER, ELECTION).expect("there is one");
    document["ttl"] = json!(60);
    emulator.put_document(DATABASE, CONTAINER, &document);
    assert_eq!(renew(&mutex, &leader).await, Renew::Renewed);
    assert_eq!(ttl(), json!(-1), "renewed");
    document.as_object_mut().expect("an object").remove("ttl");
    emulator.put_document(DATABASE, CONTAINER, &document);
    release(&mutex, &leader).await;
    assert_eq!(ttl(), json!(-1), "released");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_with_another_partition_key_is_refused_by_name_and_nothing_is_written() {
    let emulator = testbed::cosmos::Emulator::start(EmulatorOptions::default());
    emulator.create_partitioned(DATABASE, CONTAINER, &["/partitionKey"]);
    let error = start(mutex(&emulator)).await;
    assert_eq!(error.kind(), ErrorKind::InvalidSetting);
    assert!(error.to_string().contains("needs the partition key /id, and has /partitionKey"), "{error}");
    assert_eq!(emulator.requests("POST", Kind::Item), 0);
}

/// Repeats a request until it has an answer.
async fn answered<T: std::fmt::Debug>(mut request: impl AsyncFnMut() -> Result<T>) -> T {
    loop {
        match request().await {
            Err(error) if error.is_transient() => {}
            other => return other.expect("an answer"),
        }
    }
}

/// On Microsoft's emulator, and on the server of other people.
async fn both(test: impl AsyncFn(Box<dyn Fn(&str) -> CosmosDistributedMutex>)) {
    let emulator = emulator(EmulatorOptions::default());
    let leaders = address(&emulator);
    test(Box::new(move |election| {
        CosmosDistributedMutex::with_key(leaders.clone(), election, Secret::new(KEY)).expect("valid")
    }))
    .await;
    let container = testbed::names::unique("beside");
    let leaders = CosmosAddress::new(&VercelServer::shared().await.endpoint(), DATABASE, &container).expect("valid");
    test(Box::new(move |election| {
        let create = CosmosMutexOptions { create: true, ..Default::default() };
        let mutex = CosmosDistributedMutex::with_key(leaders.clone(), election, Secret::new(KEY));
        mutex.and_then(|mutex| mutex.with_options(create)).expect("valid")
    }))
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_leader_tells_others_is_kept_whole_whatever_text_it_is() {
    both(async |mutex| {
        let (mutex, leader) = (mutex(ELECTION), claim("a"));
        for text in ["\u{0}".repeat(4_096), "\u{1F600}".repeat(1_024), "\"\\/\r\n\u{feff}".to_owned(), " ".to_owned()] {
            let data = LeaderData::new(&text).expect("valid");
            let request = AcquireRequest::new(&leader).with_data(Some(&data));
            assert!(matches!(answered(async || mutex.try_acquire(request).await).await, Acquire::Granted(_)));
            assert_eq!(renew(&mutex, &leader).await, Renew::Renewed);
            let seen = answered(async || mutex.observe().await).await;
            assert_eq!(seen.leader().expect("held").data.as_ref(), Some(&data));
            release(&mutex, &leader).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_sees_the_elections_of_the_container_and_no_side_records() {
    both(async |mutex| {
        for election in ["weekly", "nightly", "größer", "nightly.eu"] {
            acquire(&mutex(election), &claim("a")).await;
        }
        let nightly = mutex("nightly");
        let wish = nightly.side(SideName::new("wish").expect("valid")).expect("Cosmos DB has side records");
        answered(async || wish.create("wanted").await).await;
        let operator = nightly.operator().expect("a document store has one");
        let elections = answered(async || operator.elections().await).await;
        assert_eq!(elections, ["größer", "nightly", "nightly.eu", "weekly"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_many_elections_comes_in_pages_and_one_of_too_many_is_refused() {
    let emulator = emulator(EmulatorOptions::default());
    let mutex = mutex(&emulator);
    acquire(&mutex, &claim("a")).await;
    let mut document = emulator.document(DATABASE, CONTAINER, ELECTION).expect("there is one");
    let mut put = |numbers: std::ops::Range<u32>| {
        for number in numbers {
            document["id"] = json!(format!("election-{number:04}"));
            emulator.put_document(DATABASE, CONTAINER, &document);
        }
    };
    let operator = mutex.operator().expect("a document store has one");
    put(0..4_999);
    assert_eq!(answered(async || operator.elections().await).await.len(), 5_000);
    put(4_999..5_000);
    let error = refused(async || operator.elections().await).await;
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert!(error.to_string().contains("more than 5,000 elections"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_side_record_changes_by_compare_and_swap_and_lives_for_ever() {
    both(async |mutex| {
        let (mutex, leader) = (mutex(ELECTION), claim("a"));
        let wish = mutex.side(SideName::new("wish").expect("valid")).expect("Cosmos DB has side records");
        assert_eq!(answered(async || wish.read().await).await, None);
        let longest = "\u{1F600}".repeat(2_048);
        let Written::Done(first) = answered(async || wish.create(&longest).await).await else { panic!("created") };
        assert_eq!(answered(async || wish.create("again").await).await, Written::Conflict);
        let read = answered(async || wish.read().await).await.expect("there is one");
        assert_eq!((&read.version, read.text), (&first, longest));
        let second = answered(async || wish.replace(&first, "2026-11-27T02:00:00Z").await).await;
        assert!(matches!(second, Written::Done(version) if version != first));
        for stale in [first, Version::new("*").expect("a text"), Version::new("\"a\", *").expect("a text")] {
            assert_eq!(answered(async || wish.replace(&stale, "late").await).await, Written::Conflict);
        }
        acquire(&mutex, &leader).await;
        let before = answered(async || mutex.observe().await).await;
        let read = answered(async || wish.read().await).await.expect("there is one");
        answered(async || wish.replace(&read.version, "").await).await;
        assert_eq!(answered(async || mutex.observe().await).await, before, "no sign of life of the leader");
        let error = wish.create(&"x".repeat(8_193)).await.expect_err("too long");
        assert_eq!(error.kind(), ErrorKind::InvalidSetting);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_side_record_has_no_end_of_life_and_one_that_cannot_be_understood_is_left_as_it_is() {
    let emulator = emulator(EmulatorOptions::default());
    let mutex = mutex(&emulator);
    let wish = mutex.side(SideName::new("wish").expect("valid")).expect("Cosmos DB has side records");
    answered(async || wish.create("wanted").await).await;
    let good = emulator.document(DATABASE, CONTAINER, "nightly.wish").expect("there is one");
    assert_eq!(good["ttl"], json!(-1));
    for (field, value) in [("text", json!(7)), ("text", json!("x".repeat(8_193))), ("schemaVersion", json!(2))] {
        let mut spoilt = good.clone();
        spoilt[field] = value;
        emulator.put_document(DATABASE, CONTAINER, &spoilt);
        let error = refused(async || wish.read().await).await;
        assert_eq!(error.kind(), ErrorKind::CorruptRecord);
        assert!(error.to_string().contains(field), "{error}");
        assert_eq!(answered(async || wish.create("x").await).await, Written::Conflict);
    }
}

/// The SDK's own retries repeat a write whose answer was lost, and the repetition is refused.
#[tokio::test(flavor = "multi_thread")]
async fn a_side_write_that_was_refused_only_as_a_repetition_is_told_from_a_conflict() {
    let emulator = emulator(EmulatorOptions::default());
    let client = emulator.container(DATABASE, CONTAINER).await;
    let mutex = CosmosDistributedMutex::from_container_client(client, ELECTION).expect("valid");
    let wish = mutex.side(SideName::new("wish").expect("valid")).expect("Cosmos DB has side records");
    let Written::Done(first) = answered(async || wish.create("first").await).await else { panic!("created") };
    emulator.lose_next_responses("PUT", 1);
    let puts = emulator.requests("PUT", Kind::Item);
    let written = wish.replace(&first, "second").await.expect("an answer");
    assert!(matches!(written, Written::Done(_)), "{written:?}");
    assert_eq!(emulator.requests("PUT", Kind::Item) - puts, 2, "the client has repeated it");
    let read = answered(async || wish.read().await).await.expect("there is one");
    assert_eq!(read.text, "second");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mutex_with_a_client_of_ones_own_has_no_options_and_names_no_address() {
    let emulator = emulator(EmulatorOptions::default());
    let client = emulator.container(DATABASE, CONTAINER).await;
    let mutex = CosmosDistributedMutex::from_container_client(client.clone(), ELECTION).expect("valid");
    assert!(format!("{mutex:?}").contains("nightly"));
    let before = emulator.requests("GET", Kind::Account);
    acquire(&mutex, &claim("a")).await;
    assert_eq!(emulator.requests("GET", Kind::Account), before, "its account is the caller's matter");
    let error = mutex.with_options(CosmosMutexOptions::default()).expect_err("refused");
    assert_eq!(error.kind(), ErrorKind::InvalidSetting);
    for election in ["a/b", "nightly.wish"] {
        let error = CosmosDistributedMutex::from_container_client(client.clone(), election).expect_err("refused");
        assert_eq!(error.kind(), ErrorKind::InvalidSetting, "{election}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_near_the_highest_is_refused_before_anybody_is_granted_one_above_it() {
    let emulator = emulator(EmulatorOptions::default());
    let (mutex, leader) = (mutex(&emulator), claim("a"));
    acquire(&mutex, &leader).await;
    release(&mutex, &leader).await;
    let mut document = emulator.document(DATABASE, CONTAINER, ELECTION).expect("there is one");
    document["fencingToken"] = json!((1_u64 << 53) - 2);
    emulator.put_document(DATABASE, CONTAINER, &document);
    let error = refused(async || mutex.try_acquire((&claim("b")).into()).await).await;
    assert_eq!(error.kind(), ErrorKind::CorruptRecord);
    assert!(error.to_string().contains("somebody has edited it"), "{error}");
}
