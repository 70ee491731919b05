//! What every store has to do, through the port: the rights that an election needs, and the rules of its contract.

use super::ground::{claim, take, within};
use super::{Ground, Seen, Step};
use leader_election::{
    Acquire, AcquireRequest, DistributedMutex, FencingToken, LeaderData, LeaseState, Observation, Renew, Result,
};

pub(super) fn steps() -> Vec<Step> {
    vec![
        Step::new("P1", "This identity may contend: an election of a new name is created and granted", contend),
        Step::new("P2", "Exclusive: while a lease runs, nobody else is granted it", exclusive),
        Step::new("P3", "Repeatable: the same candidate is granted again, under the same token", repeatable),
        Step::new("P4", "Only the holder renews", only_the_holder),
        Step::new("P5", "Quiet: a look changes nothing, and names who leads, with token, lease and data", quiet),
        Step::new("P6", "A release frees at once, and tokens rise", release),
        Step::new("P7", "A token is above the floor that a candidate gives", floor),
        Step::new("P8", "This identity may break a lease: the leader's next renewal is then refused", broken),
        Step::new("P9", "This identity may list the elections, and one that was led is among them", listed),
    ]
}

async fn contend(ground: Ground) -> Result<Seen> {
    let store = ground.election("P1")?;
    let first = claim("first", ground.timing().lease())?;
    let grant = take(&store, &first).await?;
    let renewed = within(store.renew(&first)).await?;
    within(store.release(&first)).await?;
    let is_so = renewed == Renew::Renewed && grant.lease == first.lease;
    Ok(Seen::is_so(is_so, format!("granted for {:?}, {}, released", grant.lease, renewal(renewed))))
}

async fn exclusive(ground: Ground) -> Result<Seen> {
    let store = ground.election("P2")?;
    let [first, second] = [claim("first", ground.timing().lease())?, claim("second", ground.timing().lease())?];
    take(&store, &first).await?;
    let mut outcomes = Vec::new();
    for unsettled in [false, true] {
        outcomes.push(within(store.try_acquire(AcquireRequest::new(&second).with_unsettled(unsettled))).await?);
    }
    let kept = within(store.renew(&first)).await?;
    let is_so = outcomes.iter().all(|outcome| matches!(outcome, Acquire::Held(_))) && kept == Renew::Renewed;
    let second = if is_so { "held for another one" } else { "granted to another one as well" };
    Ok(Seen::is_so(is_so, format!("{second}; the holder's lease was {}", renewal(kept))))
}

async fn repeatable(ground: Ground) -> Result<Seen> {
    let store = ground.election("P3")?;
    let first = claim("first", ground.timing().lease())?;
    let grant = take(&store, &first).await?;
    match within(store.try_acquire(AcquireRequest::new(&first).with_unsettled(true))).await? {
        Acquire::Granted(again) => {
            let same = again.fencing_token == grant.fencing_token;
            Ok(Seen::is_so(same, if same { "granted again, same token" } else { "granted again, under another token" }))
        }
        Acquire::Held(_) => Ok(Seen::differs("held for the very candidate that holds it")),
    }
}

async fn only_the_holder(ground: Ground) -> Result<Seen> {
    let store = ground.election("P4")?;
    let [first, second] = [claim("first", ground.timing().lease())?, claim("second", ground.timing().lease())?];
    take(&store, &first).await?;
    let foreign = within(store.renew(&second)).await?;
    within(store.release(&second)).await?;
    let own = within(store.renew(&first)).await?;
    let is_so = foreign != Renew::Renewed && own == Renew::Renewed;
    let text = format!(
        "another one's renewal: {}; the holder's, after another one's release: {}",
        renewal(foreign),
        renewal(own)
    );
    Ok(Seen::is_so(is_so, text))
}

async fn quiet(ground: Ground) -> Result<Seen> {
    let store = ground.election("P5")?;
    let (first, data) = (claim("first", ground.timing().lease())?, LeaderData::new("größer \u{1F600}")?);
    let request = AcquireRequest::new(&first).with_data(Some(&data));
    let Acquire::Granted(grant) = within(store.try_acquire(request)).await? else {
        return Ok(Seen::differs("held, although nobody else knows of this election"));
    };
    let looks = [within(store.observe()).await?, within(store.observe()).await?];
    let same = looks[0] == looks[1];
    let Some(leader) = looks[1].leader() else {
        return Ok(Seen::differs(format!("no leader is shown: {:?}", looks[1].state)));
    };
    let named = leader.holder == first.holder && leader.fencing_token == grant.fencing_token;
    let whole = leader.lease == Some(first.lease) && leader.data.as_ref() == Some(&data);
    let text = match (same, named, whole) {
        (true, true, true) => "two looks show the same, all of it",
        (false, ..) => "two looks in a row show different things",
        (_, false, _) => "another leader or token is shown",
        (.., false) => "lease or data are not those that were written",
    };
    Ok(Seen::is_so(same && named && whole, text))
}

async fn release(ground: Ground) -> Result<Seen> {
    let store = ground.election("P6")?;
    let mut tokens = Vec::new();
    for holder in ["first", "second", "third"] {
        let claim = claim(holder, ground.timing().lease())?;
        let Acquire::Granted(grant) = within(store.try_acquire(AcquireRequest::new(&claim))).await? else {
            return Ok(Seen::differs(format!("still held after {} releases", tokens.len())));
        };
        tokens.push(grant.fencing_token);
        within(store.release(&claim)).await?;
    }
    let rises = tokens.windows(2).all(|pair| pair[0] < pair[1]);
    let state = within(store.observe()).await?.state;
    let is_so = rises && state == LeaseState::Free;
    let text = if rises { "three terms one after the other, tokens rise" } else { "a token did not rise" };
    Ok(Seen::is_so(is_so, format!("{text}; then {}", state_in_words(state))))
}

async fn floor(ground: Ground) -> Result<Seen> {
    /// So far above the service's clock that no token reaches it by itself.
    const ABOVE: u64 = 1_000_000_000;
    let store = ground.election("P7")?;
    let first = claim("first", ground.timing().lease())?;
    let token = take(&store, &first).await?.fencing_token;
    within(store.release(&first)).await?;
    let floor = FencingToken::new(token.get() + ABOVE)?;
    let second = claim("second", ground.timing().lease())?;
    match within(store.try_acquire(AcquireRequest::new(&second).with_floor(Some(floor)))).await? {
        Acquire::Granted(grant) => {
            let is_so = grant.fencing_token > floor;
            Ok(Seen::is_so(is_so, if is_so { "granted above it" } else { "granted at or below it" }))
        }
        Acquire::Held(_) => Ok(Seen::differs("held after its release")),
    }
}

async fn broken(ground: Ground) -> Result<Seen> {
    let store = ground.election("P8")?;
    let [first, second] = [claim("first", ground.timing().lease())?, claim("second", ground.timing().lease())?];
    let Some(operator) = store.operator() else { return Ok(Seen::not_checked("this store breaks no lease")) };
    take(&store, &first).await?;
    let free_in = within(operator.break_lease(None)).await?;
    let renewed = within(store.renew(&first)).await?;
    let next = within(store.try_acquire(AcquireRequest::new(&second))).await?;
    let is_so = renewed != Renew::Renewed && matches!(next, Acquire::Held(_));
    let next = if matches!(next, Acquire::Held(_)) { "not free yet" } else { "free at once" };
    Ok(Seen::is_so(
        is_so,
        format!("the leader's renewal: {}; {next}, said to be free in {free_in:?}", renewal(renewed)),
    ))
}

async fn listed(ground: Ground) -> Result<Seen> {
    let store = ground.election("P9")?;
    let Some(operator) = store.operator() else { return Ok(Seen::not_checked("this store lists no elections")) };
    take(&store, &claim("first", ground.timing().lease())?).await?;
    let names = within(operator.elections()).await?;
    let is_so = names.iter().any(|name| name == store.election());
    Ok(Seen::is_so(is_so, if is_so { "it is listed" } else { "it is not listed" }))
}

fn renewal(renewed: Renew) -> &'static str {
    match renewed {
        Renew::Renewed => "renewed",
        Renew::Lost(_) => "refused",
    }
}

fn state_in_words(state: LeaseState) -> &'static str {
    if state == Observation::default().state { "free" } else { "not free" }
}
