//! Rules over a lease's time, and the suite's own clock.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::rules::{grant, held, renewed};
use super::{Fixture, claim};
use crate::{Acquire, AcquireRequest, Claim, DistributedMutex, Held, Version};

/// How often a rule is repeated whose answers came too late to tell anything.
pub(super) const ROUNDS: usize = 5;

/// Rules 1 and 2: a grant holds for its whole lease. A second claim is refused at 0.3, 0.6 and 0.9 of it.
pub async fn a_grant_holds_for_its_whole_lease(fixture: &impl Fixture) {
    for _ in 0..ROUNDS {
        let election = fixture.fresh().await;
        let (first, second) = (fixture.open(&election).await, fixture.open(&election).await);
        let (a, b) = (claim(fixture, "a"), claim(fixture, "b"));
        let mut lease = Stopwatch::start(fixture);
        grant(&first, &a).await;
        if is_refused_throughout(&second, &b, &mut lease, "rule 2", "the grant").await {
            return;
        }
    }
    too_slow(fixture);
}

/// Rules 1 and 2: a renewal holds for a whole lease from then on. A second claim is refused at 0.3, 0.6 and 0.9 of it.
pub async fn a_renewal_holds_for_a_whole_lease(fixture: &impl Fixture) {
    for _ in 0..ROUNDS {
        let election = fixture.fresh().await;
        let (first, second) = (fixture.open(&election).await, fixture.open(&election).await);
        let (a, b) = (claim(fixture, "a"), claim(fixture, "b"));
        let mut granted = Stopwatch::start(fixture);
        grant(&first, &a).await;
        // Late enough that the grant alone does not last until the end.
        granted.reach(fixture.lease() / 2).await;
        let mut lease = Stopwatch::start(fixture);
        let renewal = first.renew(&a).await;
        if granted.is_over() {
            continue;
        }
        renewed(renewal);
        if is_refused_throughout(&second, &b, &mut lease, "rule 2", "the renewal").await {
            return;
        }
    }
    too_slow(fixture);
}

/// Rules 1 and 2: only the present version of a record may be replaced as lapsed. One from before a renewal, one of an
/// earlier term, another election's and one that never was are refused. A lease store ignores them all, and refuses as well
/// while the lease runs.
pub async fn a_lapsed_version_that_is_not_the_present_one_is_refused(fixture: &impl Fixture) {
    for _ in 0..ROUNDS {
        if stale_versions_are_refused(fixture).await {
            return;
        }
    }
    too_slow(fixture);
}

async fn stale_versions_are_refused(fixture: &impl Fixture) -> bool {
    let (election, elsewhere) = (fixture.fresh().await, fixture.fresh().await);
    let (first, second) = (fixture.open(&election).await, fixture.open(&election).await);
    let other = fixture.open(&elsewhere).await;
    let (a, b, c) = (claim(fixture, "a"), claim(fixture, "b"), claim(fixture, "c"));

    grant(&other, &c).await;
    let of_another_election = held(&other, &b).await.version;
    grant(&first, &c).await;
    let of_an_earlier_term = held(&second, &b).await.version;
    first.release(&c).await.expect("rule 7: a release of one's own lease goes through");

    grant(&first, &a).await;
    let from_before_the_renewal = held(&second, &b).await.version;
    let lease = Stopwatch::start(fixture);
    renewed(first.renew(&a).await);
    let present = held(&second, &b).await.version;
    assert_eq!(
        present.is_some(),
        from_before_the_renewal.is_some(),
        "rule 2: a document store shows its version each time, a lease store never"
    );
    assert!(
        present.is_none() || present != from_before_the_renewal,
        "rule 2: a renewal changes the version, or its watchers would see the record stand still"
    );
    let made_up = made_up(present.as_ref());
    for (what, lapsed) in [
        ("from before a renewal", from_before_the_renewal),
        ("of an earlier term", of_an_earlier_term),
        ("of another election", of_another_election),
        ("that never was", Some(made_up)),
    ] {
        let Some(lapsed) = lapsed else { continue };
        let answer = second.try_acquire(AcquireRequest::new(&b).with_lapsed(Some(&lapsed))).await;
        if lease.is_over() && present.is_none() {
            return false;
        }
        match answer {
            Ok(Acquire::Held(_)) => {}
            Ok(Acquire::Granted(_)) => panic!(
                "rule 1: a claim was granted over a `lapsed` version {what}, while another one holds the lease: exactly the \
                 version that was passed may be replaced"
            ),
            // Whether the service takes it for a version at all is its own affair.
            Err(_) if what == "that never was" => {}
            Err(error) => panic!("rule 5: contention is no error, also with a `lapsed` version {what}: {error}"),
        }
    }
    let renewal = first.renew(&a).await;
    if lease.is_over() && present.is_none() {
        return false;
    }
    renewed(renewal);
    true
}

/// Like the present one, and another.
fn made_up(present: Option<&Version>) -> Version {
    let text = present.map_or("17", Version::as_str);
    let turned = |c: char| match c {
        '0'..='8' => char::from(c as u8 + 1),
        '9' => '0',
        other => other,
    };
    let turned: String = text.chars().map(turned).collect();
    let text = if turned == text { format!("{text}1") } else { turned };
    Version::new(text).expect("a version")
}

/// `false` when an answer came too late to tell anything.
pub(super) async fn is_refused_throughout<F: Fixture>(
    mutex: &Arc<dyn DistributedMutex>,
    claim: &Claim,
    lease: &mut Stopwatch<'_, F>,
    rule: &str,
    what: &str,
) -> bool {
    for tenths in [3, 6, 9] {
        lease.reach(lease.length() * tenths / 10).await;
        let answer = mutex.try_acquire(claim.into()).await;
        if lease.is_over() {
            return false;
        }
        match answer {
            Ok(Acquire::Held(Held { .. })) => {}
            other => panic!(
                "{rule}: 0.{tenths} of the lease after {what} it is held still, and a second claim is told so, not {other:?}"
            ),
        }
    }
    true
}

pub(super) fn too_slow(fixture: &impl Fixture) -> ! {
    panic!(
        "rule 2 could not be tested: in each of {ROUNDS} rounds an answer came after the end of the lease of {:?}. This machine \
         or the store is slower than that: let the fixture name a longer lease",
        fixture.lease()
    )
}

/// The suite's own clock since a moment: the runtime's, and what the fixture put the store's clock forward beyond it.
pub(super) struct Stopwatch<'a, F: Fixture> {
    fixture: &'a F,
    started: Instant,
    put_forward: Duration,
}

impl<'a, F: Fixture> Stopwatch<'a, F> {
    /// Started before a request is sent, it is never behind the lease that the request begins.
    pub(super) fn start(fixture: &'a F) -> Self {
        Self { fixture, started: Instant::now(), put_forward: Duration::ZERO }
    }

    fn length(&self) -> Duration {
        self.fixture.lease()
    }

    pub(super) fn shows(&self) -> Duration {
        self.started.elapsed() + self.put_forward
    }

    pub(super) fn is_over(&self) -> bool {
        self.shows() >= self.length()
    }

    /// Lets time pass until it shows this.
    pub(super) async fn reach(&mut self, time: Duration) {
        let missing = time.saturating_sub(self.shows());
        if missing.is_zero() {
            return;
        }
        let before = Instant::now();
        self.fixture.elapse(missing).await;
        self.put_forward += missing.saturating_sub(before.elapsed());
    }
}
