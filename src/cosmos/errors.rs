//! What the service's refusals and the SDK's errors mean.

use std::error::Error as StdError;
use std::time::Duration;

use azure_data_cosmos::CosmosError;

use super::address::Address;
use crate::shared_credential::credential_error;
use leader_election::{
    Error, ErrorKind,
    kit::redact::{advice, is_unknown_host, printable, scrubbed},
};

/// Turns the SDK's error into ours: what was being done to which document, and what to do about it.
pub(super) fn explain(doing: &str, address: &Address, error: &CosmosError) -> Error {
    if let Some(error) = credential_error(doing, address, error) {
        return error;
    }
    if !is_answer(error) {
        return silence(doing, address, error);
    }
    let status = error.status();
    let sub_status = status.sub_status().map(|sub_status| sub_status.value());
    let retry_after =
        error.response().and_then(|response| response.headers().retry_after_ms).map(Duration::from_millis);
    self::status(doing, address, u16::from(status.status_code()), sub_status, retry_after)
}

/// Whether the service answered; otherwise the status is one that the SDK made up.
pub(crate) fn is_answer(error: &CosmosError) -> bool {
    error.is_from_wire() && !error.status().is_transport_generated_503()
}

/// What a status that the service answered with means, whatever was asked.
pub(crate) fn kind(status: u16) -> ErrorKind {
    match status {
        // Gone, and retry with: the partition moves, and is there again in a moment.
        410 | 449 => ErrorKind::Unavailable,
        other => leader_election_http::status::kind(other),
    }
}

/// The same, of a leader document, and what to do about it.
pub(super) fn status(
    doing: &str,
    address: &Address,
    status: u16,
    sub_status: Option<u16>,
    retry_after: Option<Duration>,
) -> Error {
    let advice = match status {
        401 => {
            "; the account key or access token was not accepted: is it this account's, and this machine's clock right?"
                .to_owned()
        }
        403 => format!(
            "; give the identity the data-plane role Cosmos DB Built-in Data Contributor (`az cosmosdb sql role \
             assignment create`; a role of Azure's access control does not do) on {}, and check the account's network rules",
            address.place()
        ),
        404 => format!(
            "; {} does not exist: create it with partition key /id, by Bicep or by `az cosmosdb sql container create`, or set \
             `create` with an account key",
            address.place()
        ),
        _ => String::new(),
    };
    if (status, sub_status) == (400, Some(1001)) {
        return wrong_partition_key(address, None);
    }
    let sub_status = sub_status.map(|sub_status| format!("/{sub_status}")).unwrap_or_default();
    Error::new(kind(status), format!("{doing} {address} failed: HTTP {status}{sub_status}{advice}"))
        .with_retry_after(retry_after)
}

/// The container keeps its documents by another property than their id.
pub(super) fn wrong_partition_key(address: &Address, has: Option<&str>) -> Error {
    let has = has.map_or("another one".to_owned(), printable);
    Error::new(
        ErrorKind::InvalidSetting,
        format!(
            "{} needs the partition key /id, and has {has}: name a container that has /id, or create one for elections alone",
            address.place()
        ),
    )
}

/// No answer came: the network, the name service, TLS, or a time limit.
pub(super) fn silence(doing: &str, address: &Address, error: &(dyn StdError + 'static)) -> Error {
    let cause = scrubbed(error);
    let text = cause.whole();
    let (kind, why) = if is_unknown_host(&text) {
        (
            ErrorKind::NotFound,
            format!("there is no host {}: check the account's name in the endpoint", address.server()),
        )
    } else if text.contains("certificate") {
        (ErrorKind::Refused, format!("{} could not be reached", address.server()))
    } else {
        (ErrorKind::Unreachable, format!("{} gave no answer ({})", address.server(), cause.root()))
    };
    let advice = advice(&text).map(|advice| format!("; {advice}")).unwrap_or_default();
    Error::new(kind, format!("{doing} {address} failed: {why}{advice}")).with_source(cause)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cosmos::laws;

    #[test]
    fn a_document_that_does_not_fit_the_partition_key_is_said_to_need_another_container() {
        let address = laws::place();
        let error = status("creating", &address, 400, Some(1001), None);
        assert_eq!(error.kind(), ErrorKind::InvalidSetting);
        assert!(error.to_string().contains("needs the partition key /id"), "{error}");
        assert!(!status("creating", &address, 400, None, None).to_string().contains("partition key"));
    }

    #[test]
    fn what_is_said_of_a_callers_client_names_no_container_that_is_not_known() {
        let address = Address::of_election(None, "nightly").expect("valid");
        for status in [400, 403, 404, 503] {
            let error = self::status("reading", &address, status, None, None);
            let shown = "reading \"nightly\" in the container of your client failed: HTTP";
            assert!(error.to_string().starts_with(shown), "{error}");
        }
    }
}
