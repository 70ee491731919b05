//! The requests to the lease blob.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use azure_core::http::{Etag, RequestContent};
use azure_core::time::OffsetDateTime;
use azure_storage_blob::BlobClient;
use azure_storage_blob::models::{
    BlobClientAcquireLeaseOptions, BlobClientAcquireLeaseResultHeaders, BlobClientGetPropertiesResultHeaders,
    BlobClientRenewLeaseResultHeaders, BlobClientSetMetadataOptions, BlobClientUploadOptions, LeaseDuration,
    LeaseState as ServiceState,
};

use super::Create;
use super::wire::{Metadata, Record};
use crate::blob::date::{millis, server_time};
use crate::blob::errors::{self, Refusal};
use crate::blob::etag::strong_etag;
use crate::blob::place::Place;
use crate::signed_in::SignIn;
use leader_election::{
    Acquire, AcquireRequest, Claim, ClaimId, DistributedMutex, Error, ErrorKind, FencingToken, Grant, Held, LeaseState,
    Loss, Observation, Renew, Result,
    kit::{patience, record::next_token},
};

/// The blob whose lease is the mutex.
pub(super) struct LeaseBlob {
    pub(super) place: Place,
    pub(super) blob: BlobClient,
}

/// What a `HEAD` shows.
struct Properties {
    etag: Etag,
    state: ServiceState,
    endless: bool,
    metadata: Metadata,
    /// The service's time, in milliseconds since 1970, if it told.
    server_ms: Option<u64>,
}

impl LeaseBlob {
    pub(super) fn new(place: Place) -> Self {
        Self { blob: place.container.blob_client(place.address.blob_name()), place }
    }

    /// Looks, takes the lease if it is free, and writes the new term's record. Only then is the lease granted.
    async fn acquire(&self, request: AcquireRequest<'_>, lease_seconds: i32) -> Result<Acquire> {
        let claim = request.claim;
        let seen = match self.properties().await? {
            Some(seen) => seen,
            None => self.create().await?,
        };
        if !seen.is_free() && !request.unsettled && !seen.is_of(claim)? {
            return seen.held().map(Acquire::Held);
        }
        // Before the lease is taken: a record that cannot be followed must not cost anybody a lease.
        let token = seen.next_token(seen.server_ms.unwrap_or_default(), request.floor)?;
        Record::new(claim, request.data, token, OffsetDateTime::UNIX_EPOCH).check_room(&seen.metadata)?;

        let id = claim.id.expose();
        // Only over what was read. A duplicate of this request that comes late would prolong the lease of this very id, also when
        // its holder is dead by then; but the term's record, which is written next, changes the ETag.
        let options = BlobClientAcquireLeaseOptions {
            proposed_lease_id: Some(id.clone()),
            if_match: Some(seen.etag.clone()),
            ..Default::default()
        };
        let response = match self.blob.acquire_lease(lease_seconds, Some(options)).await {
            Ok(response) => response,
            Err(error) if errors::refusal(&error) == Some(Refusal::LeaseHeld) => {
                // If it looked free a moment ago, the record still names the leader before.
                let held = if seen.is_free() { Held::by_unknown() } else { seen.held()? };
                return Ok(Acquire::Held(held));
            }
            Err(error) if errors::refusal(&error) == Some(Refusal::Changed) => return self.changed_since(&seen).await,
            Err(error) => return Err(self.failed("taking the lease of", &error)),
        };
        if response.lease_id().ok().flatten().is_some_and(|granted| !granted.eq_ignore_ascii_case(&id)) {
            return Err(Error::new(
                ErrorKind::Refused,
                "the service granted a lease under another id than was asked for",
            ));
        }
        let server_time = server_time(response.headers())?;
        self.write_record(request, server_time, seen).await
    }

    /// The service refuses the version that a look has shown a moment ago. Somebody took the lease, wrote a record, and perhaps
    /// released it since; unless a second look shows the same version again.
    async fn changed_since(&self, seen: &Properties) -> Result<Acquire> {
        match self.properties().await? {
            Some(now) if now.etag == seen.etag => Err(errors::versions_are_rewritten(&self.place.address)),
            Some(now) if !now.is_free() => now.held().map(Acquire::Held),
            _ => Ok(Acquire::Held(Held::by_unknown())),
        }
    }

    async fn renew_lease(&self, id: ClaimId) -> Result<Renew> {
        let id = id.expose();
        match self.blob.renew_lease(id.clone(), None).await {
            Ok(response) => {
                // Azurite renews an expired lease for any id, and answers with the id that really holds it.
                let ours = response.lease_id().ok().flatten().is_none_or(|held| held.eq_ignore_ascii_case(&id));
                Ok(if ours { Renew::Renewed } else { Renew::Lost(Loss::Taken) })
            }
            Err(error) => match errors::refusal(&error) {
                Some(Refusal::Absent) => Ok(Renew::Lost(Loss::Missing)),
                Some(Refusal::LeaseBroken) => Ok(Renew::Lost(Loss::Broken)),
                Some(Refusal::LeaseHeld | Refusal::NotHolder | Refusal::Changed | Refusal::Exists) => {
                    Ok(Renew::Lost(Loss::Taken))
                }
                None => Err(self.failed("renewing the lease of", &error)),
            },
        }
    }

    async fn release_lease(&self, id: ClaimId) -> Result<()> {
        match self.blob.release_lease(id.expose(), None).await {
            Ok(_) => Ok(()),
            // Whatever the service says of a lease that is not ours: it is not ours.
            Err(error) if errors::refusal(&error).is_some() => Ok(()),
            Err(error) => Err(self.failed("releasing the lease of", &error)),
        }
    }

    /// A blob that nobody has created yet is one that nobody leads from.
    async fn look(&self) -> Result<Observation> {
        let Some(seen) = self.properties().await? else { return Ok(Observation::default()) };
        let latest = Record::read(&seen.metadata)?.map(|record| record.leader);
        let state = match seen.state {
            _ if seen.is_free() => LeaseState::Free,
            // An election's lease has an end, and a leader on record.
            _ if seen.endless || latest.is_none() => LeaseState::Foreign,
            ServiceState::Breaking => LeaseState::Breaking,
            _ => LeaseState::Held,
        };
        Ok(Observation::new(state, latest))
    }

    /// `None` when the blob is absent. An absent container is that too, where it may be created.
    async fn properties(&self) -> Result<Option<Properties>> {
        match self.blob.get_properties(None).await {
            Ok(response) => {
                let unreadable = |what: &'static str| {
                    Error::new(ErrorKind::Refused, format!("{} came without a readable {what}", self.place.address))
                };
                Ok(Some(Properties {
                    etag: response.etag().ok().flatten().map(strong_etag).ok_or_else(|| unreadable("ETag"))?,
                    state: response.lease_state().ok().flatten().ok_or_else(|| unreadable("lease state"))?,
                    endless: matches!(response.duration(), Ok(Some(LeaseDuration::Infinite))),
                    metadata: response.metadata().unwrap_or_default(),
                    server_ms: server_time(response.headers()).and_then(millis).ok(),
                }))
            }
            Err(error) if errors::is_absent_blob(&error) => Ok(None),
            Err(error) if errors::is_absent_container(&error) && self.place.may_create_container() => Ok(None),
            Err(error) => Err(self.failed("reading", &error)),
        }
    }

    /// Creates what may be created. Another worker may be faster: that is as good.
    async fn create(&self) -> Result<Properties> {
        if self.place.create == Create::Nothing {
            return Err(Error::new(
                ErrorKind::NotFound,
                format!("{} does not exist, and the setting `create` forbids to create it", self.place.address),
            ));
        }
        match self.create_blob().await {
            Err(error) if errors::is_absent_container(&error) && self.place.may_create_container() => {
                self.place.create_container().await?;
                self.create_blob().await.map_err(|error| self.failed("creating", &error))?;
            }
            Err(error) => return Err(self.failed("creating", &error)),
            Ok(()) => {}
        }
        self.properties().await?.ok_or_else(|| {
            Error::new(
                ErrorKind::Unavailable,
                format!("{} was created, and deleted at once by somebody", self.place.address),
            )
        })
    }

    async fn create_blob(&self) -> azure_core::Result<()> {
        let options = BlobClientUploadOptions::default().if_not_exists();
        match self.blob.upload(RequestContent::from(Vec::new()), Some(options)).await {
            Err(error) if errors::refusal(&error) == Some(Refusal::Absent) => Err(error),
            // Exists already, or is leased already.
            Err(error) if errors::refusal(&error).is_some() => Ok(()),
            outcome => outcome.map(drop),
        }
    }

    /// Writes the record of the new term, under the lease and over the very record that was read.
    async fn write_record(
        &self,
        request: AcquireRequest<'_>,
        server_time: OffsetDateTime,
        mut seen: Properties,
    ) -> Result<Acquire> {
        let claim = request.claim;
        // A second round is for a write whose answer was lost, a third for a stranger who writes metadata.
        for _ in 0..3 {
            let own = seen.record_of(claim)?.filter(|own| request.is_above_floor(own.leader.fencing_token));
            let record = match own {
                Some(own) if own.leader.data.as_ref() == request.data => {
                    return Ok(granted(claim, own.leader.fencing_token));
                }
                Some(own) => Record { leader: own.leader.with_data(request.data.cloned()), ..own },
                None => {
                    Record::new(claim, request.data, seen.next_token(millis(server_time)?, request.floor)?, server_time)
                }
            };
            let token = record.leader.fencing_token;
            let mut metadata = seen.metadata;
            record.write(&mut metadata);
            let options = BlobClientSetMetadataOptions {
                if_match: Some(seen.etag),
                lease_id: Some(claim.id.expose()),
                ..Default::default()
            };
            match self.blob.set_metadata(&metadata, Some(options)).await {
                Ok(_) => return Ok(granted(claim, token)),
                Err(error) => match errors::refusal(&error) {
                    Some(Refusal::Changed) => {}
                    Some(_) => return Ok(Acquire::Held(Held::by_unknown())),
                    None => return Err(self.failed("writing the term's record to", &error)),
                },
            }
            seen = self.properties().await?.ok_or_else(|| {
                Error::new(ErrorKind::Unavailable, format!("{} was deleted by somebody", self.place.address))
            })?;
        }
        Err(Error::new(
            ErrorKind::Unavailable,
            format!("the metadata of {} changes all the time: something else writes to this blob", self.place.address),
        ))
    }

    fn failed(&self, doing: &str, error: &azure_core::Error) -> Error {
        self.place.failed(doing, error)
    }
}

impl Properties {
    fn is_free(&self) -> bool {
        matches!(self.state, ServiceState::Available | ServiceState::Expired | ServiceState::Broken)
    }

    /// What a term after this one is granted.
    fn next_token(&self, server_ms: u64, floor: Option<FencingToken>) -> Result<FencingToken> {
        let on_record = Record::read(&self.metadata)?.map(|record| record.leader.fencing_token);
        next_token(on_record, server_ms, floor, "the blob's metadata")
    }

    /// The record, if it is this claim's.
    fn record_of(&self, claim: &Claim) -> Result<Option<Record>> {
        Ok(Record::read(&self.metadata)?.filter(|record| record.claim == claim.id.fingerprint()))
    }

    fn is_of(&self, claim: &Claim) -> Result<bool> {
        self.record_of(claim).map(|record| record.is_some())
    }

    fn held(&self) -> Result<Held> {
        let leader = Record::read(&self.metadata)?.map(|record| record.leader);
        let lease = if self.endless { Some(Duration::MAX) } else { leader.as_ref().and_then(|leader| leader.lease) };
        Ok(leader.map_or_else(Held::by_unknown, Held::by).with_lease(lease))
    }
}

/// Each request waits for the access token first, if one is needed and not there.
#[async_trait]
impl DistributedMutex for LeaseBlob {
    async fn try_acquire(&self, request: AcquireRequest<'_>) -> Result<Acquire> {
        let seconds = super::lease_seconds(request.claim.lease)?;
        self.place.access.signed_in(patience::within_an_attempt(request.claim.lease)).await?;
        self.acquire(request, seconds).await
    }

    async fn renew(&self, claim: &Claim) -> Result<Renew> {
        self.place.access.signed_in(patience::within_an_attempt(claim.lease)).await?;
        self.renew_lease(claim.id).await
    }

    async fn release(&self, claim: &Claim) -> Result<()> {
        self.place.access.signed_in(patience::within_an_attempt(claim.lease)).await?;
        self.release_lease(claim.id).await
    }

    async fn observe(&self) -> Result<Observation> {
        self.place.access.signed_in(patience::OF_A_LOOK).await?;
        self.look().await
    }
}

impl fmt::Debug for LeaseBlob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LeaseBlob").field(&self.place.address.to_string()).finish()
    }
}

fn granted(claim: &Claim, fencing_token: FencingToken) -> Acquire {
    Acquire::Granted(Grant::new(fencing_token, claim.lease))
}
