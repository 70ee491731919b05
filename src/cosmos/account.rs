//! What kind of account it is: on one with several write regions, compare-and-swap elects two leaders.
//!
//! The SDK does not tell, so this asks by a request of its own:
//! [Get database account](https://learn.microsoft.com/rest/api/cosmos-db/get-the-database-account).

#[cfg(any(test, fuzzing))]
pub(crate) mod laws;

use std::time::Duration;

use async_trait::async_trait;
use azure_core::credentials::Secret;
use azure_core::hmac::hmac_sha256;
use azure_core::http::Url;
use azure_core::time::{OffsetDateTime, parse_rfc7231, to_rfc7231};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use tokio::sync::OnceCell;

use super::address::Address;
use super::errors;
use crate::shared_credential::SharedCredential;
use crate::signed_in::SignIn;
use leader_election::{Error, ErrorKind, Result, kit::service_time};
use leader_election_http::Settings;

/// What the SDK asks a token for.
const SCOPE: &str = "https://cosmos.azure.com/.default";
/// How long connecting waits for its access token.
const CONNECTING: Duration = Duration::from_secs(14);

/// By what right requests are sent.
#[derive(Clone)]
pub(super) enum Access {
    Credential(SharedCredential),
    Key(Secret),
}

/// What matters of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Account {
    pub(super) multiple_write_regions: bool,
    pub(super) regions: usize,
    pub(super) consistency: String,
    /// The service's time, in milliseconds since 1970.
    pub(super) server_ms: Option<u64>,
}

impl Account {
    /// Asks the account.
    pub(super) async fn fetch(endpoint: &Url, address: &Address, access: &Access) -> Result<Self> {
        let date = to_rfc7231(&OffsetDateTime::now_utc());
        let authorization = access.authorization("GET", "", "", &date).await?;
        // Plain only on loopback, which the address has checked.
        let client = client(endpoint.scheme() == "http").await?;
        let response = client
            .get(endpoint.clone())
            .header("authorization", authorization)
            .header("x-ms-date", date)
            .header("x-ms-version", "2020-07-15")
            .send()
            .await
            .map_err(|error| errors::silence("reading the properties of", address, &error))?;
        let status = response.status().as_u16();
        if status != 200 {
            return Err(errors::status("reading the properties of", address, status, None, None));
        }
        let date = response.headers().get("date").and_then(|date| date.to_str().ok());
        let server_time = date.and_then(|date| parse_rfc7231(date).ok());
        let body =
            response.bytes().await.map_err(|error| errors::silence("reading the properties of", address, &error))?;
        let mut account = Self::read(&body)
            .ok_or_else(|| Error::new(ErrorKind::Refused, format!("the properties of {address} cannot be read")))?;
        account.server_ms =
            server_time.and_then(|time| u64::try_from(time.unix_timestamp()).ok()).and_then(service_time::millis_in);
        Ok(account)
    }

    fn read(body: &[u8]) -> Option<Self> {
        let properties: Value = serde_json::from_slice(body).ok()?;
        let flag = properties.get("enableMultipleWriteLocations").and_then(Value::as_bool);
        let writable = properties.get("writableLocations").and_then(Value::as_array).map_or(1, Vec::len);
        let readable = properties.get("readableLocations").and_then(Value::as_array).map_or(1, Vec::len);
        let consistency =
            properties.pointer("/userConsistencyPolicy/defaultConsistencyLevel").and_then(Value::as_str)?;
        Some(Self {
            // Either sign is enough: an account is not to be trusted on a field that went missing.
            multiple_write_regions: flag? || writable > 1,
            regions: readable.max(writable),
            consistency: consistency.to_owned(),
            server_ms: None,
        })
    }

    /// Whether a forced failover can lose writes that were acknowledged.
    pub(super) fn can_lose_writes(&self) -> bool {
        self.regions > 1 && self.consistency != "Strong"
    }
}

/// The client of all accounts, made once and on a thread that may block: that takes milliseconds, and this runs where leases are
/// renewed.
async fn client(plain: bool) -> Result<&'static reqwest::Client> {
    static CLIENTS: [OnceCell<reqwest::Client>; 2] = [const { OnceCell::const_new() }; 2];
    // One request in minutes: by then the server has closed what was kept.
    let settings = Settings { plain, timeout: Some(Duration::from_secs(5)), idle: None, ..Settings::default() };
    CLIENTS[usize::from(plain)]
        .get_or_try_init(|| async {
            let built = tokio::task::spawn_blocking(move || leader_election_http::client(&settings));
            built.await.map_err(|error| {
                Error::new(ErrorKind::Runtime, "the client for account checks could not be made").with_source(error)
            })?
        })
        .await
}

#[async_trait]
impl SignIn for Access {
    async fn signed_in(&self, patience: Duration) -> Result<()> {
        match self {
            Self::Credential(credential) => credential.token(&[SCOPE], patience).await.map(drop),
            Self::Key(_) => Ok(()),
        }
    }
}

impl Access {
    /// For a request about a kind of resource, under the link of one: that of the account is empty. See
    /// [Access control](https://learn.microsoft.com/rest/api/cosmos-db/access-control-on-cosmosdb-resources).
    pub(super) async fn authorization(&self, method: &str, kind: &str, link: &str, date: &str) -> Result<String> {
        let plain = match self {
            Self::Key(key) => {
                let text = format!("{}\n{kind}\n{link}\n{}\n\n", method.to_lowercase(), date.to_lowercase());
                let signature = hmac_sha256(&text, key)
                    .map_err(|_| Error::setting("the account key of Cosmos DB is not base64: give the key alone, neither a connection string nor a line break with it"))?;
                format!("type=master&ver=1.0&sig={signature}")
            }
            Self::Credential(credential) => {
                let token = credential.token(&[SCOPE], CONNECTING).await?;
                format!("type=aad&ver=1.0&sig={}", token.text)
            }
        };
        Ok(utf8_percent_encode(&plain, NON_ALPHANUMERIC).to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_checks_have_one_client_also_on_a_runtime_that_comes_later() {
        let made = || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(client(false)).expect("a client")
        };
        assert!(std::ptr::eq(made(), made()), "none is made for each check");
    }

    fn account(flag: bool, writable: usize, readable: usize, consistency: &str) -> Option<Account> {
        let regions = |count: usize| vec![serde_json::json!({"name": "somewhere"}); count];
        let properties = serde_json::json!({
            "enableMultipleWriteLocations": flag,
            "writableLocations": regions(writable),
            "readableLocations": regions(readable),
            "userConsistencyPolicy": {"defaultConsistencyLevel": consistency},
        });
        Account::read(properties.to_string().as_bytes())
    }

    #[test]
    fn either_sign_of_several_write_regions_counts() {
        let multiple = |flag, writable| account(flag, writable, 2, "Session").expect("readable").multiple_write_regions;
        assert!(multiple(true, 1));
        assert!(multiple(false, 2));
        assert!(!multiple(false, 1));
    }

    #[test]
    fn only_several_regions_below_strong_can_lose_writes() {
        let loses = |readable, level: &str| account(false, 1, readable, level).expect("readable").can_lose_writes();
        assert!(loses(2, "Session") && loses(2, "BoundedStaleness"));
        assert!(!loses(2, "Strong") && !loses(1, "Eventual"));
    }

    #[test]
    fn properties_that_do_not_tell_are_not_trusted() {
        for body in
            ["", "[]", "{}", r#"{"enableMultipleWriteLocations": "no"}"#, r#"{"enableMultipleWriteLocations": false}"#]
        {
            assert_eq!(Account::read(body.as_bytes()), None, "{body}");
        }
    }
}
