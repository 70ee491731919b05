//! What stands in the blob's metadata.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use azure_core::time::{OffsetDateTime, parse_rfc3339, to_rfc3339};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::data;
use leader_election::{
    Claim, Error, ErrorKind, FencingToken, HolderId, InvalidFencingToken, Leader, LeaderData, Result,
    kit::record::begin_anew,
};

pub(crate) type Metadata = HashMap<String, String>;

/// The latest term, as its leader wrote it before it began.
///
/// The names have no hyphen (the service allows none), no capital (they would come back in lower case) and no
/// underscore (some proxies drop such headers). Values are ASCII, as others vanish on the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) leader: Leader,
    /// The fingerprint of the claim that led.
    pub(crate) claim: String,
}

const HOLDER: &str = "leaderholder";
const TOKEN: &str = "leadertoken";
const CLAIM: &str = "leaderclaim";
const ELECTED: &str = "leaderelected";
const LEASE: &str = "leaderleasems";
const RENEW: &str = "leaderrenewms";
/// Of a leader that tells something.
const DATA: &str = "leaderdata";
const NAMES: [&str; 7] = [HOLDER, TOKEN, CLAIM, ELECTED, LEASE, RENEW, DATA];

/// Of a record beside an election's, and the number of the write that made it what it is.
pub(super) const SIDE: &str = "leaderside";

/// The most bytes that a blob's metadata may have, names and values together. See
/// [Setting metadata](https://learn.microsoft.com/rest/api/storageservices/setting-and-retrieving-properties-and-metadata-for-blob-resources).
const MOST: usize = 8_192;

/// What needs no encoding in a header's value.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

impl Record {
    /// The record of a new term.
    pub(crate) fn new(
        claim: &Claim,
        data: Option<&LeaderData>,
        fencing_token: FencingToken,
        server_time: OffsetDateTime,
    ) -> Self {
        Self {
            leader: Leader::new(claim.holder.clone(), fencing_token)
                .with_elected_at(Some(server_time.into()))
                .with_lease(Some(claim.lease))
                .with_renew_every(Some(claim.renew_every))
                .with_data(data.cloned()),
            claim: claim.id.fingerprint(),
        }
    }

    /// Reads the record; `None` when nobody ever led.
    ///
    /// # Errors
    /// [`CorruptRecord`](ErrorKind::CorruptRecord), with the key, when any part is missing or unreadable: a record that
    /// is only half there is no new beginning.
    pub(crate) fn read(metadata: &Metadata) -> Result<Option<Self>> {
        // The service gives names back in the case they were written in over HTTP/1.1; proxies may not.
        let lower: HashMap<String, &str> =
            metadata.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.trim())).collect();
        if lower.contains_key(SIDE) {
            return Err(Error::new(
                ErrorKind::CorruptRecord,
                format!(
                    "the blob's metadata {SIDE} says that it is a record beside another election's: name this one otherwise"
                ),
            ));
        }
        if NAMES.iter().all(|name| !lower.contains_key(*name)) {
            return Ok(None);
        }
        let text = |name: &str| lower.get(name).copied().ok_or_else(|| corrupt(name, "is missing"));
        let duration = |name: &str| text(name).and_then(|text| millis(name, text));

        let holder = percent_decode_str(text(HOLDER)?)
            .decode_utf8()
            .ok()
            .and_then(|holder| HolderId::new(holder).ok())
            .ok_or_else(|| corrupt(HOLDER, "is no holder id"))?;
        let fencing_token = text(TOKEN)?
            .parse()
            .map_err(|error: InvalidFencingToken| corrupt(TOKEN, "is unreadable").with_source(error))?;
        let elected = parse_rfc3339(text(ELECTED)?).map_err(|_| corrupt(ELECTED, "is no RFC 3339 time"))?;
        let claim = text(CLAIM)?.to_owned();
        let told = match lower.get(DATA) {
            Some(text) => Some(data::decode(text).ok_or_else(|| corrupt(DATA, "is nothing that a leader tells"))?),
            None => None,
        };
        let leader = Leader::new(holder, fencing_token)
            .with_elected_at(Some(SystemTime::from(elected)))
            .with_lease(Some(duration(LEASE)?))
            .with_renew_every(Some(duration(RENEW)?))
            .with_data(told);
        Ok(Some(Self { leader, claim }))
    }

    /// Puts the record into the metadata; what others keep there stays.
    pub(crate) fn write(&self, metadata: &mut Metadata) {
        metadata.retain(|name, _| !NAMES.contains(&name.to_ascii_lowercase().as_str()));
        let millis = |duration: Option<Duration>| duration.unwrap_or_default().as_millis().to_string();
        let elected = self.leader.elected_at.map_or(OffsetDateTime::UNIX_EPOCH, OffsetDateTime::from);
        metadata.extend([
            (HOLDER.to_owned(), utf8_percent_encode(self.leader.holder.as_str(), ENCODED).to_string()),
            (TOKEN.to_owned(), self.leader.fencing_token.to_string()),
            (CLAIM.to_owned(), self.claim.clone()),
            (ELECTED.to_owned(), to_rfc3339(&elected)),
            (LEASE.to_owned(), millis(self.leader.lease)),
            (RENEW.to_owned(), millis(self.leader.renew_every)),
        ]);
        metadata.extend(self.leader.data.as_ref().map(|told| (DATA.to_owned(), data::encode(told))));
    }

    /// Whether there is room for the record in the metadata.
    ///
    /// # Errors
    /// [`InvalidSetting`](ErrorKind::InvalidSetting).
    pub(crate) fn check_room(&self, metadata: &Metadata) -> Result<()> {
        let mut written = metadata.clone();
        self.write(&mut written);
        let length: usize = written.iter().map(|(name, value)| name.len() + value.len()).sum();
        if length > MOST {
            return Err(Error::setting(format!(
                "the leader's record would make the lease blob's metadata {length} bytes long, and 8,192 are the most: tell less \
                 in the leader's data, or remove what others keep in this metadata"
            )));
        }
        Ok(())
    }
}

/// Whether this is the metadata of a blob that somebody led from.
pub(super) fn is_election(metadata: &Metadata) -> bool {
    let has = |wanted: &str| metadata.keys().any(|name| name.eq_ignore_ascii_case(wanted));
    NAMES.into_iter().any(has) && !has(SIDE)
}

fn millis(name: &str, text: &str) -> Result<Duration> {
    let longest = Duration::from_secs(24 * 3600);
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits
        .then(|| text.parse().ok().map(Duration::from_millis))
        .flatten()
        .filter(|duration| *duration <= longest)
        .ok_or_else(|| corrupt(name, "is no number of milliseconds up to a day"))
}

fn corrupt(name: &str, what: &str) -> Error {
    Error::new(
        ErrorKind::CorruptRecord,
        format!(
            "the lease blob's metadata {name} {what}; something else writes to this blob. Nothing was changed: {}",
            begin_anew("all of the metadata", "the service's time")
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record {
        let holder = HolderId::new("a worker/7 %41").expect("valid");
        let claim = Claim::new(holder, Duration::from_secs(15));
        let data = LeaderData::new("http://größe:8080").expect("valid");
        Record::new(&claim, Some(&data), FencingToken::new(7).expect("valid"), OffsetDateTime::UNIX_EPOCH)
    }

    fn written() -> Metadata {
        let mut metadata = Metadata::from([("team".to_owned(), "billing".to_owned())]);
        record().write(&mut metadata);
        metadata
    }

    #[test]
    fn what_was_written_is_read() {
        let metadata = written();
        let read = Record::read(&metadata).expect("readable").expect("present");
        assert_eq!(read.leader, record().leader);
        assert_eq!(metadata["team"], "billing");
        assert!(metadata.values().all(|value| value.bytes().all(|b| b.is_ascii_graphic())));
    }

    #[test]
    fn a_blob_that_nobody_led_from_has_no_record() {
        assert_eq!(Record::read(&Metadata::new()).expect("readable"), None);
    }

    #[test]
    fn invariant_14_whatever_is_missing_or_unreadable_is_an_error_that_names_it() {
        for name in NAMES.into_iter().filter(|name| *name != DATA) {
            let mut metadata = written();
            metadata.remove(name);
            let error = Record::read(&metadata).expect_err("half a record");
            assert_eq!(error.kind(), ErrorKind::CorruptRecord);
            assert!(error.to_string().contains(name));
        }
        for (name, value) in [
            (TOKEN, "-1"),
            (TOKEN, "0"),
            (TOKEN, "9007199254740992"),
            (TOKEN, "99999999999999999999999999"),
            (TOKEN, "seven"),
            (TOKEN, ""),
            (HOLDER, "%ff"),
            (HOLDER, "%0a"),
            (HOLDER, ""),
            (LEASE, "-1"),
            (LEASE, "315360000000"),
            (LEASE, "184467440737095516150"),
            (RENEW, "soon"),
            (ELECTED, "yesterday"),
            (DATA, ""),
            (DATA, "Größe"),
            (DATA, "base64:/w=="),
            (DATA, &"x".repeat(LeaderData::MAX + 1)),
        ] {
            let mut metadata = written();
            metadata.insert(name.to_owned(), value.to_owned());
            let error = Record::read(&metadata).expect_err(value);
            assert!(error.to_string().contains(name), "{name}={value}");
        }
    }

    #[test]
    fn a_leader_that_tells_nothing_leaves_nothing_of_what_another_told() {
        let mut metadata = written();
        let claim = Claim::new(HolderId::new("a").expect("valid"), Duration::from_secs(15));
        let token = FencingToken::new(8).expect("valid");
        Record::new(&claim, None, token, OffsetDateTime::UNIX_EPOCH).write(&mut metadata);
        let read = Record::read(&metadata).expect("readable").expect("present");
        assert_eq!(read.leader.data, None);
    }

    #[test]
    fn the_longest_data_has_room_beside_the_longest_name_but_not_beside_as_much_of_others() {
        let claim = Claim::new(HolderId::new("%".repeat(128)).expect("valid"), Duration::from_secs(60));
        let data = LeaderData::new("ü".repeat(LeaderData::MAX / 2)).expect("valid");
        let token = FencingToken::new(FencingToken::MAX).expect("valid");
        let record = Record::new(&claim, Some(&data), token, OffsetDateTime::UNIX_EPOCH);
        record.check_room(&written()).expect("there is room");
        let strangers = Metadata::from([("team".to_owned(), "x".repeat(3_000))]);
        let error = record.check_room(&strangers).expect_err("no room");
        assert_eq!(error.kind(), ErrorKind::InvalidSetting);
        assert!(error.to_string().contains("8,192"), "{error}");
    }

    #[test]
    fn a_record_beside_another_elections_is_no_election() {
        let mut metadata = Metadata::from([("LeaderSide".to_owned(), "1".to_owned())]);
        assert_eq!(Record::read(&metadata).expect_err("no election").kind(), ErrorKind::CorruptRecord);
        assert!(!is_election(&metadata) && !is_election(&Metadata::new()) && is_election(&written()));
        metadata.extend(written());
        assert!(!is_election(&metadata));
    }

    #[test]
    fn the_lease_id_is_not_in_the_record() {
        let claim = Claim::new(HolderId::new("a").expect("valid"), Duration::from_secs(15));
        let mut metadata = Metadata::new();
        let token = FencingToken::new(1).expect("valid");
        Record::new(&claim, None, token, OffsetDateTime::UNIX_EPOCH).write(&mut metadata);
        assert!(metadata.values().all(|value| !value.contains(&claim.id.expose())));
    }
}
