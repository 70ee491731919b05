//! Where Azurite 3.37 does not do what the documentation says.
//!
//! The first is why these tests need a service of their own: by Azurite alone, a lease that was lost looks renewed.

/// A difference: in these states, of each of these operations, what Azurite answers and what is documented. An answer
/// without a semicolon says nothing of the lease's state afterwards.
pub struct Difference {
    pub states: &'static [&'static [&'static str]],
    pub operations: &'static [&'static str],
    pub azurite: &'static str,
    pub documented: &'static str,
    pub why: &'static str,
}

impl Difference {
    pub fn is_of(&self, state: &str, operation: &str) -> bool {
        self.states.concat().contains(&state) && self.operations.contains(&operation)
    }

    pub fn rows(&self) -> usize {
        self.states.concat().len() * self.operations.len()
    }

    pub fn is_as_listed(&self, documented: &str, azurite: &str) -> bool {
        is(self.documented, documented) && is(self.azurite, azurite) && documented != azurite
    }
}

fn is(listed: &str, answer: &str) -> bool {
    listed == answer || answer.split_once(';').is_some_and(|(outcome, _)| outcome == listed)
}

const EXPIRED: &[&str] = &["expired"];
const HELD: &[&str] = &["leased", "leased for ever", "expired, then taken"];
const BREAKING: &[&str] = &["breaking"];
const BROKEN: &[&str] = &["broken", "broken by time"];
const ENDED: &[&str] = &["broken", "broken by time", "expired"];
const FORGOTTEN: &[&str] = &["available", "released", "broken, then written", "expired, then written"];
const IN_OTHER_FORMS: &[&str] = &["acquire A in capitals", "acquire A in braces"];

const ANY_ID: &str =
    "an expired lease is renewed by its own id alone; Azurite takes any, and answers with the real one";
const FORM: &str = "an id is a GUID in any of its forms; Azurite compares texts";
const NO_GUID: &str = "an id that is no GUID is an invalid request; Azurite takes any text";
const DURATION: &str =
    "a duration is required; Azurite grants a lease without one, and cannot show the blob from then on";
const PERIOD: &str =
    "a break period is 0 to 60 s; Azurite looks at that of a lease that runs, or breaks, and has an end";
const ORDER: &str =
    "a wrong duration is an invalid request, of which state is not said; Azurite looks at the lease first";
const LOST: &str =
    "the code for a lease that has expired is LeaseLost; Azurite has one code for all that is not leased";
const NO_CODE: &str = "every error has a code; Azurite has none when the id of the lease is missing";
const TWO_CONDITIONS: &str = "all conditions must hold; Azurite forgets the tags' one beside an ETag";
const TAGS_CONDITION: &str = "Set Blob Tags heeds x-ms-if-tags; Azurite does not look at it";
const TAGS_WRITE: &str =
    "tags leave ETag and Last-Modified alone, so an ended lease stays; to Azurite they are a write";

pub const DIFFERENCES: &[Difference] = &[
    Difference {
        states: &[EXPIRED],
        operations: &["renew B"],
        azurite: "200 A; leased fixed",
        documented: "409 LeaseIdMismatchWithLeaseOperation; expired",
        why: ANY_ID,
    },
    Difference {
        states: &[HELD],
        operations: IN_OTHER_FORMS,
        azurite: "409 LeaseAlreadyPresent",
        documented: "201 A; leased fixed",
        why: FORM,
    },
    Difference {
        states: &[BREAKING],
        operations: IN_OTHER_FORMS,
        azurite: "409 LeaseAlreadyPresent; breaking",
        documented: "409 LeaseIsBreakingAndCannotBeAcquired; breaking",
        why: FORM,
    },
    Difference {
        states: &[HELD],
        operations: &["renew A in capitals"],
        azurite: "409 LeaseIdMismatchWithLeaseOperation",
        documented: "200 A",
        why: FORM,
    },
    Difference {
        states: &[BREAKING, BROKEN],
        operations: &["renew A in capitals"],
        azurite: "409 LeaseIdMismatchWithLeaseOperation",
        documented: "409 LeaseIsBrokenAndCannotBeRenewed",
        why: FORM,
    },
    Difference {
        states: &[HELD, BREAKING, ENDED],
        operations: &["release A in capitals"],
        azurite: "409 LeaseIdMismatchWithLeaseOperation",
        documented: "200; available",
        why: FORM,
    },
    Difference {
        states: &[FORGOTTEN],
        operations: &["acquire no id at all"],
        azurite: "201 X; leased fixed",
        documented: "400 InvalidHeaderValue; available",
        why: NO_GUID,
    },
    Difference {
        states: &[ENDED],
        operations: &["acquire no id at all"],
        azurite: "201 X; leased fixed",
        documented: "400 InvalidHeaderValue",
        why: NO_GUID,
    },
    Difference {
        states: &[HELD, BREAKING],
        operations: &["acquire no id at all"],
        azurite: "409 LeaseAlreadyPresent",
        documented: "400 InvalidHeaderValue",
        why: NO_GUID,
    },
    Difference {
        states: &[FORGOTTEN],
        operations: &["acquire A without a duration"],
        azurite: "201 A; not shown (500)",
        documented: "400 MissingRequiredHeader; available",
        why: DURATION,
    },
    Difference {
        states: &[HELD, ENDED],
        operations: &["acquire A without a duration"],
        azurite: "201 A; not shown (500)",
        documented: "400 MissingRequiredHeader",
        why: DURATION,
    },
    Difference {
        states: &[BREAKING],
        operations: &["acquire A without a duration"],
        azurite: "409 LeaseIsBreakingAndCannotBeAcquired; breaking",
        documented: "400 MissingRequiredHeader; breaking",
        why: DURATION,
    },
    Difference {
        states: &[BREAKING],
        operations: &["acquire A for 14 s", "acquire A for 61 s"],
        azurite: "409 LeaseIsBreakingAndCannotBeAcquired; breaking",
        documented: "400 InvalidHeaderValue; breaking",
        why: ORDER,
    },
    Difference {
        states: &[FORGOTTEN],
        operations: &["break in 61 s"],
        azurite: "409 LeaseNotPresentWithLeaseOperation; available",
        documented: "400 InvalidHeaderValue; available",
        why: PERIOD,
    },
    Difference {
        states: &[ENDED],
        operations: &["break in 61 s"],
        azurite: "202 at once; broken",
        documented: "400 InvalidHeaderValue",
        why: PERIOD,
    },
    Difference {
        states: &[&["leased for ever"]],
        operations: &["break in 61 s"],
        azurite: "202 later; breaking",
        documented: "400 InvalidHeaderValue; leased infinite",
        why: PERIOD,
    },
    Difference {
        states: &[EXPIRED],
        operations: &[
            "put under A",
            "put under B",
            "set metadata under A",
            "set metadata under B",
            "append under A",
            "append under B",
            "set tags under A",
            "set tags under B",
            "delete under A",
            "delete under B",
            "head under A",
            "head under B",
            "get under A",
            "get under B",
            "get tags under A",
            "get tags under B",
            "put under A if the same",
            "put under A if there",
            "put under A unless another",
            "put under A if fence <= 6",
            "put under A if fence = 6",
            "set metadata under A if the same",
            "set metadata under A if there",
            "set metadata under A unless another",
            "set metadata under A if fence <= 6",
            "set metadata under A if fence = 6",
            "set metadata under A if the same and fence <= 6",
            "append under A if the same",
            "append under A if there",
            "append under A unless another",
            "append under A if fence <= 6",
            "append under A if fence = 6",
            "set tags under A if fence <= 6",
        ],
        azurite: "412 LeaseNotPresentWithBlobOperation; expired",
        documented: "412 LeaseLost; expired",
        why: LOST,
    },
    Difference {
        states: &[FORGOTTEN, HELD, BREAKING, ENDED],
        operations: &["renew without an id"],
        azurite: "400",
        documented: "400 MissingRequiredHeader",
        why: NO_CODE,
    },
    Difference {
        states: &[HELD, BREAKING],
        operations: &["set metadata under A if the same and fence <= 5"],
        azurite: "200",
        documented: "412 ConditionNotMet",
        why: TWO_CONDITIONS,
    },
    Difference {
        states: &[FORGOTTEN, ENDED],
        operations: &["set metadata under A if the same and fence <= 5"],
        azurite: "412 LeaseNotPresentWithBlobOperation",
        documented: "412 ConditionNotMet",
        why: TWO_CONDITIONS,
    },
    Difference {
        states: &[HELD, BREAKING],
        operations: &["set tags under A if fence <= 5"],
        azurite: "204",
        documented: "412 ConditionNotMet",
        why: TAGS_CONDITION,
    },
    Difference {
        states: &[FORGOTTEN, ENDED],
        operations: &["set tags under A if fence <= 5"],
        azurite: "412 LeaseNotPresentWithBlobOperation",
        documented: "412 ConditionNotMet",
        why: TAGS_CONDITION,
    },
    Difference {
        states: &[BROKEN],
        operations: &["set tags"],
        azurite: "204; available",
        documented: "204; broken",
        why: TAGS_WRITE,
    },
    Difference {
        states: &[EXPIRED],
        operations: &["set tags"],
        azurite: "204; available",
        documented: "204; expired",
        why: TAGS_WRITE,
    },
];
