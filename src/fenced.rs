//! Writers to Azure's services that older leaders cannot use.

#[cfg(feature = "blob")]
pub(crate) mod blob;
#[cfg(feature = "cosmos")]
pub(crate) mod partition;

#[cfg(all(fuzzing, feature = "blob"))]
pub(crate) use blob::checks as blob_checks;
#[cfg(all(fuzzing, feature = "cosmos"))]
pub(crate) use partition::checks as partition_checks;

use std::fmt::Display;

use crate::error::Error;
use crate::fencing::FencingToken;
use crate::telemetry;

/// How often a write is tried again when what it writes to changes under it: an older leader that writes without a pause must
/// not keep a newer one from taking the fence over. Each round is lost only if the older one's write falls between the newer
/// one's look and its own write; whoever loses all of them is told so, and nothing was written.
const ROUNDS: u32 = 32;

/// The refusal, told to whoever is on call.
fn fenced(resource: &impl Display, token: FencingToken, newer: FencingToken) -> Error {
    telemetry::write_fenced(&resource.to_string(), token, newer)
}
