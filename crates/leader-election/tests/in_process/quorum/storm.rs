//! Members that lose, delay and repeat what is sent to them, and leaders that die: in virtual time, over many seeds.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use leader_election::{
    Acquire, AcquireRequest, CancellationToken, Claim, DistributedMutex, Error, ErrorKind, FencingToken, HolderId,
    LeaderData, LeaderHost, LeaderHostOptions, Observation, QuorumMutex, Renew, Result, Sources, Timing, Version,
    async_trait,
};
use testkit::random::Random;

use super::member::Kept;

const LASTS: Duration = Duration::from_secs(120);

/// A member on a network that is not to be relied on, as one process reaches it.
#[derive(Debug)]
struct Lossy {
    inner: Arc<dyn DistributedMutex>,
    random: Arc<Mutex<Random>>,
    /// In a hundred, each way.
    loss: u64,
    /// Its process is dead, and sends nothing any more.
    dead: CancellationToken,
}

/// What becomes of one request.
#[derive(Debug)]
struct Fate {
    out: Duration,
    arrives: bool,
    /// It arrives once more after this time.
    again: Option<Duration>,
    back: Option<Duration>,
    hangs: bool,
}

impl Lossy {
    fn fate(&self) -> Fate {
        let mut random = self.random.lock().expect("not poisoned");
        let slow = random.chance(self.loss);
        let longest = if slow { 400 } else { 10 };
        Fate {
            out: random.millis(0, longest),
            arrives: !random.chance(self.loss),
            again: random.chance(self.loss).then(|| random.millis(1, 3_000)),
            back: (!random.chance(self.loss)).then(|| random.millis(0, longest)),
            hangs: random.chance(50),
        }
    }

    /// As a network carries it: whoever waits no longer has not taken it back.
    async fn carry<T: Send + 'static, F>(&self, send: impl Fn(Arc<dyn DistributedMutex>) -> F) -> Result<T>
    where
        F: Future<Output = Result<T>> + Send + 'static,
    {
        if self.dead.is_cancelled() {
            std::future::pending::<()>().await;
        }
        let fate = self.fate();
        let (tell, told) = tokio::sync::oneshot::channel();
        if fate.arrives {
            let request = send(Arc::clone(&self.inner));
            tokio::spawn(async move {
                tokio::time::sleep(fate.out).await;
                let answer = request.await;
                if let Some(back) = fate.back {
                    tokio::time::sleep(back).await;
                    let _ = tell.send(answer);
                }
            });
        }
        if let Some(later) = fate.again {
            let request = send(Arc::clone(&self.inner));
            tokio::spawn(async move {
                tokio::time::sleep(later).await;
                let _ = request.await;
            });
        }
        match told.await {
            Ok(answer) => answer,
            Err(_) if fate.hangs => std::future::pending().await,
            Err(_) => Err(Error::new(ErrorKind::Unreachable, "lost")),
        }
    }
}

#[async_trait]
impl DistributedMutex for Lossy {
    async fn try_acquire(&self, request: AcquireRequest<'_>) -> Result<Acquire> {
        struct Asked(Claim, Option<Version>, bool, Option<FencingToken>, Option<LeaderData>);
        let asked = Arc::new(Asked(
            request.claim.clone(),
            request.lapsed.cloned(),
            request.unsettled,
            request.floor,
            request.data.cloned(),
        ));
        self.carry(|inner| {
            let asked = Arc::clone(&asked);
            async move {
                let request = AcquireRequest::new(&asked.0)
                    .with_lapsed(asked.1.as_ref())
                    .with_unsettled(asked.2)
                    .with_floor(asked.3)
                    .with_data(asked.4.as_ref());
                inner.try_acquire(request).await
            }
        })
        .await
    }

    async fn renew(&self, claim: &Claim) -> Result<Renew> {
        let claim = claim.clone();
        self.carry(|inner| {
            let claim = claim.clone();
            async move { inner.renew(&claim).await }
        })
        .await
    }

    async fn release(&self, claim: &Claim) -> Result<()> {
        let claim = claim.clone();
        self.carry(|inner| {
            let claim = claim.clone();
            async move { inner.release(&claim).await }
        })
        .await
    }

    async fn observe(&self) -> Result<Observation> {
        self.carry(|inner| async move { inner.observe().await }).await
    }

    fn election(&self) -> &str {
        self.inner.election()
    }
}

/// What was seen of the leaders.
#[derive(Debug, Default)]
struct Judge {
    leads: Option<FencingToken>,
    last: Option<FencingToken>,
    terms: usize,
    wrong: Vec<String>,
}

struct Leads<'a>(&'a Mutex<Judge>, FencingToken);

impl<'a> Leads<'a> {
    fn begin(judge: &'a Mutex<Judge>, token: FencingToken) -> Self {
        let mut seen = judge.lock().expect("not poisoned");
        if let Some(other) = seen.leads {
            seen.wrong.push(format!("{token} leads beside {other}"));
        }
        if seen.last.is_some_and(|last| token <= last) {
            let last = seen.last;
            seen.wrong.push(format!("{token} follows {last:?}"));
        }
        seen.leads = Some(token);
        seen.last = seen.last.max(Some(token));
        seen.terms += 1;
        Self(judge, token)
    }
}

impl Drop for Leads<'_> {
    fn drop(&mut self) {
        let mut seen = self.0.lock().expect("not poisoned");
        if seen.leads == Some(self.1) {
            seen.leads = None;
        }
    }
}

/// One candidate: again and again a process that contends, leads for a while, and ends in good order or not.
async fn candidate(number: usize, members: Vec<Kept>, loss: u64, seed: u64, judge: Arc<Mutex<Judge>>) {
    let random = Arc::new(Mutex::new(Random::new(seed)));
    let mut moods = Random::new(seed ^ 1);
    for life in 0_u64.. {
        let sources = Sources::seeded(seed.wrapping_mul(1_000).wrapping_add(life));
        let dead = CancellationToken::new();
        let member = |kept: &Kept| {
            Arc::new(Lossy { inner: kept.open(), random: Arc::clone(&random), loss, dead: dead.clone() }) as _
        };
        let quorum = QuorumMutex::new(members.iter().map(member)).expect("an odd number").with_sources(sources.clone());
        let options = LeaderHostOptions {
            holder: HolderId::new(format!("worker-{number}")).expect("valid"),
            timing: Timing::for_lease(Duration::from_secs(1)).expect("valid"),
            pause: Duration::from_millis(100),
            abort_process_on_overrun: false,
            ..LeaderHostOptions::default()
        };
        let host = LeaderHost::new(quorum).with_options(options).with_sources(sources).on_caller_runtime();
        let (shutdown, dies) = (CancellationToken::new(), moods.chance(50));
        let leads_for = moods.millis(1, 2_000);
        let (judging, ends) = (Arc::clone(&judge), CancellationToken::new());
        let over = ends.clone();
        let run = host.run_task_when_mutex_acquired(shutdown.clone(), move |leader| {
            let (judge, over) = (Arc::clone(&judging), over.clone());
            async move {
                let token = leader.fencing_token();
                let _leads = Leads::begin(&judge, token);
                tokio::select! {
                    () = leader.token().cancelled() => {}
                    () = tokio::time::sleep(leads_for) => {
                        over.cancel();
                        leader.token().cancelled().await;
                    }
                }
                Ok(())
            }
        });
        let mut run = Box::pin(run);
        tokio::select! {
            _ = &mut run => continue,
            () = ends.cancelled() => {}
        }
        if dies {
            dead.cancel();
            drop(run);
        } else {
            shutdown.cancel();
            let _ = run.await;
        }
        tokio::time::sleep(moods.millis(0, 500)).await;
    }
}

async fn storm(seed: u64) -> (usize, Vec<String>) {
    let mut random = Random::new(seed);
    let loss = random.pick(&[0, 5, 15, 30]);
    let number = random.pick(&[3, 3, 5]);
    let documents = random.within(0, number + 1);
    let kept = |member| if member < documents { Kept::document() } else { Kept::lease() };
    let members: Vec<Kept> = (0..number).map(kept).collect();
    let judge = Arc::new(Mutex::new(Judge::default()));
    let mut candidates = tokio::task::JoinSet::new();
    for number in 0..4 {
        candidates.spawn(candidate(number, members.clone(), loss, random.next(), Arc::clone(&judge)));
    }
    tokio::time::sleep(LASTS).await;
    candidates.shutdown().await;
    let judge = judge.lock().expect("not poisoned");
    let wrong = judge
        .wrong
        .iter()
        .map(|wrong| format!("seed {seed}, {number} members, {documents} documents, loss {loss} %: {wrong}"));
    (judge.terms, wrong.collect())
}

/// Set `QUORUM_SEEDS` for more, and `QUORUM_FROM` to begin elsewhere.
#[test]
fn one_leads_at_a_time_and_tokens_rise_whatever_the_members_lose_delay_and_repeat() {
    let number = |name: &str, usual| std::env::var(name).map_or(usual, |text| text.parse().expect("a number"));
    let (from, seeds) = (number("QUORUM_FROM", 0), number("QUORUM_SEEDS", 40));
    let (mut terms, mut wrong) = (0, vec![]);
    for seed in from..from + seeds {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().expect("a runtime");
        let (led, found) = runtime.block_on(storm(seed));
        assert!(led > 5, "seed {seed}: {led} terms in {LASTS:?}");
        terms += led;
        wrong.extend(found);
    }
    println!("quorum storm: seeds={seeds} terms={terms} violations={}", wrong.len());
    assert_eq!(wrong, [""; 0]);
}
