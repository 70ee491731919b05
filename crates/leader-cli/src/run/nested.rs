//! A `leader run` within the command of another one, of the same election: it would wait for itself.

use azure_leader_election::HolderId;
use uuid::Uuid;

use crate::exit::{CONFIG, Failure};
use crate::store::Opened;

/// By which the command knows the elections that it runs under: a one-way name for each, separated by blanks.
pub const VARIABLE: &str = "LEADER_WITHIN";

/// Refuses to wait for the very leader that this process runs under; else what to hand down by [`VARIABLE`].
pub fn enter(opened: &Opened, above: Option<String>, holder: Option<String>) -> Result<String, Failure> {
    let (own, above) = (name_of(opened), above.unwrap_or_default());
    if above.split_whitespace().any(|name| name == own) {
        let above = holder.and_then(|holder| HolderId::new(holder).ok());
        let above = above.map(|holder| format!(", {holder}")).unwrap_or_default();
        return Err(Failure::new(
            CONFIG,
            format!(
                "this runs within the command of the leader{above} of the same election in the same store, and would wait for \
                 itself: give it an --election of its own"
            ),
        ));
    }
    Ok(format!("{above} {own}").trim_start().to_owned())
}

/// Of an election and its store. No secret can be found by it, as its text has none in it.
fn name_of(opened: &Opened) -> String {
    const NAMESPACE: Uuid = Uuid::from_u128(0x2f60_91c4_8f0b_4d5e_a1d7_63b8_0c95_e42a);
    Uuid::new_v5(&NAMESPACE, format!("{}\n{}", opened.store.url().identity(), opened.election).as_bytes())
        .simple()
        .to_string()
}
