//! One of the workers: the part that a program of your own would have.

use std::path::Path;
use std::time::Duration;

use azure_leader_election::{
    CancellationToken, FencingToken, FileMutex, HolderId, LeaderEvent, LeaderEvents, LeaderHost, LeaderHostOptions,
    Leadership, TaskError, Timing, TimingOptions,
};

use crate::saying::Saying;

/// The time between two charges, and the time from the decision to charge until the request leaves.
const PACE: Duration = Duration::from_millis(50);
const THINK: Duration = Duration::from_millis(150);

/// Contends and leads until standard input ends.
pub async fn work(name: &str, directory: &Path, endpoint: String) -> Result<(), TaskError> {
    let shutdown = end_with_the_parent()?;
    let host = LeaderHost::new(FileMutex::new(directory, "billing")?).with_options(LeaderHostOptions {
        holder: HolderId::new(name)?,
        timing: Timing::new(TimingOptions {
            poll_every: Duration::from_millis(100),
            ..TimingOptions::for_lease(Duration::from_secs(3))
        })?,
        ..LeaderHostOptions::default()
    });
    tokio::spawn(tell_of_ends(host.events()));
    let bank = Bank::new(endpoint)?;
    host.run(shutdown, move |leader| charge_what_is_due(leader, bank.clone())).await?;
    Ok(())
}

/// The leader's task.
async fn charge_what_is_due(leader: Leadership, bank: Bank) -> Result<(), TaskError> {
    let token = leader.fencing_token();
    // The fence first: what is read after it can be charged by nobody older any more.
    let due = bank.take_over(token).await?;
    Saying::Leads { token, due: due.len() }.say();
    for subscription in due {
        if leader.token().run_until_cancelled(tokio::time::sleep(PACE)).await.is_none() {
            return Ok(());
        }
        // As good as it gets without a fence: the leader looks right before it writes.
        leader.ensure()?;
        Saying::Charges { token, subscription: subscription.clone() }.say();
        // Whatever goes wrong ends the term, and with it the doubt whether this charge will still arrive: the next term
        // raises the fence. To try again under the same token could charge twice.
        bank.charge(token, subscription).await?;
    }
    leader.token().cancelled().await;
    Ok(())
}

async fn tell_of_ends(mut events: LeaderEvents) {
    while let Some(event) = events.recv().await {
        if let LeaderEvent::Ended { fencing_token, reason, .. } = event {
            Saying::Ended { token: fencing_token, reason: reason.to_string() }.say();
        }
    }
}

/// The client of the payment endpoint.
#[derive(Clone)]
struct Bank {
    http: reqwest::Client,
    endpoint: String,
}

impl Bank {
    fn new(endpoint: String) -> Result<Self, TaskError> {
        // No proxy to this machine's own endpoint; and no retries below, which would send twice under one token.
        let http = reqwest::Client::builder().no_proxy().retry(reqwest::retry::never());
        Ok(Self { http: http.timeout(Duration::from_secs(5)).build()?, endpoint })
    }

    /// Raises the fence to this token, and reads which subscriptions are due.
    async fn take_over(&self, token: FencingToken) -> Result<Vec<String>, TaskError> {
        let due = self.post("take-over", token, String::new()).await?;
        Ok(due.lines().map(str::to_owned).collect())
    }

    /// Charges a subscription. The charge goes on by itself when the caller is aborted, as it often is in real code: behind a
    /// queue, in a thread, in the network. So neither the cancellation nor the abortion of the leader's task calls it back.
    async fn charge(&self, token: FencingToken, subscription: String) -> Result<(), TaskError> {
        let bank = self.clone();
        let on_its_way = tokio::spawn(async move {
            tokio::time::sleep(THINK).await;
            let charged = bank.post("charges", token, subscription.clone()).await;
            let outcome = charged.as_ref().map_or_else(ToString::to_string, |_| "charged".to_owned());
            Saying::Settled { token, subscription, outcome }.say();
            charged.map(drop)
        });
        on_its_way.await?
    }

    async fn post(&self, what: &str, token: FencingToken, body: String) -> Result<String, TaskError> {
        let request = self.http.post(format!("{}/{what}", self.endpoint));
        let answer = request.header(FencingToken::HEADER, token.to_string()).body(body).send().await?;
        let refused = !answer.status().is_success();
        let text = answer.text().await?;
        if refused { Err(text.into()) } else { Ok(text) }
    }
}

/// Standard input ends with the program that started this one, however that ends.
fn end_with_the_parent() -> Result<CancellationToken, TaskError> {
    // Only this reaches a worker that is paused at that moment. Elsewhere the system wakes it by SIGHUP, as the paused
    // process's group, which is its own, has lost its parent.
    #[cfg(target_os = "linux")]
    nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGKILL)?;
    let shutdown = CancellationToken::new();
    let ended = shutdown.clone();
    std::thread::Builder::new().name("standard-input".to_owned()).spawn(move || {
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        ended.cancel();
    })?;
    Ok(shutdown)
}
