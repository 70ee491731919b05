//! What the SDK repeats by itself is not carried out twice. On the project's own blob service, with a client's default settings.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use azure_core::http::{ClientOptions, RequestContent, Url};
use azure_leader_election::{FencedBlob, FencedStateBlob};
use azure_storage_blob::{BlobContainerClient, BlobContainerClientOptions};

use super::{text, token};
use testbed::names;
use testbed::oracle::message::Request;
use testbed::oracle::network::{Fate, Network};

struct Ledger {
    network: Network,
    container: BlobContainerClient,
    sent: Arc<Mutex<Vec<String>>>,
}

impl Ledger {
    async fn new() -> Self {
        let sent = Arc::<Mutex<Vec<String>>>::default();
        let seen = Arc::clone(&sent);
        let network = Network::new().another(move |_, request, response| {
            let part = request.query("comp").map(|part| format!(" {part}")).unwrap_or_default();
            seen.lock().unwrap().push(format!("{}{part} {}", request.method, response.status));
        });
        let url = format!("https://acct.blob.core.windows.net/{}?sig=x", names::unique("state"));
        let client_options = ClientOptions { transport: Some(network.transport()), ..Default::default() };
        let options = BlobContainerClientOptions { client_options, ..Default::default() };
        let container = BlobContainerClient::new(Url::parse(&url).unwrap(), None, Some(options)).unwrap();
        container.create(None).await.unwrap();
        sent.lock().unwrap().clear();
        Self { network, container, sent }
    }

    fn leader(&self, number: u64) -> FencedBlob {
        FencedBlob::new(&self.container, "ledger.txt", token(number)).unwrap()
    }

    /// The answer to the first request of this kind is lost after it was carried out.
    fn lose_one_answer(&self, of: impl Fn(&Request) -> bool + Send + 'static) {
        let mut once = true;
        self.network.ordain(move |request| {
            if of(request) && std::mem::take(&mut once) {
                return Fate::reply_lost(Duration::from_millis(10));
            }
            Fate::PROMPT
        });
    }

    fn take_sent(&self) -> Vec<String> {
        std::mem::take(&mut *self.sent.lock().unwrap())
    }
}

fn is_append(request: &Request) -> bool {
    request.query("comp") == Some("appendblock")
}

#[tokio::test(start_paused = true)]
async fn one_call_appends_one_line_although_an_answer_is_lost_and_the_client_repeats_the_request() {
    let bench = Ledger::new().await;
    let ledger = bench.leader(7);
    ledger.append("first\n", None).await.unwrap();
    bench.take_sent();
    bench.lose_one_answer(is_append);
    assert_eq!(ledger.append("charged subscription 17\n", None).await.unwrap(), 6);
    let sent = bench.take_sent();
    assert_eq!(sent[..2], ["PUT appendblock 201", "PUT appendblock 412"], "the client repeated it: {sent:?}");
    assert_eq!(text(ledger.read().await.unwrap()).unwrap(), "first\ncharged subscription 17\n");
    assert_eq!(ledger.append("next\n", None).await.unwrap(), 30);
    assert_eq!(text(ledger.read().await.unwrap()).unwrap(), "first\ncharged subscription 17\nnext\n");
}

#[tokio::test(start_paused = true)]
async fn the_first_append_of_a_leadership_is_appended_once_as_well() {
    let bench = Ledger::new().await;
    bench.leader(6).append("by 6\n", None).await.unwrap();
    bench.lose_one_answer(is_append);
    let ledger = bench.leader(7);
    assert_eq!(ledger.append("by 7\n", None).await.unwrap(), 5);
    assert_eq!(text(ledger.read().await.unwrap()).unwrap(), "by 6\nby 7\n");
}

#[tokio::test(start_paused = true)]
async fn equal_lines_of_several_writers_of_one_leadership_are_all_appended() {
    let bench = Ledger::new().await;
    bench.network.ordain(|_| Fate::slow(Duration::from_millis(7), Duration::from_millis(5)));
    let (one, other) = (bench.leader(7), bench.leader(7));
    let write = async |ledger: &FencedBlob| {
        for _ in 0..5 {
            ledger.append("tick\n", None).await.unwrap();
        }
    };
    tokio::join!(write(&one), write(&other));
    assert_eq!(text(one.read().await.unwrap()).unwrap(), "tick\n".repeat(10));
}

#[tokio::test(start_paused = true)]
async fn a_line_goes_behind_what_a_program_without_a_fence_has_appended_meanwhile() {
    let bench = Ledger::new().await;
    let ledger = bench.leader(7);
    ledger.append("first\n", None).await.unwrap();
    let plain = bench.container.blob_client("ledger.txt").append_blob_client();
    plain.append_block(RequestContent::from(b"foreign\n".to_vec()), 8, None).await.unwrap();
    assert_eq!(ledger.append("second\n", None).await.unwrap(), 14);
    assert_eq!(text(ledger.read().await.unwrap()).unwrap(), "first\nforeign\nsecond\n");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_was_dropped_leaves_no_wrong_place_behind() {
    let bench = Ledger::new().await;
    let ledger = bench.leader(7);
    ledger.append("first\n", None).await.unwrap();
    bench.network.ordain(|request| {
        if is_append(request) { Fate::slow(Duration::from_secs(1), Duration::from_secs(9)) } else { Fate::PROMPT }
    });
    let dropped = tokio::time::timeout(Duration::from_secs(2), ledger.append("second\n", None)).await;
    assert!(dropped.is_err(), "it was carried out, and its answer not waited for");
    bench.network.ordain(|_| Fate::PROMPT);
    assert_eq!(ledger.append("third\n", None).await.unwrap(), 13);
    assert_eq!(text(ledger.read().await.unwrap()).unwrap(), "first\nsecond\nthird\n");
}

/// Overwriting, deleting, removing, raising and opening: each with the answer to one of its writes lost.
#[tokio::test(start_paused = true)]
async fn the_other_fenced_writes_are_repeatable_too() {
    let bench = Ledger::new().await;
    let writes = |request: &Request| matches!(request.method.as_str(), "PUT" | "DELETE");
    let blob = bench.leader(7);
    for content in ["one", "two"] {
        bench.lose_one_answer(writes);
        blob.overwrite(content, None).await.unwrap();
        assert_eq!(text(blob.read().await.unwrap()).unwrap(), content);
    }
    bench.lose_one_answer(writes);
    bench.leader(8).raise().await.unwrap();
    bench.lose_one_answer(writes);
    bench.leader(8).delete().await.unwrap();
    assert_eq!(blob.read().await.unwrap(), None);
    bench.lose_one_answer(writes);
    bench.leader(8).purge().await.unwrap();

    bench.lose_one_answer(writes);
    let mut state = FencedStateBlob::open(&bench.container, "state", token(7)).await.unwrap();
    for content in ["one", "two"] {
        bench.lose_one_answer(writes);
        state.overwrite(content, None).await.unwrap();
        assert_eq!(text(state.read().await.unwrap()).unwrap(), content);
    }
    bench.lose_one_answer(writes);
    state.delete().await.unwrap();
    assert_eq!(state.read().await.unwrap(), None);
}
