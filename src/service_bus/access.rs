//! By what right requests are sent: Entra ID, or a key from a connection string.

use std::fmt;
use std::time::{Duration, SystemTime};

use azure_core::base64;
use azure_core::credentials::Secret;
use azure_core::hmac::hmac_sha256;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::address::{ServiceBusQueue, parse_authority};
use crate::shared_credential::SharedCredential;
use leader_election::{Error, Result};

/// What Entra ID is asked for.
const SCOPE: &str = "https://servicebus.azure.net/.default";
/// How long a signature of ours is good.
const SIGNED_FOR: Duration = Duration::from_secs(3_600);
/// As the service encodes the resource of a signature.
const RESOURCE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

#[derive(Clone)]
pub(super) enum Access {
    Credential(SharedCredential),
    Key {
        name: String,
        key: Secret,
    },
    /// A signature that somebody else has made.
    Signature(Secret),
}

/// What a connection shows the service. Its `Debug` shows none of it.
#[derive(Clone)]
pub(super) struct Token {
    pub(super) kind: &'static str,
    pub(super) text: String,
    /// By this machine's clock; `None`: it is not known.
    pub(super) good_until: Option<SystemTime>,
}

const SIGNATURE: &str = "servicebus.windows.net:sastoken";

impl Access {
    /// What [Microsoft's emulator](https://learn.microsoft.com/azure/service-bus-messaging/test-locally-with-service-bus-emulator) takes.
    pub(super) fn of_emulator() -> Self {
        Self::Key { name: "RootManageSharedAccessKey".to_owned(), key: "SAS_KEY_VALUE".into() }
    }

    /// Reads a connection string as the portal gives it out. It is never quoted.
    pub(super) fn of_connection_string(text: &Secret, queue: &ServiceBusQueue) -> Result<Self> {
        let (mut endpoint, mut name, mut key, mut signature, mut path) = (None, None, None, None, None);
        for part in text.secret().trim().split(';').filter(|part| !part.trim().is_empty()) {
            let (field, value) = part.split_once('=').ok_or_else(no_connection_string)?;
            match field.trim().to_ascii_lowercase().as_str() {
                "endpoint" => endpoint = Some(value.trim()),
                "sharedaccesskeyname" => name = Some(value.trim()),
                "sharedaccesskey" => key = Some(value.trim()),
                "sharedaccesssignature" => signature = Some(value.trim()),
                "entitypath" => path = Some(value.trim()),
                _ => {}
            }
        }
        let endpoint = endpoint.and_then(|endpoint| endpoint.split_once("://")).ok_or_else(no_connection_string)?.1;
        let (host, _) = parse_authority(endpoint.trim_end_matches('/')).ok_or_else(no_connection_string)?;
        if host != queue.host() && !queue.is_on_loopback() {
            return Err(Error::setting(format!("the connection string is of another namespace than that of {queue}")));
        }
        if path.is_some_and(|path| !path.eq_ignore_ascii_case(queue.queue())) {
            return Err(Error::setting(format!("the connection string is of another queue than {queue} (EntityPath)")));
        }
        match (name, key, signature) {
            (Some(name), Some(key), _) => Ok(Self::Key { name: name.to_owned(), key: key.to_owned().into() }),
            (_, _, Some(signature)) => Ok(Self::Signature(signature.to_owned().into())),
            _ => Err(no_connection_string()),
        }
    }

    /// What to show the service for this queue; of Entra ID, it is waited for this long.
    pub(super) async fn token(&self, queue: &ServiceBusQueue, patience: Duration) -> Result<Token> {
        match self {
            Self::Credential(credential) => {
                let secret = credential.token(&[SCOPE], patience).await?;
                Ok(Token { kind: "jwt", text: secret.text.to_string(), good_until: secret.good_until })
            }
            Self::Key { name, key } => sign(name, key, queue),
            Self::Signature(signature) => {
                Ok(Token { kind: SIGNATURE, text: signature.secret().to_owned(), good_until: None })
            }
        }
    }

    /// Whether what a connection has shown is to be shown anew: it ends soon, or there is a better one.
    pub(super) async fn is_due(&self, shown: &Token, queue: &ServiceBusQueue, patience: Duration) -> Result<bool> {
        match self {
            Self::Credential(_) => Ok(self.token(queue, patience).await?.text != shown.text),
            Self::Key { .. } => {
                let left = shown.good_until.and_then(|until| until.duration_since(SystemTime::now()).ok());
                Ok(left.unwrap_or_default() < SIGNED_FOR / 2)
            }
            Self::Signature(_) => Ok(false),
        }
    }
}

/// [How a signature is made](https://learn.microsoft.com/azure/service-bus-messaging/service-bus-sas).
fn sign(name: &str, key: &Secret, queue: &ServiceBusQueue) -> Result<Token> {
    let good_until = SystemTime::now() + SIGNED_FOR;
    let expiry = good_until.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    let resource = utf8_percent_encode(&queue.audience(), RESOURCE).to_string();
    // The key is taken as it is written, and the function decodes what it is given.
    let as_written: Secret = base64::encode(key.secret()).into();
    let signature = hmac_sha256(&format!("{resource}\n{expiry}"), &as_written)
        .map_err(|_| Error::setting("the key of the connection string signs nothing"))?;
    let signature = utf8_percent_encode(&signature, RESOURCE);
    let name = utf8_percent_encode(name, RESOURCE);
    let text = format!("SharedAccessSignature sr={resource}&sig={signature}&se={expiry}&skn={name}");
    Ok(Token { kind: SIGNATURE, text, good_until: Some(good_until) })
}

fn no_connection_string() -> Error {
    Error::setting(
        "the connection string of Service Bus must have Endpoint=sb://..., SharedAccessKeyName= and SharedAccessKey=, as the portal shows \
         it under Shared access policies",
    )
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").field("kind", &self.kind).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue() -> ServiceBusQueue {
        ServiceBusQueue::new("sb://ns.servicebus.windows.net/elections").expect("valid")
    }

    fn read(text: &str) -> Result<Access> {
        Access::of_connection_string(&text.to_owned().into(), &queue())
    }

    #[tokio::test]
    async fn a_connection_string_signs_for_its_own_queue_and_shows_nothing() {
        let text = "Endpoint=sb://NS.servicebus.windows.net/;SharedAccessKeyName=elect;SharedAccessKey=U0VDUkVU=;EntityPath=elections";
        let access = read(text).expect("valid");
        let token = access.token(&queue(), Duration::ZERO).await.expect("signed");
        assert!(
            token.text.starts_with("SharedAccessSignature sr=amqps%3A%2F%2Fns.servicebus.windows.net%2Felections&sig=")
        );
        assert!(token.text.contains("&skn=elect") && !token.text.contains("U0VDUkVU"));
        assert!(!format!("{token:?}").contains("sig="));
        assert!(!access.is_due(&token, &queue(), Duration::ZERO).await.expect("known"));
        let late = Token { good_until: Some(SystemTime::now() + Duration::from_secs(60)), ..token };
        assert!(access.is_due(&late, &queue(), Duration::ZERO).await.expect("known"));
    }

    #[test]
    fn what_is_no_connection_string_of_this_queue_is_refused_and_not_quoted() {
        for text in [
            "SECRET",
            "Endpoint=sb://ns.servicebus.windows.net/",
            "Endpoint=sb://ns.servicebus.windows.net/;SharedAccessKey=SECRET",
            "Endpoint=sb://other.servicebus.windows.net/;SharedAccessKeyName=a;SharedAccessKey=SECRET",
            "Endpoint=sb://ns.servicebus.windows.net/;SharedAccessKeyName=a;SharedAccessKey=SECRET;EntityPath=b",
        ] {
            let refusal = read(text).err().expect("no connection string");
            assert!(!format!("{refusal:?}").contains("SECRET"), "{refusal:?}");
        }
    }
}
