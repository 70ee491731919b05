//! What takes how long: when a lapsed lease is free, requests, and the clocks.

use std::time::{Duration, Instant, SystemTime};

use tokio::task::JoinSet;

use super::ground::{claim, take, within};
use super::{Ground, Seen, Step, Verdict};
use crate::store::Store;
use leader_election::{
    Acquire, AcquireRequest, Claim, DistributedMutex, Error, ErrorKind, Renew, Result, Timing, Version,
};

/// How many leases run out at the same time.
const LAPSES: usize = 3;
/// How often they are looked at then.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// From how long before the end of a lease it is looked at.
const BEFORE: Duration = Duration::from_millis(300);
/// How long after its end: Microsoft's page of Lease Blob allows up to a minute.
const AFTER: Duration = Duration::from_secs(75);
/// How often a request is timed, at the most, and how long all of a kind may take.
const TIMES: usize = 100;
const TIMING_ALL: Duration = Duration::from_secs(10);
/// After such a pause a connection is opened anew: stores keep theirs for 3 s.
const IDLE: Duration = Duration::from_millis(3_500);

pub(super) fn steps(ground: &Ground) -> Result<Vec<Step>> {
    let lease = ground.shortest_lease(&ground.unused()?);
    let lapse = Step::new(
        "P11",
        "A leader that is dead is replaced when its lease has run out: not before, and within a poll (a fifteenth of the lease)",
        lapse,
    );
    Ok(vec![
        lapse.waiting("leases without a leader run out", lease + Duration::from_secs(1)),
        Step::new("P12", "A look and a renewal are fast enough for the timing", latency)
            .waiting("looks and renewals are timed", Duration::from_secs(12))
            .alone(),
        Step::new("P13", "The clock of this machine against that of the store (no promise hangs on it)", clock),
    ])
}

async fn lapse(ground: Ground) -> Result<Seen> {
    let mut elections = JoinSet::new();
    for number in 1..=LAPSES {
        let store = ground.election(&format!("P11-{number}"))?;
        let lease = ground.shortest_lease(&store);
        elections.spawn(async move { run_out(&store, lease).await.map(|end| (lease, end)) });
    }
    let mut ends = Vec::new();
    while let Some(end) = elections.join_next().await {
        let panicked = |error| Error::new(ErrorKind::Runtime, "a look panicked").with_source(error);
        ends.push(end.map_err(panicked)??);
    }
    let Some((lease, worst)) = ends.iter().max_by_key(|(_, end)| end.rank()).copied() else {
        return Ok(Seen::not_checked("nothing was looked at"));
    };
    let allowed = lease / 15;
    Ok(match worst {
        End::Early(early) => Seen::differs(format!("a lease of {lease:?} was free {early:?} before its end")),
        End::Never => Seen::differs(format!("a lease of {lease:?} is not free {AFTER:?} after its end")),
        End::Wrong(what) => Seen::differs(what),
        End::WaitedOut => Seen::is_so(
            true,
            "a document: replaced once it has stood still for a lease, never before; the old leader is refused",
        ),
        End::Free { .. } => {
            let late: Vec<_> = ends.iter().filter_map(|(_, end)| end.late()).collect();
            let at_least = late.iter().map(|(at_least, _)| *at_least).max().unwrap_or_default();
            let shown: Vec<_> =
                late.iter().map(|(from, to)| format!("{} to {}", from.as_millis(), to.as_millis())).collect();
            let text = format!("of {LAPSES} leases of {lease:?}, free {} ms after their end", shown.join(", "));
            let (is_so, page) = (
                at_least <= allowed,
                "; the page of Lease Blob allows up to a minute, README and RELIABILITY promise a poll",
            );
            Seen::is_so(is_so, if is_so { text } else { format!("{text}{page}") })
        }
    })
}

/// How a lease came to its end.
#[derive(Debug, Clone, Copy)]
enum End {
    /// Of a document, which does not run out by itself.
    WaitedOut,
    /// It was free between these times after its end.
    Free {
        at_least: Duration,
        latest: Duration,
    },
    Never,
    Wrong(&'static str),
    Early(Duration),
}

impl End {
    fn rank(&self) -> (u8, Duration) {
        match self {
            Self::WaitedOut => (0, Duration::ZERO),
            Self::Free { latest, .. } => (1, *latest),
            Self::Never => (2, Duration::ZERO),
            Self::Wrong(_) => (3, Duration::ZERO),
            Self::Early(early) => (4, *early),
        }
    }

    fn late(&self) -> Option<(Duration, Duration)> {
        match self {
            Self::Free { at_least, latest } => Some((*at_least, *latest)),
            _ => None,
        }
    }
}

/// Takes a lease, and lets it run out.
async fn run_out(store: &Store, lease: Duration) -> Result<End> {
    let [first, second] = [claim("dead", lease)?, claim("next", lease)?];
    let sent = Instant::now();
    take(store, &first).await?;
    let answered = Instant::now();
    match within(store.try_acquire(AcquireRequest::new(&second))).await? {
        Acquire::Granted(_) => Ok(End::Early(lease)),
        Acquire::Held(held) => match held.version {
            Some(version) => stand_still(store, &first, &second, &version).await,
            None => look_until_free(store, &second, sent + lease, answered + lease).await,
        },
    }
}

/// A document is replaced by who has watched it for a lease, and by nobody else.
async fn stand_still(store: &Store, first: &Claim, second: &Claim, version: &Version) -> Result<End> {
    tokio::time::sleep(first.lease).await;
    let unwatched = within(store.try_acquire(AcquireRequest::new(second))).await?;
    if matches!(unwatched, Acquire::Granted(_)) {
        return Ok(End::Wrong("a document was replaced by a candidate that had not watched it"));
    }
    let taken = within(store.try_acquire(AcquireRequest::new(second).with_lapsed(Some(version)))).await?;
    let old = within(store.renew(first)).await?;
    Ok(match (taken, old) {
        (Acquire::Held(_), _) => End::Wrong("a document that stood still for its lease is not replaced"),
        (_, Renew::Renewed) => End::Wrong("a leader that was replaced renews its lease"),
        _ => End::WaitedOut,
    })
}

/// The lease ends between these two instants, as the service counts it.
async fn look_until_free(store: &Store, second: &Claim, earliest: Instant, latest: Instant) -> Result<End> {
    tokio::time::sleep_until((earliest - BEFORE).into()).await;
    let mut last_held = earliest - BEFORE;
    while Instant::now() < latest + AFTER {
        let asked = Instant::now();
        let seen = within(store.observe()).await?;
        let told = Instant::now();
        if seen.is_held() {
            last_held = asked;
            tokio::time::sleep(LOOK_EVERY).await;
            continue;
        }
        if told < earliest {
            return Ok(End::Early(earliest - told));
        }
        return Ok(match within(store.try_acquire(AcquireRequest::new(second))).await? {
            Acquire::Granted(_) => End::Free {
                at_least: last_held.saturating_duration_since(latest),
                latest: told.saturating_duration_since(earliest),
            },
            Acquire::Held(_) => End::Wrong("a lease that is shown as free is not granted"),
        });
    }
    Ok(End::Never)
}

async fn latency(ground: Ground) -> Result<Seen> {
    let store = ground.election("P12")?;
    let claim = claim("first", ground.timing().lease())?;
    take(&store, &claim).await?;
    tokio::time::sleep(IDLE).await;
    let began = Instant::now();
    within(store.observe()).await?;
    let first = began.elapsed();
    let look = || {
        let store = store.clone();
        async move { within(store.observe()).await.map(drop) }
    };
    let looks = timed(Duration::from_millis(20), look).await?;
    let renewal = || {
        let (store, claim) = (store.clone(), claim.clone());
        async move { within(store.renew(&claim)).await.map(drop) }
    };
    // Slower: each is a write, which a service may charge and throttle.
    let renewals = timed(Duration::from_millis(50), renewal).await?;
    let [look, renewal] = [Spread::of(looks), Spread::of(renewals)];
    let (verdict, advice) = advice(ground.timing(), first, look, renewal);
    let millis = |time: Duration| format!("{:.1}", time.as_secs_f64() * 1000.0);
    let shown = |spread: Spread| format!("p50 {} ms, p99 {} ms", millis(spread.p50), millis(spread.p99));
    let text = format!(
        "look {}; renewal {}; a look after a pause, which connects, {} ms; {advice}",
        shown(look),
        shown(renewal),
        millis(first)
    );
    Ok(Seen::new(verdict, text))
}

async fn timed<F: Future<Output = Result<()>>>(pause: Duration, request: impl Fn() -> F) -> Result<Vec<Duration>> {
    let began = Instant::now();
    let mut times = Vec::new();
    while times.is_empty() || times.len() < TIMES && began.elapsed() < TIMING_ALL {
        let sent = Instant::now();
        request().await?;
        times.push(sent.elapsed());
        tokio::time::sleep(pause).await;
    }
    Ok(times)
}

#[derive(Debug, Clone, Copy)]
struct Spread {
    p50: Duration,
    p99: Duration,
}

impl Spread {
    fn of(mut times: Vec<Duration>) -> Self {
        times.sort();
        let at = |percent: usize| times.get((times.len() * percent / 100).min(times.len().saturating_sub(1))).copied();
        Self { p50: at(50).unwrap_or_default(), p99: at(99).unwrap_or_default() }
    }
}

/// An attempt has a limit, and a standby gives up its looks after a quarter of that at first; a renewal mostly opens a connection.
fn advice(timing: &Timing, connecting: Duration, look: Spread, renewal: Spread) -> (Verdict, String) {
    let limit = timing.attempt_timeout();
    let usual = look.p50.max(renewal.p50) + connecting;
    let slowest = look.p99.max(renewal.p99) + connecting;
    let for_lease = format!("an attempt of --lease {} may take {} ms", words(timing.lease()), limit.as_millis());
    if usual <= limit / 4 && slowest <= limit {
        return (Verdict::Measured, format!("{for_lease}: that fits"));
    }
    // The limit is a fifth of the lease, and 6 s at the most.
    let lease = Duration::from_secs((usual * 20).max(slowest * 5).as_secs() + 1);
    let advice = match lease <= Duration::from_secs(60) {
        true => format!("take a --lease of {} or more, or move the worker nearer to the store", words(lease)),
        false => "move the worker nearer to the store, or find out what delays its requests".to_owned(),
    };
    (Verdict::Unfit, format!("{for_lease}, which is too short: {advice}"))
}

fn words(time: Duration) -> String {
    format!("{}s", time.as_secs_f64())
}

/// The store tells its clock where it says when a leader was elected, in whole seconds where it knows no more.
async fn clock(ground: Ground) -> Result<Seen> {
    let store = ground.election("P13")?;
    let sent = SystemTime::now();
    take(&store, &claim("first", ground.timing().lease())?).await?;
    let answered = SystemTime::now();
    let leader = within(store.observe()).await?.latest;
    let Some(elected) = leader.and_then(|leader| leader.elected_at) else {
        return Ok(Seen::not_checked("this store tells no time"));
    };
    let seconds = |time: SystemTime| match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) => since.as_secs_f64(),
        Err(_) => 0.0,
    };
    let (least, most) = (seconds(sent) - seconds(elected) - 1.0, seconds(answered) - seconds(elected));
    let by = if least > 0.0 {
        least
    } else if most < 0.0 {
        most
    } else {
        0.0
    };
    let text = match by {
        0.0 => "they agree, as far as whole seconds tell".to_owned(),
        by if by > 0.0 => format!("this machine is ahead by {by:.1} s at the least"),
        by => format!("this machine is behind by {:.1} s at the least", -by),
    };
    // Azure refuses a request whose date is a quarter of an hour off.
    let advice =
        if by.abs() > 300.0 { ": set it, as services refuse signatures and tokens of another time" } else { "" };
    Ok(Seen::measured(format!("{text}{advice}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_store_is_told_with_the_lease_that_it_takes() {
        let spread = |millis| Spread { p50: Duration::from_millis(millis), p99: Duration::from_millis(millis * 2) };
        let timing = Timing::default();
        let (verdict, text) = advice(&timing, Duration::from_millis(20), spread(10), spread(10));
        assert_eq!((verdict, text.ends_with("that fits")), (Verdict::Measured, true), "{text}");
        let (verdict, text) = advice(&timing, Duration::from_millis(400), spread(900), spread(900));
        assert_eq!((verdict, text.contains("--lease of 27s")), (Verdict::Unfit, true), "{text}");
        let (verdict, text) = advice(&timing, Duration::ZERO, spread(9_000), spread(9_000));
        assert_eq!((verdict, text.contains("nearer")), (Verdict::Unfit, true), "{text}");
    }

    #[test]
    fn a_percentile_is_one_of_the_times() {
        let times: Vec<_> = (1..=100).rev().map(Duration::from_millis).collect();
        let Spread { p50, p99 } = Spread::of(times);
        assert_eq!((p50.as_millis(), p99.as_millis()), (51, 100));
        assert_eq!(Spread::of(vec![Duration::from_millis(7)]).p99.as_millis(), 7);
    }
}
