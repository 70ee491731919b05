//! Credentials for the [`Emulator`](super::Emulator): the same path through the SDK as Entra ID in production.

use async_trait::async_trait;
use azure_core::credentials::{AccessToken, TokenCredential, TokenRequestOptions};
use azure_core::time::{Duration, OffsetDateTime};

/// What the holder of a token may do. As with Cosmos DB, no token may create a database or a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EmulatorToken {
    /// Read the account and the container, and do anything to items.
    DataContributor,
    /// The same with items that are read only.
    DataReader,
    /// Nothing: signed in, and without a role.
    NoRole,
    /// Not even signed in.
    Expired,
}

impl EmulatorToken {
    const ALL: [Self; 4] = [Self::DataContributor, Self::DataReader, Self::NoRole, Self::Expired];

    pub(super) fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|token| token.text() == text)
    }

    fn text(self) -> String {
        format!("token-{self:?}")
    }
}

#[async_trait]
impl TokenCredential for EmulatorToken {
    async fn get_token(
        &self,
        scopes: &[&str],
        _options: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AccessToken> {
        assert_eq!(scopes, ["https://cosmos.azure.com/.default"], "the scope of Cosmos DB");
        Ok(AccessToken::new(self.text(), OffsetDateTime::now_utc() + Duration::hours(1)))
    }
}
