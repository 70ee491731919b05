//! What Azurite does not look at, on the strict oracle: the fence's condition beside an ETag, and on `Set Blob Tags`.

use std::sync::Arc;

use azure_core::http::RetryOptions;
use azure_leader_election::{ErrorKind, FencedBlob};
use azure_storage_blob::BlobContainerClient;
use azure_storage_blob::models::BlockBlobClientUploadOptions;

use super::{assert_fenced, text, token};
use testbed::mischief::{Fate, Mischief};
use testbed::oracle::server::Server;

async fn container(server: &Server, mischief: &Arc<Mischief>) -> BlobContainerClient {
    let container = mischief.client_at(&server.container_url("fenced"), RetryOptions::none());
    container.create(None).await.expect("created");
    container
}

#[tokio::test]
async fn a_late_raise_of_an_older_leader_does_not_lower_the_fence() {
    let (server, mischief) = (Server::start(), Arc::<Mischief>::default());
    let container = container(&server, &mischief).await;
    let leader = |number| FencedBlob::new(&container, "state", token(number)).expect("valid");
    leader(5).overwrite("by 5", None).await.unwrap();
    // The older one looks, and is paused right before it raises the fence.
    mischief.next([Fate::Delay]);
    assert!(leader(6).raise().await.unwrap_err().is_transient());
    leader(7).raise().await.unwrap();
    mischief.deliver();
    leader(7).overwrite("by 7", None).await.unwrap();
    assert_eq!(mischief.delivered(), [412], "refused by the service itself");
    assert_fenced(leader(6).overwrite("late", None).await, 7);
}

/// Each of its writes falls between the newer one's look at the fence and its raising of it.
#[tokio::test]
async fn an_older_leader_that_writes_without_a_pause_does_not_keep_a_newer_one_from_taking_over() {
    let (server, mischief) = (Server::start(), Arc::<Mischief>::default());
    let container = container(&server, &mischief).await;
    let leader = |number| FencedBlob::new(&container, "state", token(number)).expect("valid");
    let older = leader(6);
    older.overwrite("by 6", None).await.unwrap();
    mischief.next(vec![Fate::Delay; 20]);
    for _ in 0..20 {
        older.overwrite("by 6", None).await.unwrap_err();
    }
    mischief.next(vec![Fate::ComesSecond; 20]);
    leader(7).raise().await.unwrap();
    assert_eq!(mischief.delivered(), [201; 20], "every write of the older one came between");
    assert_fenced(older.overwrite("late", None).await, 7);
    leader(7).overwrite("by 7", None).await.unwrap();
}

#[tokio::test]
async fn the_fence_holds_beside_an_etag_too() {
    let (server, mischief) = (Server::start(), Arc::<Mischief>::default());
    let container = container(&server, &mischief).await;
    let leader = |number| FencedBlob::new(&container, "state", token(number)).expect("valid");
    leader(6).overwrite("by 6", None).await.unwrap();
    let seen = leader(6).read().await.unwrap().unwrap();
    // Raising changes no ETag, so the older one's is still right.
    leader(7).raise().await.unwrap();
    let over = Some(BlockBlobClientUploadOptions { if_match: Some(seen.etag), ..Default::default() });
    assert_fenced(leader(6).overwrite("late", over).await, 7);
    assert_eq!(text(leader(7).read().await.unwrap()).unwrap(), "by 6");
}

#[tokio::test]
async fn the_first_write_and_appends_go_as_they_do_on_azurite() {
    let (server, mischief) = (Server::start(), Arc::<Mischief>::default());
    let container = container(&server, &mischief).await;
    let leader = |name, number| FencedBlob::new(&container, name, token(number)).expect("valid");
    leader("new", 7).overwrite("first", None).await.unwrap();
    println!("the first write to a new blob: {:?}", mischief.take_sent());
    assert_fenced(leader("new", 6).overwrite("late", None).await, 7);
    assert_eq!(leader("log", 6).append("by 6;", None).await.unwrap(), 0);
    assert_eq!(leader("log", 7).append("by 7;", None).await.unwrap(), 5);
    assert_fenced(leader("log", 6).append("late;", None).await, 7);
    leader("log", 7).delete().await.unwrap();
    assert_fenced(leader("log", 6).append("late;", None).await, 7);
    let error = leader("new", 5).purge().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Fenced);
}
