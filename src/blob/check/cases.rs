//! The documented outcomes: [Lease Blob](https://learn.microsoft.com/rest/api/storageservices/lease-blob),
//! [Specifying conditional headers](https://learn.microsoft.com/rest/api/storageservices/specifying-conditional-headers-for-blob-service-operations)
//! and [Blob service error codes](https://learn.microsoft.com/rest/api/storageservices/blob-service-error-codes).
//!
//! An outcome is the status, the error's code or the lease's id, and after a semicolon the lease's state, with "written" where the
//! ETag has changed.

use std::time::Duration;

use super::calls::{A, B, Call, acquire, append, breaking, put, release, renew, set_metadata, set_tags};

/// Longer than the shortest lease, of 15 s.
pub(super) const RUN_OUT: Duration = Duration::from_millis(15_500);

const CAPITALS: &str = "AAAAAAAA-0000-4000-8000-00000000000A";
const BRACES: &str = "{aaaaaaaa-0000-4000-8000-00000000000a}";

/// A claim, and what shows it.
pub(super) struct Topic {
    pub(super) number: &'static str,
    pub(super) says: &'static str,
    pub(super) cases: Vec<Case>,
}

impl Topic {
    pub(super) fn waits(&self) -> bool {
        self.cases.iter().any(|case| case.state.waits())
    }
}

pub(super) struct Case {
    pub(super) state: State,
    pub(super) call: Call,
    pub(super) expected: &'static str,
}

impl Case {
    pub(super) fn in_words(&self) -> String {
        format!("{} when {}", self.call.name(), self.state.in_words())
    }
}

/// Of a blob's lease, which A holds or held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Available,
    Leased,
    Endless,
    Breaking,
    Broken,
    Expired,
    ExpiredThenWritten,
}

impl State {
    fn in_words(self) -> &'static str {
        match self {
            Self::Available => "available",
            Self::Leased => "leased",
            Self::Endless => "leased for ever",
            Self::Breaking => "breaking",
            Self::Broken => "broken",
            Self::Expired => "expired",
            Self::ExpiredThenWritten => "expired and written to since",
        }
    }

    fn waits(self) -> bool {
        matches!(self, Self::Expired | Self::ExpiredThenWritten)
    }

    pub(super) fn before(self) -> Vec<Call> {
        match self {
            Self::Available => Vec::new(),
            Self::Leased => vec![acquire(A, "60")],
            Self::Endless => vec![acquire(A, "-1")],
            Self::Breaking => vec![acquire(A, "60"), breaking("60")],
            Self::Broken => vec![acquire(A, "60"), breaking("0")],
            Self::Expired | Self::ExpiredThenWritten => vec![acquire(A, "15")],
        }
    }

    /// Once a lease of 15 s has run out.
    pub(super) fn after(self) -> Vec<Call> {
        if self == Self::ExpiredThenWritten { vec![set_metadata()] } else { Vec::new() }
    }
}

fn topic(
    number: &'static str,
    says: &'static str,
    cases: impl IntoIterator<Item = (State, Call, &'static str)>,
) -> Topic {
    let cases = cases.into_iter().map(|(state, call, expected)| Case { state, call, expected });
    Topic { number, says, cases: cases.collect() }
}

pub(super) fn topics() -> Vec<Topic> {
    let mut topics = leases();
    topics.extend(breaks());
    topics.extend(writes());
    topics
}

fn leases() -> Vec<Topic> {
    use State::{Available, Breaking, Endless, Expired, ExpiredThenWritten, Leased};
    vec![
        topic(
            "B1",
            "A lease lasts 15 to 60 whole seconds, or has no end",
            [
                (Available, acquire(A, "14").named("acquire for 14 s"), "400 InvalidHeaderValue; available"),
                (Available, acquire(A, "61").named("acquire for 61 s"), "400 InvalidHeaderValue; available"),
                (Available, acquire(A, "60").named("acquire for 60 s"), "201 A; leased fixed"),
                (Available, acquire(A, "-1").named("acquire without end"), "201 A; leased infinite"),
            ],
        ),
        topic(
            "B2",
            "An acquire repeated under its own id is granted again; one under another id is not",
            [
                (Leased, acquire(A, "60"), "201 A; leased fixed"),
                (Leased, acquire(B, "60").named("acquire by another id"), "409 LeaseAlreadyPresent; leased fixed"),
                (Endless, acquire(B, "60").named("acquire by another id"), "409 LeaseAlreadyPresent; leased infinite"),
            ],
        ),
        topic(
            "B3",
            "Acquire, renew, release and break leave the ETag as it is",
            [
                (Available, acquire(A, "60"), "201 A; leased fixed"),
                (Leased, renew(A), "200 A; leased fixed"),
                (Leased, release(A), "200; available"),
                (Leased, breaking("0"), "202 at once; broken"),
            ],
        ),
        topic(
            "B4",
            "A lease is renewed and released by its own id alone",
            [
                (Leased, renew(B).named("renew by another id"), "409 LeaseIdMismatchWithLeaseOperation; leased fixed"),
                (
                    Leased,
                    release(B).named("release by another id"),
                    "409 LeaseIdMismatchWithLeaseOperation; leased fixed",
                ),
            ],
        ),
        topic(
            "B5",
            "A lease that has run out is renewed by its own id alone",
            [(Expired, renew(B).named("renew by another id"), "409 LeaseIdMismatchWithLeaseOperation; expired")],
        ),
        topic(
            "B6",
            "A lease that has run out can be renewed by its holder as long as nobody has written to the blob",
            [
                (Expired, renew(A), "200 A; leased fixed"),
                (ExpiredThenWritten, renew(A), "409 LeaseIdMismatchWithLeaseOperation; available"),
            ],
        ),
        topic(
            "B7",
            "A lease that has run out is free to anybody",
            [(Expired, acquire(B, "60").named("acquire by another id"), "201 B; leased fixed")],
        ),
        topic(
            "B8",
            "A lease id is a GUID, in whichever of its forms",
            [
                (Leased, acquire(CAPITALS, "60").named("acquire by its id in capitals"), "201 A; leased fixed"),
                (Leased, acquire(BRACES, "60").named("acquire by its id in braces"), "201 A; leased fixed"),
                (Leased, renew(CAPITALS).named("renew by its id in capitals"), "200 A; leased fixed"),
                (Leased, release(CAPITALS).named("release by its id in capitals"), "200; available"),
            ],
        ),
        topic(
            "B9",
            "A lease id that is no GUID is an invalid request",
            [(
                Available,
                acquire("my-own-lease", "60").named("acquire by my-own-lease"),
                "400 InvalidHeaderValue; available",
            )],
        ),
        topic(
            "B10",
            "An acquire has to name a duration",
            [(Available, acquire(A, "").named("acquire without a duration"), "400 MissingRequiredHeader; available")],
        ),
        topic(
            "B11",
            "A wrong duration is an invalid request in every state",
            [
                (Breaking, acquire(A, "14").named("acquire for 14 s"), "400 InvalidHeaderValue; breaking"),
                (
                    Leased,
                    acquire(B, "61").named("acquire by another id for 61 s"),
                    "400 InvalidHeaderValue; leased fixed",
                ),
            ],
        ),
        topic(
            "B12",
            "A renewal has to name the lease's id, and its refusal has a code",
            [(Leased, renew("").named("renew without an id"), "400 MissingRequiredHeader; leased fixed")],
        ),
        topic(
            "B13",
            "An acquire over another ETag than the blob's is refused",
            [
                (
                    Available,
                    acquire(A, "60").with("if-match", "\"0x1\"").named("acquire over another ETag"),
                    "412 ConditionNotMet; available",
                ),
                (Available, acquire(A, "60").if_the_same().named("acquire over its ETag"), "201 A; leased fixed"),
            ],
        ),
    ]
}

fn breaks() -> Vec<Topic> {
    use State::{Available, Breaking, Broken, Endless, Leased};
    vec![
        topic(
            "B14",
            "A break ends a lease when it would have run out, or sooner by a period; an endless one at once",
            [
                (Leased, breaking(""), "202 later; breaking"),
                (Leased, breaking("5").named("break in 5 s"), "202 within 5 s; breaking"),
                (Leased, breaking("0").named("break at once"), "202 at once; broken"),
                (Endless, breaking(""), "202 at once; broken"),
                (Breaking, breaking("5").named("break in 5 s"), "202 within 5 s; breaking"),
            ],
        ),
        topic(
            "B15",
            "A break period has 0 to 60 s, in every state",
            [
                (Available, breaking("61").named("break in 61 s"), "400 InvalidHeaderValue; available"),
                (Leased, breaking("61").named("break in 61 s"), "400 InvalidHeaderValue; leased fixed"),
                (Endless, breaking("61").named("break in 61 s"), "400 InvalidHeaderValue; leased infinite"),
                (Broken, breaking("61").named("break in 61 s"), "400 InvalidHeaderValue; broken"),
            ],
        ),
        topic(
            "B16",
            "A lease that is being broken, or was, cannot be renewed",
            [
                (Breaking, renew(A), "409 LeaseIsBrokenAndCannotBeRenewed; breaking"),
                (Broken, renew(A), "409 LeaseIsBrokenAndCannotBeRenewed; broken"),
            ],
        ),
        topic(
            "B17",
            "While a lease is being broken nobody acquires it; then anybody does",
            [
                (
                    Breaking,
                    acquire(A, "60").named("acquire by its own id"),
                    "409 LeaseIsBreakingAndCannotBeAcquired; breaking",
                ),
                (Breaking, acquire(B, "60").named("acquire by another id"), "409 LeaseAlreadyPresent; breaking"),
                (Broken, acquire(B, "60").named("acquire by another id"), "201 B; leased fixed"),
            ],
        ),
        topic(
            "B18",
            "A break where there is no lease is refused",
            [(Available, breaking(""), "409 LeaseNotPresentWithLeaseOperation; available")],
        ),
    ]
}

fn writes() -> Vec<Topic> {
    use State::{Available, Broken, Expired, Leased};
    let fence = |condition: &'static str| put().with("x-ms-tags", "fence=7").if_tags(condition);
    vec![
        topic(
            "B19",
            "A leased blob is written to under its lease's id alone",
            [
                (Leased, set_metadata(), "412 LeaseIdMissing; leased fixed"),
                (
                    Leased,
                    set_metadata().under(B).named("set metadata under another id"),
                    "412 LeaseIdMismatchWithBlobOperation; leased fixed",
                ),
                (Leased, set_metadata().under(A).named("set metadata under its id"), "200; leased fixed, written"),
            ],
        ),
        topic(
            "B20",
            "A write under a lease that has run out is refused by a code of its own",
            [(Expired, set_metadata().under(A).named("set metadata under its id"), "412 LeaseLost; expired")],
        ),
        topic(
            "B21",
            "A blob is created once: If-None-Match: * refuses where there is one",
            [(
                Available,
                put().with("if-none-match", "*").named("put if there is none"),
                "409 BlobAlreadyExists; available",
            )],
        ),
        topic(
            "B22",
            "A write over another ETag than the blob's is refused; each write changes the ETag",
            [
                (
                    Available,
                    set_metadata().with("if-match", "\"0x1\"").named("set metadata over another ETag"),
                    "412 ConditionNotMet; available",
                ),
                (
                    Available,
                    set_metadata().if_the_same().named("set metadata over its ETag"),
                    "200; available, written",
                ),
            ],
        ),
        topic(
            "B23",
            "An append has its place: at another length it is refused",
            [
                (
                    Available,
                    append().with("x-ms-blob-condition-appendpos", "7").named("append at 7"),
                    "412 AppendPositionConditionNotMet; available",
                ),
                (
                    Available,
                    append().with("x-ms-blob-condition-appendpos", "0").named("append at 0"),
                    "201; available, written",
                ),
            ],
        ),
        topic(
            "B24",
            "A condition on tags (x-ms-if-tags) compares texts, and refuses Put Blob and Append Block",
            [
                (Available, fence("\"fence\" < '6'").named("put if fence < 6, at 6"), "412 ConditionNotMet; available"),
                (Available, fence("\"fence\" < '7'").named("put if fence < 7, at 6"), "201; available, written"),
                (
                    Available,
                    append().if_tags("\"fence\" < '6'").named("append if fence < 6, at 6"),
                    "412 ConditionNotMet; available",
                ),
                (
                    Available,
                    append().if_tags("\"fence\" = '6'").named("append if fence = 6, at 6"),
                    "201; available, written",
                ),
            ],
        ),
        topic(
            "B25",
            "All conditions of a request must hold, one on tags beside an ETag as well",
            [(
                Leased,
                set_metadata()
                    .under(A)
                    .if_the_same()
                    .if_tags("\"fence\" <= '5'")
                    .named("set metadata over its ETag if fence <= 5, at 6"),
                "412 ConditionNotMet; leased fixed",
            )],
        ),
        topic(
            "B26",
            "Set Blob Tags heeds a condition on tags",
            [
                (
                    Available,
                    set_tags().if_tags("\"fence\" <= '5'").named("set tags if fence <= 5, at 6"),
                    "412 ConditionNotMet; available",
                ),
                (
                    Available,
                    set_tags().if_tags("\"fence\" = '6'").named("set tags if fence = 6, at 6"),
                    "204; available",
                ),
            ],
        ),
        topic(
            "B27",
            "Set Blob Tags is no write to the blob: ETag and an ended lease stay",
            [(Broken, set_tags(), "204; broken")],
        ),
    ]
}
