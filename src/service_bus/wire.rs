//! What stands in a session's state, and on the cards that tell others of it: a leader record as JSON, the same in both.

use leader_election::document::Record;
use leader_election::document::json::{self, Rest};
use leader_election::{
    AcquireRequest, Claim, Error, FencingToken, Leader, LeaseState, Observation, Result, Sources, Version,
};

use super::address::Address;

/// A state as it was read or written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stored {
    pub(super) record: Record,
    /// What others have put there.
    pub(super) rest: Rest,
}

impl Stored {
    pub(super) fn read(state: &[u8], address: &Address) -> Result<Self> {
        let (record, rest) = json::from_text(state, &format!("the state of {address}"))?;
        Ok(Self { record, rest })
    }

    pub(super) fn state(&self) -> Vec<u8> {
        json::to_text(&self.record, &self.rest).into_bytes()
    }

    pub(super) fn card(&self) -> Vec<u8> {
        json::to_text(&self.record, &Rest::new()).into_bytes()
    }

    pub(super) fn is_held_by(&self, claim: &Claim) -> bool {
        self.record.holder.is_some() && self.record.claim == claim.id.fingerprint()
    }

    /// The next term's, under this token.
    pub(super) fn held_by(before: Option<&Self>, request: AcquireRequest<'_>, token: FencingToken) -> Self {
        let (claim, sources) = (request.claim, Sources::system());
        let now = Some(sources.wall_time());
        let record = Record::new(token, claim.id.fingerprint(), sources.uuid().simple().to_string())
            .with_holder(Some(claim.holder.clone()))
            .with_lease(claim.lease)
            .with_renew_every(claim.renew_every)
            .with_elected_at(now)
            .with_renewed_at(now)
            .with_data(request.data.cloned());
        Self { record, rest: before.map(|before| before.rest.clone()).unwrap_or_default() }
    }

    pub(super) fn released(&self) -> Self {
        let holder = self.record.holder.clone();
        let mut record = self.record.clone().with_holder(None).with_previous(holder);
        record.write = Sources::system().uuid().simple().to_string();
        Self { record, rest: self.rest.clone() }
    }

    /// The version that a candidate watches. A renewal does not write the state, so the record alone stands still however alive its
    /// leader is; what ends when that leader has the session again is the link that watches. So the link's name is part of the version, and
    /// so is how often this process itself has renewed over that link.
    pub(super) fn version(&self, link: &str, renewals: u64) -> Result<Version> {
        Version::new(format!("{}-{}-{link}-{renewals}", self.record.fencing_token, self.record.write))
    }

    pub(super) fn leader(&self) -> Option<Leader> {
        let record = &self.record;
        let holder = record.holder.as_ref().or(record.previous.as_ref())?;
        Some(
            Leader::new(holder.clone(), record.fencing_token)
                .with_elected_at(record.elected_at)
                .with_lease(Some(record.lease))
                .with_renew_every(Some(record.renew_every))
                .with_data(record.data.clone()),
        )
    }

    pub(super) fn observation(&self) -> Observation {
        let state = if self.record.holder.is_some() { LeaseState::Held } else { LeaseState::Free };
        Observation::new(state, self.leader())
    }
}

/// What a card tells, which anybody with the right to send may have written.
pub(super) fn read_card(card: &[u8], address: &Address) -> Result<Stored> {
    Stored::read(card, address).map_err(|error| {
        Error::new(
            error.kind(),
            format!(
                "the latest message of {address} is no card of a leader: something else sends to this session; elections go on, and who leads \
                 is not known. Receive and complete that message"
            ),
        )
        .with_source(error)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service_bus::ServiceBusQueue;
    use leader_election::{ErrorKind, HolderId};
    use std::time::Duration;

    fn address() -> Address {
        let queue = ServiceBusQueue::new("sb://ns.servicebus.windows.net/elections").expect("valid");
        Address::of_election(queue, "nightly").expect("valid")
    }

    fn stored() -> Stored {
        let claim = Claim::new(HolderId::new("worker-7").expect("valid"), Duration::from_secs(15));
        Stored::held_by(None, AcquireRequest::new(&claim), FencingToken::new(7).expect("valid"))
    }

    #[test]
    fn what_was_written_is_read_and_what_others_have_put_there_stays() {
        let text = String::from_utf8(stored().state()).expect("text").replacen('{', "{\"team\": \"billing\",", 1);
        let read = Stored::read(text.as_bytes(), &address()).expect("readable");
        assert_eq!(read.record.holder, stored().record.holder);
        let text = String::from_utf8(read.released().state()).expect("text");
        assert!(text.contains("billing"), "{text}");
        assert!(!String::from_utf8(read.card()).expect("text").contains("billing"));
        assert_eq!(read.released().observation().state, LeaseState::Free);
        assert_eq!(read.released().observation().latest.expect("the last one").holder.as_str(), "worker-7");
    }

    #[test]
    fn a_version_is_of_one_record_on_one_link_between_two_renewals() {
        let stored = stored();
        let version = stored.version("a", 0).expect("valid");
        assert_eq!(version, stored.version("a", 0).expect("valid"));
        assert_ne!(version, stored.version("b", 0).expect("valid"));
        assert_ne!(version, stored.version("a", 1).expect("valid"));
        assert_ne!(version, stored.released().version("a", 0).expect("valid"));
    }

    #[test]
    fn a_state_or_a_card_that_cannot_be_understood_is_an_error_and_never_a_new_beginning() {
        for bytes in [&b""[..], b"{}", b"null", b"\xff\xfe", b"{\"fencingToken\": -1}"] {
            assert_eq!(Stored::read(bytes, &address()).expect_err("refused").kind(), ErrorKind::CorruptRecord);
            assert!(read_card(bytes, &address()).expect_err("refused").to_string().contains("no card"));
        }
    }
}
