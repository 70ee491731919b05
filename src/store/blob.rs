//! Containers of blobs, in Azure and in the emulator Azurite.

use std::fmt;
use std::sync::Arc;

use leader_election::{DistributedMutex, Error, Result};

use super::address::{FromUrl, Place};
use super::given::{Given, Http};
use super::{StoreOptions, advice};
#[cfg(feature = "blob")]
use crate::blob::BlobDistributedMutex;

#[derive(PartialEq, Eq)]
pub(super) struct Container {
    /// With its query.
    pub(super) url: String,
    pub(super) server: Server,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Server {
    Azure,
    /// An emulator on this machine.
    Emulator,
    /// An emulator on another host, as was said explicitly.
    EmulatorElsewhere,
}

impl FromUrl for Container {
    const EXAMPLE: &'static str = "https://ACCOUNT.blob.core.windows.net/CONTAINER";

    fn read(given: &Given<'_>) -> Result<Option<Self>> {
        let Some(url) = Http::read(given)? else { return Ok(None) };
        match url.prefix.as_str() {
            "emulator" => elsewhere(&url).map(Some),
            "blob" => container(&url).map(Some),
            "" if is_of_blobs(&url) => container(&url).map(Some),
            _ => Ok(None),
        }
    }
}

fn is_of_blobs(url: &Http<'_>) -> bool {
    match url.is_on_loopback() {
        true => url.has_emulator_account() || url.port() == "10000",
        // Also in the clouds of governments, and behind private endpoints.
        false => url.host().contains(".blob."),
    }
}

fn container(url: &Http<'_>) -> Result<Container> {
    let server = match url.is_on_loopback() {
        true => Server::Emulator,
        false if url.scheme == "http" => {
            return Err(Error::setting(
                "plain http is for an emulator, and this one is not on this machine: if the way to it may be read and changed by \
                 others, write emulator+http://HOST:PORT/devstoreaccount1/CONTAINER",
            ));
        }
        false => Server::Azure,
    };
    at(url, server)
}

fn elsewhere(url: &Http<'_>) -> Result<Container> {
    match url.has_emulator_account() {
        true => at(url, Server::EmulatorElsewhere),
        false => Err(Error::setting("an emulator's URL is emulator+http://HOST:PORT/devstoreaccount1/CONTAINER")),
    }
}

fn at(url: &Http<'_>, server: Server) -> Result<Container> {
    advice::check_container(url.path)?;
    advice::check_signature(url.path, url.query)?;
    let Http { scheme, authority, path, query, .. } = url;
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    Ok(Container { url: format!("{scheme}://{authority}/{path}{query}"), server })
}

impl Container {
    fn is_signed(&self) -> bool {
        self.url.contains('?')
    }
}

#[cfg(feature = "blob")]
impl Container {
    fn mutex(&self, election: &str, options: StoreOptions) -> Result<BlobDistributedMutex> {
        use crate::blob::{BlobMutexOptions, Create};

        let mutex = match (self.server, options.credential) {
            // Azurite checks tokens where it speaks HTTPS.
            (Server::Emulator, Some(credential)) if self.url.starts_with("https:") && !self.is_signed() => {
                BlobDistributedMutex::new(&self.url, election, credential)
            }
            (Server::Emulator, _) => BlobDistributedMutex::for_emulator(&self.url, election),
            (Server::EmulatorElsewhere, _) => BlobDistributedMutex::for_emulator_elsewhere(&self.url, election),
            (Server::Azure, _) if self.is_signed() => BlobDistributedMutex::from_sas_url(&self.url, election),
            (Server::Azure, Some(credential)) => BlobDistributedMutex::new(&self.url, election, credential),
            (Server::Azure, None) => Err(Error::setting(format!(
                "{self} takes a credential: set `StoreOptions::credential`, or write the URL with ?SIGNATURE"
            ))),
        };
        let create = if options.create { Create::ContainerAndBlob } else { Create::Blob };
        mutex?.with_options(BlobMutexOptions { create, ..BlobMutexOptions::default() })
    }
}

impl Place for Container {
    fn needs_credential(&self, _: &StoreOptions) -> bool {
        self.server == Server::Azure && !self.is_signed()
    }

    #[cfg(feature = "blob")]
    fn open(&self, election: &str, options: StoreOptions) -> Result<Arc<dyn DistributedMutex>> {
        Ok(Arc::new(self.mutex(election, options)?))
    }

    #[cfg(feature = "blob")]
    fn probes(&self, options: &StoreOptions) -> Result<Option<Box<dyn crate::check::Probes>>> {
        /// By whose right the others are written to.
        const ANY: &str = "any";
        Ok(Some(Box::new(crate::blob::check::BlobProbes::new(&self.mutex(ANY, options.clone())?)?)))
    }

    #[cfg(not(feature = "blob"))]
    fn open(&self, _: &str, _: StoreOptions) -> Result<Arc<dyn DistributedMutex>> {
        Err(super::address::built_without("blob", self))
    }
}

/// Without the query.
impl fmt::Display for Container {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.url.split('?').next().unwrap_or_default())
    }
}
