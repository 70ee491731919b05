//! What people write in place of a store's URL, and what to write then.

/// A connection string, as the portal gives it out. Its keys are named by no other text.
pub fn refuse_connection_string(text: &str) -> Result<(), String> {
    let lower = text.to_ascii_lowercase();
    let advice = if lower.contains("accountendpoint=") {
        "https://ACCOUNT.documents.azure.com/DATABASE/CONTAINER, and put the key that stands after AccountKey= into the environment \
         variable COSMOS_KEY"
    } else if lower.contains("usedevelopmentstorage=") {
        "http://127.0.0.1:10000/devstoreaccount1/CONTAINER"
    } else if lower.contains("sharedaccesssignature=") {
        "https://ACCOUNT.blob.core.windows.net/CONTAINER?SIGNATURE, with what stands after SharedAccessSignature=, into the \
         environment variable LEADER_STORE_URL"
    } else if ["accountkey=", "accountname=", "defaultendpointsprotocol="].iter().any(|part| lower.contains(part)) {
        "https://ACCOUNT.blob.core.windows.net/CONTAINER, and sign in by --credential; an account's key is not taken"
    } else {
        return Ok(());
    };
    Err(format!("the store is named by a URL, and this is a connection string: write {advice}"))
}

/// Hosts of Azure that keep no leases. In lower case.
pub fn refuse_other_endpoints(authority: &str) -> Result<(), String> {
    let host = authority.split(':').next().unwrap_or_default();
    let account = host.split('.').next().unwrap_or_default();
    if account.ends_with("-secondary") && (host.contains(".blob.") || host.contains(".documents.")) {
        return Err(
            "this is the account's second location, where nothing can be written: write the host without -secondary"
                .to_owned(),
        );
    }
    for service in ["dfs", "file", "queue", "table", "web"] {
        if host.contains(&format!(".{service}.core.")) {
            return Err(format!(
                "this is the account's endpoint for `{service}`, which has no leases: write .blob. in place of .{service}. in the host"
            ));
        }
    }
    if host == "portal.azure.com" {
        return Err("this is a page of the portal: write https://ACCOUNT.blob.core.windows.net/CONTAINER, as under Endpoints there".to_owned());
    }
    Ok(())
}

/// The last part of the path names the container; how many there have to be, the store knows.
pub fn check_container(path: &str) -> Result<(), String> {
    let name = path.rsplit('/').next().unwrap_or_default();
    // With `&` in place of `?` a signature stands here.
    let name = name.split('&').next().unwrap_or_default();
    let allowed = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if allowed && !name.is_empty() {
        return Ok(());
    }
    Err("the container's name, which ends the path of the store's URL, must be 3 to 63 lower-case letters, digits and single \
         hyphens between them"
        .to_owned())
}

/// A query is a signature, whole.
pub fn check_signature(path: &str, query: Option<&str>) -> Result<(), String> {
    if path.contains('&') {
        return Err("a signature is set off from the container by a `?`, not by a `&`".to_owned());
    }
    match query {
        Some(query) if !query.split('&').any(|part| part.len() > 4 && part.starts_with("sig=")) => Err(
            "the query of the store's URL has no signature (sig=...): write the URL in quotes, as the shell ends it at the first &"
                .to_owned(),
        ),
        _ => Ok(()),
    }
}

/// Whether a text that was given is too plain to be a secret: an option, a word, a number.
pub fn hides_nothing(text: &str) -> bool {
    const LONGEST: usize = 32;
    text.len() <= LONGEST && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}
