//! Containers of blobs, in Azure and in the emulator Azurite.

use std::fmt;
use std::sync::Arc;

use leader_election::{DistributedMutex, Error, Result};

use super::address::{FromUrl, Place};
use super::given::{Given, Http};
use super::{StoreOptions, advice};

#[derive(PartialEq, Eq)]
pub(super) struct Container {
    /// With its query.
    pub(super) url: String,
    pub(super) server: Server,
    pub(super) form: Form,
}

/// What the election is in its blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Lease,
    Document,
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
            "emulator" => elsewhere(&url, Form::Lease).map(Some),
            "blob" => container(&url, Form::Lease).map(Some),
            "" if is_of_blobs(&url) => container(&url, Form::Lease).map(Some),
            "blob-document" => container(&url, Form::Document).map(Some),
            "blob-document+emulator" => elsewhere(&url, Form::Document).map(Some),
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

fn container(url: &Http<'_>, form: Form) -> Result<Container> {
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
    at(url, server, form)
}

fn elsewhere(url: &Http<'_>, form: Form) -> Result<Container> {
    match url.has_emulator_account() {
        true => at(url, Server::EmulatorElsewhere, form),
        false => Err(Error::setting("an emulator's URL is emulator+http://HOST:PORT/devstoreaccount1/CONTAINER")),
    }
}

fn at(url: &Http<'_>, server: Server, form: Form) -> Result<Container> {
    advice::check_container(url.path)?;
    advice::check_signature(url.path, url.query)?;
    let Http { scheme, authority, path, query, .. } = url;
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    Ok(Container { url: format!("{scheme}://{authority}/{path}{query}"), server, form })
}

impl Container {
    fn is_signed(&self) -> bool {
        self.url.contains('?')
    }

    #[cfg(feature = "blob")]
    fn takes_a_credential(&self) -> Error {
        Error::setting(format!(
            "{self} takes a credential: set `StoreOptions::credential`, or write the URL with ?SIGNATURE"
        ))
    }
}

/// A mutex of one of two types, which have the same constructors.
#[cfg(feature = "blob")]
macro_rules! opened {
    ($container:ident, $election:expr, $options:expr, $mutex:ident) => {{
        let (container, options) = ($container, $options);
        match (container.server, options.credential) {
            // Azurite checks tokens where it speaks HTTPS.
            (Server::Emulator, Some(credential)) if container.url.starts_with("https:") && !container.is_signed() => {
                $mutex::new(&container.url, $election, credential)
            }
            (Server::Emulator, _) => $mutex::for_emulator(&container.url, $election),
            (Server::EmulatorElsewhere, _) => $mutex::for_emulator_elsewhere(&container.url, $election),
            (Server::Azure, _) if container.is_signed() => $mutex::from_sas_url(&container.url, $election),
            (Server::Azure, Some(credential)) => $mutex::new(&container.url, $election, credential),
            (Server::Azure, None) => Err(container.takes_a_credential()),
        }?
        .with_options(settings(options.create))?
    }};
}

impl Place for Container {
    fn needs_credential(&self, _: &StoreOptions) -> bool {
        self.server == Server::Azure && !self.is_signed()
    }

    #[cfg(feature = "blob")]
    fn open(&self, election: &str, options: StoreOptions) -> Result<Arc<dyn DistributedMutex>> {
        use crate::blob::{BlobDistributedMutex, BlobDocumentMutex};

        Ok(match self.form {
            Form::Lease => Arc::new(opened!(self, election, options, BlobDistributedMutex)),
            Form::Document => Arc::new(opened!(self, election, options, BlobDocumentMutex)),
        })
    }

    #[cfg(feature = "blob")]
    fn probes(&self, options: &StoreOptions) -> Result<Option<Box<dyn crate::check::Probes>>> {
        use crate::blob::{BlobDistributedMutex, check::BlobProbes};

        // By its right the blobs of all steps are written to.
        let any = opened!(self, "any", options.clone(), BlobDistributedMutex);
        Ok(Some(Box::new(BlobProbes::new(&any)?)))
    }

    #[cfg(not(feature = "blob"))]
    fn open(&self, _: &str, _: StoreOptions) -> Result<Arc<dyn DistributedMutex>> {
        Err(super::address::built_without("blob", self))
    }
}

#[cfg(feature = "blob")]
fn settings(create: bool) -> crate::blob::BlobMutexOptions {
    use crate::blob::{BlobMutexOptions, Create};
    let create = if create { Create::ContainerAndBlob } else { Create::Blob };
    BlobMutexOptions { create, ..BlobMutexOptions::default() }
}

/// Without the query.
impl fmt::Display for Container {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let form = if self.form == Form::Document { "blob-document+" } else { "" };
        write!(f, "{form}{}", self.url.split('?').next().unwrap_or_default())
    }
}
