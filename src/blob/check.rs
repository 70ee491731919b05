//! What the blob service's documentation says, asked of the service by requests of this room's own: the SDK sends some of them in no
//! way at all. Each case is a state of a blob's lease, an operation, and the documented outcome, which stands in [`cases`].

mod calls;
mod cases;
mod raw;
mod special;

use std::sync::Arc;

use async_trait::async_trait;

use super::lease::BlobDistributedMutex;
use crate::check::{Probes, Seen, Step, side};
use cases::{Case, Topic};
use leader_election::{ErrorKind, Result};
use raw::{Answer, Raw};

pub(crate) struct BlobProbes(Arc<Raw>);

impl BlobProbes {
    /// By the right of this mutex, in its container.
    pub(crate) fn new(mutex: &BlobDistributedMutex) -> Result<Self> {
        let opened = mutex.opened();
        Ok(Self(Arc::new(Raw::new(&opened.address, opened.access.clone())?)))
    }
}

#[async_trait]
impl Probes for BlobProbes {
    fn steps(&self) -> Vec<Step> {
        let topics = cases::topics().into_iter().map(|topic| {
            let (raw, waits, (number, says)) = (Arc::clone(&self.0), topic.waits(), (topic.number, topic.says));
            let step = Step::new(number, says, move |ground| async move {
                let name = |index: usize| ground.name(&format!("{number}-{index}"));
                unless_without_tags(&topic, ask_all(&raw, &topic, name).await)
            });
            if waits { step.waiting("leases run out", cases::RUN_OUT) } else { step }
        });
        topics.chain(special::steps(&self.0)).collect()
    }

    async fn remove(&self, election: &str) -> Result<()> {
        let sides = side::written_beside(election).iter().map(|side| format!("{election}.{side}"));
        for blob in sides.chain([election.to_owned()]) {
            self.0.remove(&blob).await?;
        }
        Ok(())
    }
}

/// Brings about all states, waits once, and then asks.
async fn ask_all(raw: &Raw, topic: &Topic, name: impl Fn(usize) -> String) -> Result<Seen> {
    // A blob for each, where they have to wait at the same time; otherwise one is enough.
    let blob = |index| if topic.waits() { name(index) } else { name(0) };
    let mut seen = Vec::new();
    if topic.waits() {
        for (index, case) in topic.cases.iter().enumerate() {
            prepare(raw, &blob(index), case).await?;
        }
        tokio::time::sleep(cases::RUN_OUT).await;
    }
    for (index, case) in topic.cases.iter().enumerate() {
        let blob = blob(index);
        if !topic.waits() {
            prepare(raw, &blob, case).await?;
        }
        for call in case.state.after() {
            raw.expect(&blob, &call).await?;
        }
        seen.push((case, ask(raw, &blob, case).await?));
    }
    let differing: Vec<_> = seen.iter().filter(|(case, seen)| case.expected != seen.as_str()).collect();
    if differing.is_empty() {
        let outcomes: Vec<_> = seen.iter().map(|(case, seen)| format!("{}: {seen}", case.in_words())).collect();
        return Ok(Seen::is_so(true, outcomes.join("; ")));
    }
    let shown = differing.iter().map(|(case, seen)| format!("{}: {seen}, and not {}", case.in_words(), case.expected));
    Ok(Seen::differs(shown.collect::<Vec<_>>().join("; ")))
}

/// Tags are for `FencedBlob`, and no election needs them: a worker that has no right to them, or an account that has none, is fit.
fn unless_without_tags(topic: &Topic, seen: Result<Seen>) -> Result<Seen> {
    let is_about_tags = topic.cases.iter().any(|case| case.call.is_about_tags());
    match seen {
        Err(error) if is_about_tags && error.kind() == ErrorKind::Denied => Ok(Seen::not_checked(
            "this identity or signature may not touch tags, which FencedBlob needs and no election does",
        )),
        Err(error) if is_about_tags && error.to_string().contains("Hierarchical") => Ok(Seen::not_checked(
            "this account has no blob tags (hierarchical namespace): FencedStateBlob does without",
        )),
        seen => seen,
    }
}

/// A new blob, whatever was there, in this state; but for what comes after a wait.
async fn prepare(raw: &Raw, blob: &str, case: &Case) -> Result<()> {
    // Fails where there is no blob or no lease.
    raw.send(blob, &calls::breaking("0")).await?;
    raw.expect(blob, &calls::create_for(&case.call)).await?;
    for call in case.state.before() {
        raw.expect(blob, &call).await?;
    }
    Ok(())
}

/// What came of the operation, and what the blob is then.
async fn ask(raw: &Raw, blob: &str, case: &Case) -> Result<String> {
    let before = raw.send(blob, &calls::head()).await?;
    let answer = raw.send(blob, &case.call.over(before.header("etag"))).await?;
    let after = raw.send(blob, &calls::head()).await?;
    let unchanged = after.status != 200 || after.header("etag") == before.header("etag");
    let written = if unchanged { "" } else { ", written" };
    Ok(format!("{}; {}{written}", described(&answer), lease_of(&after)))
}

fn described(answer: &Answer) -> String {
    let code = answer.header("x-ms-error-code");
    let code = if code.is_empty() { String::new() } else { format!(" {code}") };
    // In which of its forms an id comes back is not said.
    let id = match answer.header("x-ms-lease-id").trim_matches(['{', '}']).to_ascii_lowercase().as_str() {
        "" => "",
        calls::A => " A",
        calls::B => " B",
        _ => " X",
    };
    // Approximate, says the documentation.
    let time = match answer.header("x-ms-lease-time").parse::<u64>() {
        Err(_) => "",
        Ok(0) => " at once",
        Ok(1..=5) => " within 5 s",
        Ok(_) => " later",
    };
    format!("{}{code}{id}{time}", answer.status)
}

fn lease_of(head: &Answer) -> String {
    match head.status {
        200 => {
            format!("{} {}", head.header("x-ms-lease-state"), head.header("x-ms-lease-duration")).trim_end().to_owned()
        }
        404 => "gone".to_owned(),
        status => format!("not shown ({status})"),
    }
}
