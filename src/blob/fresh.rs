//! Answers of the service itself, and not of a cache.

use std::sync::Arc;

use async_trait::async_trait;
use azure_core::http::headers::HeaderName;
use azure_core::http::policies::{Policy, PolicyResult};
use azure_core::http::{Context, Method, Request};

/// A pipeline policy that asks every cache on the way for the service's own answer. A proxy that kept the answer to a look hid a
/// lease that had been free for long.
#[derive(Debug)]
pub(super) struct Fresh;

#[async_trait]
impl Policy for Fresh {
    async fn send(&self, ctx: &Context, request: &mut Request, next: &[Arc<dyn Policy>]) -> PolicyResult {
        if matches!(request.method(), Method::Get | Method::Head) {
            request.insert_header(HeaderName::from_static("cache-control"), "no-cache");
        }
        next[0].send(ctx, request, &next[1..]).await
    }
}
