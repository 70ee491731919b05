//! Writes that the transport repeats on its own.

use std::sync::Arc;

use azure_core::http::{AsyncRawResponse, HttpClient, Method, Request, Transport};
use azure_leader_election::{
    BlobMutexOptions, DistributedMutex, SideContent, SideName, async_trait, document::Written,
};

use super::{Place, on_both};

on_both!(a_write_of_a_record_whose_repetition_is_refused_was_carried_out, crate::twice::recognised);

/// Sends each write twice, as after a lost answer, and brings back the second answer.
#[derive(Debug)]
struct Stutter(reqwest::Client);

#[async_trait]
impl HttpClient for Stutter {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        if request.method() == Method::Put {
            HttpClient::execute_request(&self.0, request).await?;
        }
        HttpClient::execute_request(&self.0, request).await
    }
}

pub async fn recognised(place: Place) {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let options = BlobMutexOptions { transport: Some(Transport::new(Arc::new(Stutter(client)))), ..Default::default() };
    let mutex = place.election("nightly").with_options(options).unwrap();
    let record = mutex.side(SideName::new("runs").unwrap()).unwrap();
    let Written::Done(first) = record.create("1").await.unwrap() else { panic!("it is its own") };
    assert_eq!(record.create("1").await.unwrap(), Written::Conflict, "equal content, and not this write's");
    let Written::Done(second) = record.replace(&first, "1").await.unwrap() else { panic!("it is its own") };
    assert_eq!(record.replace(&first, "1").await.unwrap(), Written::Conflict);
    assert_eq!(record.read().await.unwrap(), Some(SideContent::new(second, "1")));
}
