//! Writers that open their container by its URL.

use std::sync::Arc;
use std::time::Duration;

use azure_core::credentials::{AccessToken, TokenCredential, TokenRequestOptions};
use azure_leader_election::{ErrorKind, FencedBlob, FencedStateBlob, SharedCredential};

use super::{assert_fenced, assert_kind, text, token};
use testbed::azurite::Azurite;
use testbed::names;

/// Other than with a client of the SDK's own, which cannot use the emulator's key.
#[tokio::test]
async fn fenced_writers_open_a_container_of_the_emulator_by_its_url_and_create_it() {
    let url = Azurite::http().await.container_url(&names::unique("fenced"));
    let leader = |number| FencedBlob::for_emulator(&url, "state", token(number)).unwrap();
    let (older, newer) = (leader(6), leader(7));
    older.overwrite("by 6", None).await.unwrap();
    newer.overwrite("by 7", None).await.unwrap();
    assert_fenced(older.overwrite("late", None).await, 7);
    assert_eq!(text(newer.read().await.unwrap()).unwrap(), "by 7");
    newer.delete().await.unwrap();
    newer.purge().await.unwrap();

    let open = |number| FencedStateBlob::open_in_emulator(&url, "other", token(number));
    let mut older = open(6).await.unwrap();
    older.overwrite("by 6", None).await.unwrap();
    let mut newer = open(7).await.unwrap();
    assert_fenced(older.overwrite("late", None).await, 7);
    assert_eq!(text(newer.read().await.unwrap()).unwrap(), "by 6");

    for elsewhere in ["https://acct.blob.core.windows.net/state", "http://10.0.0.1:10000/devstoreaccount1/state"] {
        assert_kind(FencedBlob::for_emulator(elsewhere, "state", token(7)), ErrorKind::InvalidSetting);
    }
}

#[derive(Debug)]
struct Silent;

#[azure_leader_election::async_trait]
impl TokenCredential for Silent {
    async fn get_token(&self, _: &[&str], _: Option<TokenRequestOptions<'_>>) -> azure_core::Result<AccessToken> {
        std::future::pending().await
    }
}

#[tokio::test(start_paused = true)]
async fn a_fenced_writer_that_waits_for_its_token_says_so_before_its_limit() {
    let signed_in = SharedCredential::with_runtime(Arc::new(Silent), tokio::runtime::Handle::current());
    let url = "https://acct.blob.core.windows.net/state";
    let blob = FencedBlob::with_credential(url, "billed-until", signed_in.clone(), token(7)).unwrap();
    let said = assert_kind(blob.with_limit(Duration::from_secs(2)).overwrite("x", None).await, ErrorKind::Credential);
    assert!(said.contains("nothing was sent to") && said.contains("signing in has taken 1.5 s"), "{said}");
    let opened = FencedStateBlob::open_with_credential(url, "billed-until", signed_in, token(7)).await;
    let said = assert_kind(opened.map(drop), ErrorKind::Credential);
    assert!(said.contains("signing in has taken 1"), "{said}");
}
