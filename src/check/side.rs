//! Records beside an election's.

use super::ground::{claim, take, within};
use super::{Ground, Seen, Step};
use leader_election::{DistributedMutex, Renew, Result, SideName, Version, Written};

/// The record that a check writes.
const WISH: &str = "wish";

/// The records that a check has written beside this election: there is one step that does.
pub(crate) fn written_beside(election: &str) -> &'static [&'static str] {
    if election.to_uppercase().ends_with(NUMBER) { &[WISH] } else { &[] }
}

const NUMBER: &str = "P10";

pub(super) fn steps() -> Vec<Step> {
    let says =
        "This identity may write records beside an election's, which change by compare-and-swap and touch no lease";
    vec![Step::new(NUMBER, says, beside)]
}

async fn beside(ground: Ground) -> Result<Seen> {
    let store = ground.election(NUMBER)?;
    let Some(side) = store.side(SideName::new(WISH)?) else {
        return Ok(Seen::not_checked("this store keeps no records beside"));
    };
    let first = claim("first", ground.timing().lease())?;
    take(&store, &first).await?;
    let before = within(store.observe()).await?;
    let Written::Done(created) = within(side.create("1")).await? else {
        return Ok(Seen::differs("there is one already, under a name that is new"));
    };
    let again = within(side.create("2")).await?;
    let Written::Done(replaced) = within(side.replace(&created, "3")).await? else {
        return Ok(Seen::differs("the very version that was written is refused"));
    };
    let outdated = within(side.replace(&created, "4")).await?;
    let nonsense = within(side.replace(&Version::new("\"none-of-that-name\"")?, "5")).await?;
    let read = within(side.read()).await?.map(|read| (read.text, read.version));
    let after = within(store.observe()).await?;
    let renewed = within(store.renew(&first)).await?;

    let conditional = [again, outdated, nonsense].iter().all(|written| *written == Written::Conflict);
    let is_latest = read == Some(("3".to_owned(), replaced));
    let text = match (conditional, is_latest, before == after, renewed) {
        (false, ..) => "a write over another version was carried out",
        (_, false, ..) => "what is read is not what was written last",
        (.., false, _) => "a write beside the election changed what a look shows of it",
        (.., Renew::Lost(_)) => "a write beside the election ended its lease",
        _ => "created once, replaced by its version alone, the lease untouched",
    };
    Ok(Seen::is_so(conditional && is_latest && before == after && renewed == Renew::Renewed, text))
}
