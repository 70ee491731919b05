//! A record beside an election's: a small block blob in the same container.

use async_trait::async_trait;

use super::BlobDistributedMutex;
use super::wire::SIDE;
use crate::blob::place::Place;
use crate::blob::small::{Condition, Kind, SmallBlob};
use crate::signed_in::SignIn;
use leader_election::{Result, SideContent, SideName, SideRecord, Sources, Version, Written, kit::patience};

const KIND: Kind = Kind { mark: SIDE, most: SideContent::MAX, content_type: "text/plain; charset=utf-8" };

/// One of an election's records, wherever its requests are made.
pub(super) struct BlobSide {
    pub(super) mutex: BlobDistributedMutex,
    pub(super) name: SideName,
}

#[async_trait]
impl SideRecord for BlobSide {
    async fn read(&self) -> Result<Option<SideContent>> {
        let name = self.name;
        self.mutex.blob()?.run(|lease| async move { beside(&lease.place, name)?.read().await }).await
    }

    async fn create(&self, content: &str) -> Result<Written> {
        let (name, content) = (self.name, content.to_owned());
        self.mutex.blob()?.run(|lease| async move { beside(&lease.place, name)?.create(&content).await }).await
    }

    async fn replace(&self, seen: &Version, content: &str) -> Result<Written> {
        let (name, seen, content) = (self.name, seen.clone(), content.to_owned());
        let replaced = |place: Place| async move { beside(&place, name)?.replace(&seen, &content).await };
        self.mutex.blob()?.run(|lease| replaced(lease.place.clone())).await
    }
}

/// The record of that name, whose requests are made where it is called.
pub(in crate::blob) fn beside(place: &Place, name: SideName) -> Result<SideBlob> {
    Ok(SideBlob(SmallBlob::new(place.beside(name)?, KIND)))
}

pub(in crate::blob) struct SideBlob(SmallBlob);

impl SideBlob {
    async fn write(&self, condition: Condition<'_>, content: &str) -> Result<Written> {
        SideContent::check(content)?;
        self.signed_in().await?;
        let number = Sources::system().uuid().simple().to_string();
        self.0.write(condition, content, &number).await
    }

    async fn signed_in(&self) -> Result<()> {
        self.0.place().access.signed_in(patience::OF_A_LOOK).await
    }
}

#[async_trait]
impl SideRecord for SideBlob {
    async fn read(&self) -> Result<Option<SideContent>> {
        self.signed_in().await?;
        let Some(content) = self.0.read().await? else { return Ok(None) };
        let text = String::from_utf8(content.bytes).map_err(|_| self.0.corrupt("is no UTF-8"))?;
        Ok(Some(SideContent::new(content.version, text)))
    }

    async fn create(&self, content: &str) -> Result<Written> {
        self.write(Condition::Absent, content).await
    }

    async fn replace(&self, seen: &Version, content: &str) -> Result<Written> {
        self.write(Condition::Is(seen), content).await
    }
}
