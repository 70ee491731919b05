//! The keys of the emulators, which Microsoft publishes: they protect nothing, and are used for addresses on this machine alone.

use azure_core::credentials::Secret;
use azure_core::hmac::hmac_sha256;
use azure_core::time::{Duration, OffsetDateTime, to_rfc3339};
use azure_leader_election::{Error, ErrorKind, Result};

const AZURITE_ACCOUNT: &str = "devstoreaccount1";
const AZURITE_KEY: &str = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";
const COSMOS_KEY: &str = "C2y6yDjf5/R+ob0N8A7Cgv30VRDJIWEHLM+4QDU5DE2nQ9nDuVTqobD4b8mGGyPMbIZnqyMsEcaGQy67XIw/Jw==";

/// The Cosmos DB emulator's key; it can be started with another one.
pub fn cosmos_key() -> String {
    std::env::var("COSMOS_EMULATOR_KEY").unwrap_or_else(|_| COSMOS_KEY.to_owned())
}

/// Azurite's container URL with a shared access signature: the SDK's clients have no other way to use a key.
pub fn signed(container_url: &str) -> Result<String> {
    let failed = |error| Error::new(ErrorKind::Credential, "signing for Azurite failed").with_source(error);
    // Longer than anybody tries the sample out.
    let expiry = to_rfc3339(&(OffsetDateTime::now_utc() + Duration::days(7)));
    let (version, permissions, protocols) = ("2022-11-02", "rwdlactf", "https,http");
    // Account, permissions, blobs, all levels, start, expiry, IP range, protocols, version, encryption scope, and a line feed.
    let lines = [AZURITE_ACCOUNT, permissions, "b", "sco", "", &expiry, "", protocols, version, "", ""];
    let signature = hmac_sha256(&lines.join("\n"), &Secret::new(AZURITE_KEY)).map_err(failed)?;
    let fields = [
        ("sv", version),
        ("ss", "b"),
        ("srt", "sco"),
        ("sp", permissions),
        ("se", &expiry),
        ("spr", protocols),
        ("sig", &signature),
    ];
    let mut url = azure_core::http::Url::parse(container_url)
        .map_err(|error| Error::new(ErrorKind::InvalidSetting, format!("{container_url} is no URL: {error}")))?;
    url.query_pairs_mut().extend_pairs(fields);
    Ok(url.into())
}
