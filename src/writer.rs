//! Writers to Azure's services that older leaders cannot use.

use std::fmt::Display;

use leader_election::{Error, FencingToken, kit::write_fenced};

/// How often a write is tried again when what it writes to changes under it: an older leader that writes without a pause must
/// not keep a newer one from taking the fence over. Each round is lost only if the older one's write falls between the newer
/// one's look and its own write; whoever loses all of them is told so, and nothing was written.
#[cfg(any(feature = "blob", feature = "cosmos"))]
pub(crate) const ROUNDS: u32 = 32;

/// The refusal, told to whoever is on call.
pub(crate) fn fenced(resource: &impl Display, token: FencingToken, newer: FencingToken) -> Error {
    write_fenced(&resource.to_string(), token, newer)
}
