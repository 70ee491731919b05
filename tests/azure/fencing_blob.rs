//! Blobs that refuse older leaders, on Azurite.

mod append;
mod blob;
mod election;
mod opened;
mod repeated;
mod state;
mod strict;

use std::sync::Arc;

use azure_leader_election::{BlobContent, Error, ErrorKind, FencedBlob, FencingToken};
use azure_storage_blob::{BlobClient, BlobContainerClient};
use testbed::azurite::Azurite;
use testbed::mischief::Mischief;
use testbed::names;

/// A container of the test's own, and what disturbs the way to it.
struct Bench {
    name: String,
    container: BlobContainerClient,
    mischief: Arc<Mischief>,
}

impl Bench {
    async fn new() -> Self {
        let name = names::unique("fenced");
        let azurite = Azurite::http().await;
        let mischief = Arc::<Mischief>::default();
        let container = mischief.client(azurite, &name);
        container.create(None).await.expect("created");
        mischief.take_sent();
        Self { name, container, mischief }
    }

    /// As the leader with this token sees the blob.
    fn leader(&self, number: u64) -> FencedBlob {
        FencedBlob::new(&self.container, "state", token(number)).expect("valid")
    }

    /// The blob without a fence.
    fn plain(&self) -> BlobClient {
        self.container.blob_client("state")
    }
}

fn token(number: u64) -> FencingToken {
    FencingToken::new(number).expect("in range")
}

/// What the blob holds, as text.
fn text(content: Option<BlobContent>) -> Option<String> {
    content.map(|content| String::from_utf8(content.bytes).expect("text"))
}

#[track_caller]
fn assert_fenced<T: std::fmt::Debug>(outcome: Result<T, Error>, by: u64) {
    let error = outcome.expect_err("an older leader is refused");
    assert_eq!((error.kind(), error.fenced_by()), (ErrorKind::Fenced, Some(token(by))), "{error}");
    assert!(error.to_string().contains(&format!("fenced: a newer leader (term {by}) has written")), "{error}");
}

#[track_caller]
fn assert_kind<T: std::fmt::Debug>(outcome: Result<T, Error>, kind: ErrorKind) -> String {
    let error = outcome.expect_err("refused");
    assert_eq!(error.kind(), kind, "{error}");
    assert_eq!(error.fenced_by(), None);
    error.to_string()
}
