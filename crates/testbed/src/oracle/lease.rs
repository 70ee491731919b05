//! The lease of one blob: the outcomes of lease operations, reads and writes by lease state, as the two tables in
//! [Lease Blob](https://learn.microsoft.com/rest/api/storageservices/lease-blob) have them.
//!
//! The tables give statuses; the codes are those whose text in the list of error codes fits. Where two fit, it is the one
//! that Azurite gives. In one point the page contradicts the list of codes, which is followed, as Azurite does: the use of
//! a leased blob under another id is refused with 412, not 409.

use std::time::Duration;

use uuid::Uuid;

use super::failure::{self, Failure};

/// How long a lease lasts that is not renewed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Length {
    Seconds(u64),
    Infinite,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Lease {
    #[default]
    Available,
    Leased {
        id: Uuid,
        length: Length,
        /// `None` for an infinite one.
        until: Option<Duration>,
    },
    Breaking {
        id: Uuid,
        until: Duration,
    },
    Broken {
        id: Uuid,
    },
    Expired {
        id: Uuid,
        length: Length,
    },
}

impl Length {
    /// `-1`, or 15 to 60 seconds.
    pub fn parse(text: &str) -> Result<Self, Failure> {
        match text.parse::<i64>() {
            Ok(-1) => Ok(Self::Infinite),
            Ok(seconds @ 15..=60) => Ok(Self::Seconds(seconds.unsigned_abs())),
            _ => Err(failure::INVALID_HEADER),
        }
    }

    fn from(self, now: Duration) -> Option<Duration> {
        match self {
            Self::Seconds(seconds) => Some(now + Duration::from_secs(seconds)),
            Self::Infinite => None,
        }
    }
}

impl Lease {
    /// What time alone has made of it.
    pub fn settle(&mut self, now: Duration) {
        match *self {
            Self::Leased { id, length, until: Some(until) } if now >= until => *self = Self::Expired { id, length },
            Self::Breaking { id, until } if now >= until => *self = Self::Broken { id },
            _ => {}
        }
    }

    pub fn acquire(&mut self, now: Duration, id: Uuid, length: Length) -> Result<(), Failure> {
        match *self {
            Self::Leased { id: held, .. } if held != id => Err(failure::LEASE_ALREADY_PRESENT),
            Self::Breaking { id: held, .. } if held == id => Err(failure::LEASE_BREAKING_NOT_ACQUIRED),
            Self::Breaking { .. } => Err(failure::LEASE_ALREADY_PRESENT),
            _ => {
                *self = Self::Leased { id, length, until: length.from(now) };
                Ok(())
            }
        }
    }

    /// An expired lease too, by its own id alone, as long as nobody has written to the blob or leased it.
    pub fn renew(&mut self, now: Duration, id: Uuid) -> Result<(), Failure> {
        match *self {
            Self::Leased { id: held, length, .. } | Self::Expired { id: held, length } if held == id => {
                *self = Self::Leased { id, length, until: length.from(now) };
                Ok(())
            }
            Self::Breaking { id: held, .. } | Self::Broken { id: held } if held == id => {
                Err(failure::LEASE_BROKEN_NOT_RENEWED)
            }
            _ => Err(failure::LEASE_ID_MISMATCH),
        }
    }

    /// Also to an id that it bears already, so that the change may be repeated.
    pub fn change(&mut self, id: Uuid, proposed: Uuid) -> Result<(), Failure> {
        match self {
            Self::Leased { id: held, .. } if *held == id || *held == proposed => {
                *held = proposed;
                Ok(())
            }
            Self::Breaking { id: held, .. } if *held == id => Err(failure::LEASE_BREAKING_NOT_CHANGED),
            Self::Leased { .. } | Self::Breaking { .. } => Err(failure::LEASE_ID_MISMATCH),
            Self::Available | Self::Broken { .. } | Self::Expired { .. } => Err(failure::LEASE_NOT_PRESENT),
        }
    }

    pub fn release(&mut self, id: Uuid) -> Result<(), Failure> {
        if self.id() != Some(id) {
            return Err(failure::LEASE_ID_MISMATCH);
        }
        *self = Self::Available;
        Ok(())
    }

    /// Returns the time until another lease can be acquired. A period only counts if it is shorter than what is left.
    pub fn break_after(&mut self, now: Duration, period: Option<Duration>) -> Result<Duration, Failure> {
        let asked = period.map(|period| now + period);
        let (id, until) = match *self {
            Self::Available => return Err(failure::LEASE_NOT_PRESENT),
            // An infinite lease breaks at once, unless a period is asked for.
            Self::Leased { id, until: None, .. } => (id, asked.unwrap_or(now)),
            Self::Leased { id, until: Some(until), .. } | Self::Breaking { id, until } => {
                (id, asked.unwrap_or(until).min(until))
            }
            Self::Broken { id } | Self::Expired { id, .. } => (id, now),
        };
        *self = Self::Breaking { id, until };
        self.settle(now);
        Ok(until - now)
    }

    /// Whether the blob may be written to under this lease id, or without one.
    pub fn permits_write(&self, id: Option<Uuid>) -> Result<(), Failure> {
        match (self, id) {
            (Self::Leased { .. } | Self::Breaking { .. }, None) => Err(failure::LEASE_ID_MISSING),
            (_, None) => Ok(()),
            (_, Some(_)) => self.permits_read(id),
        }
    }

    /// A read needs no lease id; one that is given has to be right.
    pub fn permits_read(&self, id: Option<Uuid>) -> Result<(), Failure> {
        match (self, id) {
            (_, None) => Ok(()),
            (Self::Leased { id: held, .. } | Self::Breaking { id: held, .. }, Some(id)) if *held == id => Ok(()),
            (Self::Leased { .. } | Self::Breaking { .. }, Some(_)) => Err(failure::LEASE_ID_MISMATCH_WITH_BLOB),
            (Self::Expired { .. }, Some(_)) => Err(failure::LEASE_LOST),
            (Self::Available | Self::Broken { .. }, Some(_)) => Err(failure::LEASE_NOT_PRESENT_WITH_BLOB),
        }
    }

    /// The blob was written to: a lease that has ended is forgotten.
    pub fn written(&mut self) {
        if matches!(self, Self::Broken { .. } | Self::Expired { .. }) {
            *self = Self::Available;
        }
    }

    /// The id that the service remembers.
    pub fn id(&self) -> Option<Uuid> {
        match self {
            Self::Available => None,
            Self::Leased { id, .. } | Self::Breaking { id, .. } | Self::Broken { id } | Self::Expired { id, .. } => {
                Some(*id)
            }
        }
    }

    /// The values of `x-ms-lease-state`, `x-ms-lease-status` and `x-ms-lease-duration`.
    pub fn shown(&self) -> (&'static str, &'static str, Option<&'static str>) {
        match self {
            Self::Available => ("available", "unlocked", None),
            Self::Leased { length: Length::Infinite, .. } => ("leased", "locked", Some("infinite")),
            Self::Leased { .. } => ("leased", "locked", Some("fixed")),
            Self::Breaking { .. } => ("breaking", "locked", None),
            Self::Broken { .. } => ("broken", "unlocked", None),
            Self::Expired { .. } => ("expired", "unlocked", None),
        }
    }
}

/// An id in any of the forms that `Guid` takes, but for the hexadecimal one in nested braces.
pub fn parse_id(text: &str) -> Result<Uuid, Failure> {
    let bare = text.trim().trim_start_matches('(').trim_end_matches(')');
    Uuid::parse_str(bare).map_err(|_| failure::INVALID_HEADER)
}
