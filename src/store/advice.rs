//! What people write in place of a store's URL, and what to write then.
//!
//! A refusal never quotes what it refuses: a signature or a key may stand anywhere in a text that is no URL of a store. It is for
//! those who write a URL for the command `leader` as well as for those who write it into a program.

use leader_election::{Error, Result};

use super::given::Given;

/// Of a text without a scheme.
pub(super) fn no_url(examples: &str) -> Error {
    Error::setting(format!("the store is no URL. Write {examples}, or the URL of an emulator"))
}

/// Of a URL that is none of any store's.
pub(super) fn no_store_of(given: &Given<'_>, examples: &str) -> Error {
    match given.scheme.as_str() {
        scheme @ ("https" | "http") if given.rest.starts_with("//") => Error::setting(format!(
            "the store's URL does not tell whether it is a blob container or a Cosmos DB container: write blob+{scheme}://... or \
             cosmos+{scheme}://..."
        )),
        _ if !given.rest.starts_with("//") => no_url(examples),
        _ => Error::setting(format!("there is no store with that scheme. Write {examples}, or the URL of an emulator")),
    }
}

/// A connection string, as the portal gives it out. Its keys are named by no other text.
pub(super) fn refuse_connection_string(text: &str) -> Result<()> {
    let lower = text.to_ascii_lowercase();
    let advice = if lower.contains("accountendpoint=") {
        "https://ACCOUNT.documents.azure.com/DATABASE/CONTAINER, and give the key that stands after AccountKey= apart from it (to the \
         command `leader` by COSMOS_KEY, to the library by `StoreOptions::cosmos_key`)"
    } else if lower.contains("endpoint=sb://") || lower.contains("sharedaccesskeyname=") {
        "sb://NAMESPACE.servicebus.windows.net/QUEUE, and give the connection string apart from it (to the command `leader` by \
         SERVICEBUS_CONNECTION_STRING, to the library by `StoreOptions::service_bus_connection_string`)"
    } else if lower.contains("usedevelopmentstorage=") {
        "http://127.0.0.1:10000/devstoreaccount1/CONTAINER"
    } else if lower.contains("sharedaccesssignature=") {
        "https://ACCOUNT.blob.core.windows.net/CONTAINER?SIGNATURE, with what stands after SharedAccessSignature=, where no list of \
         processes shows it (for the command `leader` in LEADER_STORE_URL)"
    } else if lower.contains(",password=") || lower.contains(",ssl=true") {
        "rediss://HOST:PORT, and give what stands after password= apart from it (to the command `leader` by REDIS_PASSWORD, to the library by \
         `StoreOptions::redis_password`)"
    } else if ["accountkey=", "accountname=", "defaultendpointsprotocol="].iter().any(|part| lower.contains(part)) {
        "https://ACCOUNT.blob.core.windows.net/CONTAINER, and sign in with Entra ID (the command `leader` by --credential, the library \
         by `StoreOptions::credential`); an account's key is not taken"
    } else {
        return Ok(());
    };
    Err(Error::setting(format!("the store is named by a URL, and this is a connection string: write {advice}")))
}

/// Hosts of Azure that keep no leases. In lower case.
pub(super) fn refuse_other_endpoints(authority: &str) -> Result<()> {
    let host = authority.split(':').next().unwrap_or_default();
    let account = host.split('.').next().unwrap_or_default();
    if account.ends_with("-secondary") && (host.contains(".blob.") || host.contains(".documents.")) {
        return Err(Error::setting(
            "this is the account's second location, where nothing can be written: write the host without -secondary",
        ));
    }
    for service in ["dfs", "file", "queue", "table", "web"] {
        if host.contains(&format!(".{service}.core.")) {
            return Err(Error::setting(format!(
                "this is the account's endpoint for `{service}`, which has no leases: write .blob. in place of .{service}. in the host"
            )));
        }
    }
    if host == "portal.azure.com" {
        return Err(Error::setting(
            "this is a page of the portal: write https://ACCOUNT.blob.core.windows.net/CONTAINER, as under Endpoints there",
        ));
    }
    Ok(())
}

/// The last part of the path names the container; how many there have to be, the store knows.
pub(super) fn check_container(path: &str) -> Result<()> {
    let name = path.rsplit('/').next().unwrap_or_default();
    // With `&` in place of `?` a signature stands here.
    let name = name.split('&').next().unwrap_or_default();
    let allowed = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if allowed && !name.is_empty() {
        return Ok(());
    }
    Err(Error::setting(
        "the container's name, which ends the path of the store's URL, must be 3 to 63 lower-case letters, digits and single \
         hyphens between them",
    ))
}

/// A query is a signature, whole.
pub(super) fn check_signature(path: &str, query: Option<&str>) -> Result<()> {
    if path.contains('&') {
        return Err(Error::setting("a signature is set off from the container by a `?`, not by a `&`"));
    }
    match query {
        Some(query) if !query.split('&').any(|part| part.len() > 4 && part.starts_with("sig=")) => Err(Error::setting(
            "the query of the store's URL has no signature (sig=...): write the URL in quotes, as the shell ends it at the first &",
        )),
        _ => Ok(()),
    }
}
