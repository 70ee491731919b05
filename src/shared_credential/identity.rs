//! Who a token of Entra ID is of: the user whom Redis knows by it.

use leader_election::{Error, ErrorKind, Result};
use serde_json::Value;

/// What a token for Redis in Azure is asked for.
pub(super) const REDIS: &str = "https://redis.azure.com/.default";

/// The object id of the identity, which the token names as its claim `oid`. It is not checked: the server does that, and a wrong one only fails
/// to sign in.
///
/// # Errors
/// [`Credential`](ErrorKind::Credential) for what is no such token. None of it is shown.
pub(super) fn object_id(token: &str) -> Result<String> {
    let claims = token.split('.').nth(1).filter(|claims| claims.len() < 64 * 1024);
    let claims = claims.and_then(|claims| azure_core::base64::decode_url_safe(claims.trim_end_matches('=')).ok());
    let claims: Option<Value> = claims.and_then(|claims| serde_json::from_slice(&claims).ok());
    let id = claims.as_ref().and_then(|claims| claims.get("oid")).and_then(Value::as_str);
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    match id {
        Some(id) if (1..=64).contains(&id.len()) && id.bytes().all(allowed) => Ok(id.to_owned()),
        _ => Err(Error::new(
            ErrorKind::Credential,
            "the credential's token does not name an identity (claim `oid`), by which Redis knows its users: is it one of Entra ID?",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(claims: &str) -> String {
        format!("eyJhbGciOiJSUzI1NiJ9.{}.SECRET", azure_core::base64::encode_url_safe(claims))
    }

    #[test]
    fn the_user_is_the_object_id_that_the_token_names() {
        let id = "0f3a3c1e-7b4f-4a0e-9f0a-1b2c3d4e5f60";
        for claims in [format!(r#"{{"oid":"{id}"}}"#), format!(r#"{{"aud":"x","oid":"{id}","upn":"größe"}}"#)] {
            assert_eq!(object_id(&token(&claims)).expect("named"), id);
        }
    }

    #[test]
    fn what_names_nobody_is_an_error_that_shows_nothing() {
        for token in [
            "SECRET".to_owned(),
            "a.SECRET.c".to_owned(),
            token("SECRET"),
            token("[]"),
            token(r#"{"sub":"SECRET"}"#),
            token(r#"{"oid":7}"#),
            token(r#"{"oid":""}"#),
            token(r#"{"oid":"SECRET\r\nFLUSHALL"}"#),
            token(&format!(r#"{{"oid":"{}"}}"#, "a".repeat(65))),
        ] {
            let refused = object_id(&token).expect_err("nobody");
            assert_eq!(refused.kind(), ErrorKind::Credential);
            assert!(!format!("{refused:?}").contains("SECRET"));
        }
    }
}
