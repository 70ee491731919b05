//! Credentials for an Azurite that serves https: the same path through the SDK as Entra ID in production.

use async_trait::async_trait;
use azure_core::base64::encode_url_safe;
use azure_core::credentials::{AccessToken, TokenCredential, TokenRequestOptions};
use azure_core::time::{Duration, OffsetDateTime};

/// A token that Azurite accepts: it checks the issuer, the audience and the times, and no signature.
#[derive(Debug, Clone, Copy, Default)]
pub struct UnsignedToken;

/// A token that Azurite refuses, because it is meant for another service.
///
/// Every request, a HEAD and one on a missing container too, gets 403 `AuthenticationFailed`; Azurite never answers 401.
#[derive(Debug, Clone, Copy, Default)]
pub struct DeniedToken;

#[async_trait]
impl TokenCredential for UnsignedToken {
    async fn get_token(
        &self,
        _scopes: &[&str],
        _options: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AccessToken> {
        Ok(unsigned_token_for("https://storage.azure.com"))
    }
}

#[async_trait]
impl TokenCredential for DeniedToken {
    async fn get_token(
        &self,
        _scopes: &[&str],
        _options: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AccessToken> {
        Ok(unsigned_token_for("https://vault.azure.net"))
    }
}

fn unsigned_token_for(audience: &str) -> AccessToken {
    let tenant = "00000000-0000-0000-0000-000000000000";
    let not_before = OffsetDateTime::now_utc() - Duration::minutes(5);
    let expires_on = not_before + Duration::hours(1);
    let (nbf, exp) = (not_before.unix_timestamp(), expires_on.unix_timestamp());

    let header = r#"{"alg":"none","typ":"JWT"}"#;
    let claims = format!(
        r#"{{"aud":"{audience}","iss":"https://sts.windows.net/{tenant}/","iat":{nbf},"nbf":{nbf},"exp":{exp}}}"#
    );
    let token = format!("{}.{}.", encode_url_safe(header), encode_url_safe(claims));
    AccessToken::new(token, expires_on)
}

/// A sign-in by [`UnsignedToken`] within this runtime, so that it knows of its virtual time.
pub fn signed_in() -> azure_leader_election::SharedCredential {
    let here = tokio::runtime::Handle::current();
    azure_leader_election::SharedCredential::with_runtime(std::sync::Arc::new(UnsignedToken), here)
}
