//! Documents in Cosmos DB that refuse older leaders, on Microsoft's emulator.

use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;

use azure_data_cosmos::TransactionalBatch;
use azure_data_cosmos::clients::ContainerClient;
use azure_leader_election::{Error, ErrorKind, FencedPartition, FencingToken, RefusedOperation};
use serde_json::{Value, json};
use testbed::cosmos::{Emulator, EmulatorOptions, Kind};

const DATABASE: &str = "billing";
const CONTAINER: &str = "charges";
const TENANT: [(&str, &str); 1] = [("tenant", "contoso")];

/// An account with a container whose documents belong to tenants.
struct Bench {
    emulator: Emulator,
    container: ContainerClient,
}

impl Bench {
    async fn new() -> Self {
        let emulator = Emulator::start(EmulatorOptions::default());
        emulator.create_partitioned(DATABASE, CONTAINER, &["/tenant"]);
        let container = emulator.container(DATABASE, CONTAINER).await;
        Self { emulator, container }
    }

    fn leader(&self, number: u64) -> FencedPartition {
        FencedPartition::new(self.container.clone(), &TENANT, token(number)).expect("valid")
    }

    async fn read(&self, id: &str) -> Option<Value> {
        match self.container.read_item("contoso".to_owned(), id, None).await {
            Ok(response) => Some(response.into_model().expect("JSON")),
            Err(error) if error.status().is_not_found() => None,
            Err(error) => panic!("{error}"),
        }
    }

    fn batches(&self) -> u64 {
        self.emulator.requests("POST", Kind::Item)
    }

    fn reads(&self) -> u64 {
        self.emulator.requests("GET", Kind::Item)
    }
}

fn token(number: u64) -> FencingToken {
    FencingToken::new(number).expect("in range")
}

fn document(id: &str, by: u64) -> Value {
    json!({"id": id, "tenant": "contoso", "by": by})
}

/// Puts a document into a batch.
fn upsert(
    id: &str,
    by: u64,
) -> impl Fn(TransactionalBatch) -> Result<TransactionalBatch, azure_data_cosmos::CosmosError> {
    move |batch| batch.upsert_item(document(id, by), None)
}

/// Creates one in a batch, which cannot be done twice.
fn create(
    id: &str,
    by: u64,
) -> impl Fn(TransactionalBatch) -> Result<TransactionalBatch, azure_data_cosmos::CosmosError> {
    move |batch| batch.create_item(document(id, by))
}

#[track_caller]
fn assert_fenced<T: std::fmt::Debug>(outcome: Result<T, Error>, by: u64) {
    let error = outcome.expect_err("an older leader is refused");
    assert_eq!((error.kind(), error.fenced_by()), (ErrorKind::Fenced, Some(token(by))), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_leaders_batch_fails_as_a_whole() {
    let bench = Bench::new().await;
    let (older, newer) = (bench.leader(6), bench.leader(7));
    older.execute(upsert("state", 6)).await.unwrap();
    newer.execute(upsert("state", 7)).await.unwrap();
    let late = older.execute(|batch| batch.upsert_item(document("state", 6), None)?.create_item(document("other", 6)));
    assert_fenced(late.await, 7);
    assert_fenced(older.raise().await, 7);
    assert_eq!(bench.read("state").await.unwrap()["by"], 7);
    assert_eq!(bench.read("other").await, None);
    newer.execute(upsert("state", 77)).await.unwrap();
    assert_fenced(bench.leader(6).execute(upsert("state", 6)).await, 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_raised_fence_refuses_an_older_leader_before_anything_is_written() {
    let bench = Bench::new().await;
    let (older, newer) = (bench.leader(6), bench.leader(7));
    older.execute(upsert("state", 6)).await.unwrap();
    newer.raise().await.unwrap();
    assert_fenced(older.execute(upsert("state", 66)).await, 7);
    assert_eq!(bench.read("state").await.unwrap()["by"], 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fenced_batch_costs_one_request() {
    let bench = Bench::new().await;
    let leader = bench.leader(7);
    leader.execute(upsert("state", 7)).await.unwrap();
    assert_eq!((bench.batches(), bench.reads()), (1, 1), "the first one of a leadership also reads the fence");
    for _ in 0..10 {
        leader.execute(upsert("state", 7)).await.unwrap();
    }
    assert_eq!((bench.batches(), bench.reads()), (11, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_callers_results_come_in_the_callers_order() {
    let bench = Bench::new().await;
    let done = bench
        .leader(7)
        .execute(|batch| {
            Ok(batch.create_item(document("a", 7))?.upsert_item(document("b", 7), None)?.read_item("a", None))
        })
        .await
        .unwrap();
    let statuses: Vec<_> = done.results.unwrap().iter().map(|result| result.status_code()).collect();
    assert_eq!(statuses, [201, 201, 200]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_operation_of_the_callers_own_is_named_and_nothing_is_written() {
    let bench = Bench::new().await;
    let leader = bench.leader(7);
    leader.execute(create("charge-1", 7)).await.unwrap();
    let again =
        leader.execute(|batch| batch.upsert_item(document("state", 7), None)?.create_item(document("charge-1", 7)));
    let error = again.await.expect_err("it is there already");
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
    let refused = error.source().and_then(|source| source.downcast_ref::<RefusedOperation>()).expect("a reason");
    assert_eq!((refused.index, refused.status), (1, 409));
    assert_eq!(bench.read("state").await, None);
    let reads = bench.reads();
    leader.execute(create("charge-2", 7)).await.unwrap();
    assert_eq!(bench.reads(), reads, "the fence is still known");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_whose_answer_was_lost_is_carried_out_once_and_known_to_be() {
    let bench = Bench::new().await;
    let leader = bench.leader(7);
    for round in 0..5 {
        bench.emulator.lose_next_responses("POST", 1);
        // A repetition would be refused with 409: the charge is there.
        leader.execute(create(&format!("charge-{round}"), 7)).await.unwrap();
        assert!(bench.read(&format!("charge-{round}")).await.is_some());
    }
    leader.execute(create("charge-5", 7)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_was_carried_out_is_known_to_be_even_when_a_newer_leader_has_written_since() {
    let bench = Bench::new().await;
    let older = bench.leader(6);
    older.raise().await.unwrap();
    bench.emulator.lose_next_responses("POST", u64::MAX);
    bench.emulator.lose_next_responses("GET", u64::MAX);
    let batch = tokio::spawn(async move { older.execute(create("charge", 6)).await });
    let mut fence = loop {
        let fence = bench.emulator.document_of("contoso", DATABASE, CONTAINER, FencedPartition::FENCE_ID).unwrap();
        if fence["writes"].as_array().unwrap().len() == 2 {
            break fence;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    // As a newer leader's batch leaves it.
    fence["token"] = json!(7);
    fence["writes"].as_array_mut().unwrap().insert(0, json!("0123456789abcdef0123456789abcdef"));
    bench.emulator.put_document_of("contoso", DATABASE, CONTAINER, &fence);
    bench.emulator.lose_next_responses("POST", 0);
    bench.emulator.lose_next_responses("GET", 0);

    let done = batch.await.unwrap().expect("it was carried out, whatever came after it");
    assert!(done.results.is_none(), "its answer was lost");
    assert_fenced(bench.leader(6).raise().await, 7);
}

/// Or its caller would take it for not done, and do it again.
#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_may_have_been_carried_out_before_newer_leaders_is_not_said_not_to_be() {
    for (newer_writes, forgotten) in [(6, false), (8, true)] {
        let bench = Bench::new().await;
        let older = bench.leader(6);
        older.raise().await.unwrap();
        bench.emulator.lose_next_responses("GET", u64::MAX);
        // Nor is it carried out.
        bench.emulator.hang();
        let sent = bench.batches();
        let batch =
            tokio::spawn(async move { older.with_limit(Duration::from_secs(4)).execute(create("charge", 6)).await });
        while bench.batches() == sent {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        // A request has a quarter of the limit.
        tokio::time::sleep(Duration::from_millis(1_300)).await;
        let mut fence = bench.emulator.document_of("contoso", DATABASE, CONTAINER, FencedPartition::FENCE_ID).unwrap();
        fence["token"] = json!(7);
        let numbers = (0..newer_writes).map(|number| json!(format!("{number:032x}")));
        let before = fence["writes"].as_array().unwrap().clone();
        fence["writes"] = numbers.chain(before).take(8).collect();
        bench.emulator.put_document_of("contoso", DATABASE, CONTAINER, &fence);
        bench.emulator.go_on();
        bench.emulator.lose_next_responses("GET", 0);

        let error = batch.await.unwrap().expect_err("a newer leader has written");
        assert_eq!(error.kind(), ErrorKind::Fenced, "{error}");
        let doubt = std::error::Error::source(&error).and_then(|source| source.downcast_ref::<Error>());
        assert_eq!(doubt.map(Error::is_transient), forgotten.then_some(true), "{newer_writes}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_is_carried_out_late_does_not_go_over_a_newer_leaders() {
    let bench = Bench::new().await;
    let (older, newer) = (bench.leader(6).with_limit(Duration::from_millis(300)), bench.leader(7));
    older.execute(upsert("state", 6)).await.unwrap();
    newer.raise().await.unwrap();
    bench.emulator.hang();
    assert!(older.execute(upsert("state", 66)).await.expect_err("no answer").is_transient());
    bench.emulator.go_on();
    newer.execute(upsert("state", 7)).await.unwrap();
    assert_fenced(older.execute(upsert("state", 66)).await, 7);
    assert_eq!(bench.read("state").await.unwrap()["by"], 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_batches_of_one_leader_are_all_carried_out_once() {
    let bench = Bench::new().await;
    bench.emulator.lose_every_nth_response(7);
    let leader = Arc::new(bench.leader(7));
    let batches = (0..40).map(|number| {
        let leader = Arc::clone(&leader);
        async move { leader.execute(create(&format!("charge-{number}"), 7)).await }
    });
    for outcome in futures::future::join_all(batches).await {
        outcome.unwrap();
    }
    bench.emulator.lose_every_nth_response(0);
    for number in 0..40 {
        assert!(bench.read(&format!("charge-{number}")).await.is_some());
    }
}

/// Every leader adds one to a counter again and again, by reading it, thinking, and writing it.
#[tokio::test(flavor = "multi_thread")]
async fn no_update_is_lost_to_an_older_leader() {
    let bench = Arc::new(Bench::new().await);
    let counts = (1..=12_u64).map(|number| {
        let bench = Arc::clone(&bench);
        async move {
            // They begin in a jumble, so that older ones meet newer ones.
            tokio::time::sleep(Duration::from_millis(number * 37 % 120)).await;
            let leader = bench.leader(number);
            let mut done = 0_u64;
            // The newest one goes on until it has had its way; the others until they are fenced.
            loop {
                match leader.raise().await {
                    Ok(()) => {}
                    Err(error) if error.is_transient() => continue,
                    Err(_) => break,
                }
                let count = bench.read("counter").await.map_or(0, |counter| counter["count"].as_u64().unwrap());
                tokio::task::yield_now().await;
                let counter = json!({"id": "counter", "tenant": "contoso", "count": count + 1, "by": number});
                match leader.execute(|batch| batch.upsert_item(counter.clone(), None)).await {
                    Ok(_) => done += 1,
                    // The second says that the fence document changed all the time; neither has written anything.
                    Err(error) => {
                        assert!(matches!(error.kind(), ErrorKind::Fenced | ErrorKind::Unavailable), "{error}");
                    }
                }
                if number == 12 && done == 20 {
                    break;
                }
            }
            done
        }
    });
    let done: u64 = futures::future::join_all(counts).await.into_iter().sum();
    assert_eq!(bench.read("counter").await.unwrap()["count"], done, "every accepted write is counted");
    println!("{done} accepted writes of 12 leaders");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fence_document_that_is_none_is_an_error_and_is_left_as_it_is() {
    let bench = Bench::new().await;
    let spoiled =
        json!({"id": FencedPartition::FENCE_ID, "tenant": "contoso", "token": 9_007_199_254_740_992_u64, "writes": []});
    let key = "contoso".to_owned();
    bench.container.upsert_item(key, FencedPartition::FENCE_ID, &spoiled, None).await.unwrap();
    let error = bench.leader(7).execute(upsert("state", 7)).await.expect_err("no token");
    assert_eq!(error.kind(), ErrorKind::CorruptRecord, "{error}");
    assert_eq!(bench.read(FencedPartition::FENCE_ID).await.unwrap()["token"], 9_007_199_254_740_992_u64);
    assert_eq!(bench.read("state").await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hierarchical_partition_key_has_its_fence_too_and_a_wrong_one_is_named() {
    let bench = Bench::new().await;
    bench.emulator.create_partitioned(DATABASE, "nested", &["/tenant", "/address/city"]);
    let container = bench.emulator.container(DATABASE, "nested").await;
    let key = [("tenant", "contoso"), ("address/city", "Ulm")];
    let leader = |number| FencedPartition::new(container.clone(), &key, token(number)).unwrap();
    let charge = json!({"id": "charge", "tenant": "contoso", "address": {"city": "Ulm"}});
    leader(7).execute(|batch| batch.create_item(charge.clone())).await.unwrap();
    assert_fenced(leader(6).raise().await, 7);

    let wrong = FencedPartition::new(bench.container.clone(), &[("customer", "contoso")], token(7)).unwrap();
    let error = wrong.raise().await.expect_err("the container's partition key is another");
    assert!(!error.is_transient(), "{error}");
    println!("{error}");
}

/// A container's default time to live would delete the fence, and an older leader could write again.
#[tokio::test]
async fn the_fence_document_lives_for_ever_whatever_the_containers_default_is() {
    let bench = Bench::new().await;
    let ttl = async || bench.read(FencedPartition::FENCE_ID).await.expect("there is one")["ttl"].clone();
    let leader = bench.leader(7);
    leader.raise().await.unwrap();
    assert_eq!(ttl().await, json!(-1), "created");
    leader.execute(upsert("a", 7)).await.unwrap();
    assert_eq!(ttl().await, json!(-1), "replaced");
    bench.leader(8).raise().await.unwrap();
    assert_eq!(ttl().await, json!(-1), "by the next leader");
}
