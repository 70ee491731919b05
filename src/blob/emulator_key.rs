//! Signs requests with the emulator's well-known key.

use std::sync::Arc;

use async_trait::async_trait;
use azure_core::credentials::Secret;
use azure_core::hmac::hmac_sha256;
use azure_core::http::policies::{Policy, PolicyResult};
use azure_core::http::{Context, Request};
use azure_core::time::{OffsetDateTime, to_rfc7231};

/// The account and key that every Azurite has: published by Microsoft, secret to nobody.
/// See [Connect to Azurite](https://learn.microsoft.com/azure/storage/common/storage-connect-azurite).
const ACCOUNT: &str = "devstoreaccount1";
const KEY: &str = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

/// A pipeline policy that authorizes by
/// [Shared Key](https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key).
#[derive(Debug)]
pub(super) struct EmulatorKey;

#[async_trait]
impl Policy for EmulatorKey {
    async fn send(&self, ctx: &Context, request: &mut Request, next: &[Arc<dyn Policy>]) -> PolicyResult {
        request.insert_header("x-ms-date", to_rfc7231(&OffsetDateTime::now_utc()));
        let signature = hmac_sha256(&string_to_sign(request), &Secret::new(KEY))?;
        request.insert_header("authorization", format!("SharedKey {ACCOUNT}:{signature}"));
        next[0].send(ctx, request, &next[1..]).await
    }
}

fn string_to_sign(request: &Request) -> String {
    let header = |name: &str| {
        let found = request.headers().iter().find(|(header, _)| header.as_str().eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str().to_owned()).unwrap_or_default()
    };
    let length = match request.body().len() {
        None | Some(0) => String::new(),
        Some(length) => length.to_string(),
    };
    let mut lines = vec![
        request.method().to_string(),
        header("content-encoding"),
        header("content-language"),
        length,
        header("content-md5"),
        header("content-type"),
        // The date stands in x-ms-date.
        String::new(),
        header("if-modified-since"),
        header("if-match"),
        header("if-none-match"),
        header("if-unmodified-since"),
        header("range"),
    ];

    let mut own: Vec<_> = request
        .headers()
        .iter()
        .map(|(name, value)| (name.as_str().to_ascii_lowercase(), value.as_str().trim()))
        .filter(|(name, _)| name.starts_with("x-ms-"))
        .collect();
    own.sort();
    lines.extend(own.into_iter().map(|(name, value)| format!("{name}:{value}")));

    let url = request.url();
    lines.push(format!("/{ACCOUNT}{}", url.path()));
    let mut query: Vec<String> =
        url.query_pairs().map(|(name, value)| format!("{}:{value}", name.to_lowercase())).collect();
    query.sort();
    lines.extend(query);
    lines.join("\n")
}
