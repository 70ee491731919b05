//! The leader document in a blob passes the contract suite on Azurite: with the shared key over HTTP, and with a bearer token over
//! HTTPS, which is how it authenticates in production.

use std::sync::Arc;
use std::time::Duration;

use azure_leader_election::contract::Fixture;
use azure_leader_election::{BlobDocumentMutex, BlobMutexOptions, DistributedMutex, async_trait};
use testbed::azurite::Azurite;
use testbed::names;

/// By what right the store's requests are sent.
#[derive(Clone, Copy)]
enum Right {
    Key,
    Token,
}

struct Document(Right);

impl Document {
    async fn azurite(&self) -> &'static Azurite {
        match self.0 {
            Right::Token => Azurite::https().await,
            Right::Key => Azurite::http().await,
        }
    }
}

/// An election is a blob of its own in a container of its own, neither of which exists yet.
struct Election {
    container: String,
    blob: &'static str,
}

#[async_trait]
impl Fixture for Document {
    type Election = Election;

    async fn fresh(&self) -> Election {
        Election { container: names::unique("contract"), blob: "a folder/Größe 1" }
    }

    async fn open(&self, election: &Election) -> Arc<dyn DistributedMutex> {
        let azurite = self.azurite().await;
        let url = azurite.container_url(&election.container);
        Arc::new(match self.0 {
            Right::Key => BlobDocumentMutex::for_emulator(&url, election.blob).expect("valid"),
            Right::Token => {
                let credential = Arc::new(testbed::credential::UnsignedToken);
                let transport = Some(testbed::transport::https_transport(azurite));
                BlobDocumentMutex::new(&url, election.blob, credential)
                    .and_then(|mutex| mutex.with_options(BlobMutexOptions { transport, ..Default::default() }))
                    .expect("valid")
            }
        })
    }

    async fn elapse(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }

    fn lease(&self) -> Duration {
        Duration::from_millis(1_200)
    }

    async fn delete_record(&self, election: &Election) -> bool {
        let blob = testbed::operator::blob_client(self.azurite().await, &election.container, election.blob);
        blob.delete(None).await.expect("deleted");
        true
    }
}

mod with_the_shared_key {
    azure_leader_election::contract_tests!(super::Document(super::Right::Key); flavor = "multi_thread");
}

mod with_a_token_over_https {
    azure_leader_election::contract_tests!(super::Document(super::Right::Token); flavor = "multi_thread");
}
