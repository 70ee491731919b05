//! What a blob offers beside the lease: a leader's data, a floor, an operator, and records beside the election's. All of it on Azurite
//! and on the strict blob service of these tests.

#![allow(clippy::expect_used, clippy::unwrap_used)]

#[path = "blob_beside/data.rs"]
mod data;
#[path = "blob_beside/operator.rs"]
mod operator;
#[path = "blob_beside/side.rs"]
mod side;
#[path = "blob_beside/twice.rs"]
mod twice;

use std::time::Duration;

use azure_leader_election::{
    Acquire, AcquireRequest, BlobDistributedMutex, Claim, DistributedMutex, FencingToken, HolderId,
};
use azure_storage_blob::BlobContainerClient;
use testbed::azurite::Azurite;
use testbed::oracle::server::Server;
use testbed::{names, operator as meddler};

/// One container on one of the two services.
struct Place {
    url: String,
    /// Of somebody who knows nothing of elections.
    stranger: BlobContainerClient,
    /// Serves as long as it is there.
    _oracle: Option<Server>,
}

impl Place {
    async fn azurite() -> Self {
        let azurite = Azurite::http().await;
        let container = names::unique("beside");
        let stranger = meddler::container_client(azurite, &container);
        Self { url: azurite.container_url(&container), stranger, _oracle: None }
    }

    fn oracle() -> Self {
        let oracle = Server::start();
        let url = oracle.container_url("beside");
        let stranger = BlobContainerClient::new(url.parse().unwrap(), None, None).unwrap();
        Self { url, stranger, _oracle: Some(oracle) }
    }

    fn election(&self, name: &str) -> BlobDistributedMutex {
        BlobDistributedMutex::for_emulator(&self.url, name).unwrap()
    }
}

/// The same test on both services.
macro_rules! on_both {
    ($(#[$about:meta])* $name:ident, $test:expr) => {
        mod $name {
            $(#[$about])*
            #[tokio::test(flavor = "multi_thread")]
            async fn on_azurite() {
                let test = $test;
                test($crate::Place::azurite().await).await;
            }

            $(#[$about])*
            #[tokio::test(flavor = "multi_thread")]
            async fn on_the_oracle() {
                let test = $test;
                test($crate::Place::oracle()).await;
            }
        }
    };
}
use on_both;

fn claim(holder: &str) -> Claim {
    Claim::new(HolderId::new(holder).unwrap(), Duration::from_secs(15))
}

async fn granted(mutex: &BlobDistributedMutex, request: AcquireRequest<'_>) -> FencingToken {
    match mutex.try_acquire(request).await.unwrap() {
        Acquire::Granted(grant) => grant.fencing_token,
        Acquire::Held(held) => panic!("{held:?}"),
    }
}
