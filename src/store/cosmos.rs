//! Containers of Cosmos DB, in Azure and in an emulator.

use std::fmt;
use std::sync::Arc;

use leader_election::{DistributedMutex, Error, Result};

use super::StoreOptions;
use super::address::{FromUrl, Place};
use super::given::{Given, Http};
#[cfg(feature = "cosmos")]
use crate::cosmos::CosmosDistributedMutex;

#[derive(PartialEq, Eq)]
pub(super) struct Documents {
    pub(super) endpoint: String,
    pub(super) database: String,
    pub(super) container: String,
}

impl FromUrl for Documents {
    const EXAMPLE: &'static str = "https://ACCOUNT.documents.azure.com/DATABASE/CONTAINER";

    fn read(given: &Given<'_>) -> Result<Option<Self>> {
        let Some(url) = Http::read(given)? else { return Ok(None) };
        match url.prefix.as_str() {
            "cosmos" => documents(&url).map(Some),
            "" if is_of_cosmos(&url) => documents(&url).map(Some),
            _ => Ok(None),
        }
    }
}

fn is_of_cosmos(url: &Http<'_>) -> bool {
    match url.is_on_loopback() {
        true => url.port() == "8081",
        false => url.host().contains(".documents."),
    }
}

fn documents(url: &Http<'_>) -> Result<Documents> {
    let names: Vec<_> = url.path.split('/').collect();
    match names[..] {
        // The second form is that of Cosmos DB's own links.
        [database, container] | ["dbs", database, "colls", container]
            if !url.authority.is_empty() && url.query.is_none() =>
        {
            Ok(Documents {
                endpoint: format!("{}://{}", url.scheme, url.authority),
                database: database.to_owned(),
                container: container.to_owned(),
            })
        }
        _ => Err(Error::setting(
            "a store in Cosmos DB is https://ACCOUNT.documents.azure.com/DATABASE/CONTAINER, and no more: its key is given apart \
             (to the command `leader` by COSMOS_KEY, to the library by `StoreOptions::cosmos_key`)",
        )),
    }
}

#[cfg(feature = "cosmos")]
impl Documents {
    fn mutex(&self, election: &str, options: StoreOptions) -> Result<CosmosDistributedMutex> {
        use crate::cosmos::{CosmosAddress, CosmosMutexOptions};

        let leaders = CosmosAddress::new(&self.endpoint, &self.database, &self.container)?;
        let mutex = match (options.cosmos_key, options.credential) {
            (Some(key), _) => {
                // With Entra ID there is no right to create them.
                let created = CosmosMutexOptions { create: options.create, ..CosmosMutexOptions::default() };
                CosmosDistributedMutex::with_key(leaders, election, bare(&key)?)?.with_options(created)?
            }
            (None, Some(credential)) => CosmosDistributedMutex::new(leaders, election, credential)?,
            (None, None) => {
                return Err(Error::setting(format!(
                    "{self} takes a credential or an account key: set `StoreOptions::credential` or `StoreOptions::cosmos_key`"
                )));
            }
        };
        Ok(mutex)
    }
}

impl Place for Documents {
    #[cfg(feature = "cosmos")]
    fn needs_credential(&self, options: &StoreOptions) -> bool {
        options.cosmos_key.is_none()
    }

    #[cfg(feature = "cosmos")]
    fn open(&self, election: &str, options: StoreOptions) -> Result<Arc<dyn DistributedMutex>> {
        Ok(Arc::new(self.mutex(election, options)?))
    }

    #[cfg(feature = "cosmos")]
    fn probes(&self, options: &StoreOptions) -> Result<Option<Box<dyn crate::check::Probes>>> {
        /// By whose right the others are written to.
        const ANY: &str = "any";
        let probes = crate::cosmos::check::CosmosProbes::new(&self.mutex(ANY, options.clone())?)?;
        Ok(probes.map(|probes| Box::new(probes) as _))
    }

    #[cfg(not(feature = "cosmos"))]
    fn open(&self, _: &str, _: StoreOptions) -> Result<Arc<dyn DistributedMutex>> {
        Err(super::address::built_without("cosmos", self))
    }
}

/// Secret stores like to end it with a line of its own.
#[cfg(feature = "cosmos")]
fn bare(key: &azure_core::credentials::Secret) -> Result<azure_core::credentials::Secret> {
    let text = key.secret();
    if text.contains("AccountKey=") || text.contains("AccountEndpoint=") {
        return Err(Error::setting(
            "the account key of Cosmos DB (to the command `leader`: COSMOS_KEY) is a connection string: the key alone is what stands \
             after AccountKey= in it, up to the next `;`",
        ));
    }
    Ok(text.trim().to_owned().into())
}

impl fmt::Display for Documents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.endpoint, self.database, self.container)
    }
}
