//! What only one of all workers may do at a time.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use azure_leader_election::{Error, ErrorKind, Leadership, TaskError};
use humantime::format_rfc3339_seconds;
use opentelemetry::metrics::Counter;
use tokio::time::{MissedTickBehavior, interval};
use tracing::{Instrument, Span, info, info_span, warn};

use crate::board::Board;
use crate::config::Config;
use crate::state::{Checkpoint, FencedState, State};

/// How often a leader says that it leads: the alerts in `infra/` look for that line.
const SAY_EVERY: Duration = Duration::from_secs(60);

/// The work of this worker, whenever it leads.
pub struct Work {
    config: Arc<Config>,
    board: Arc<Board>,
    state: Option<State>,
    steps: Counter<u64>,
}

impl Work {
    pub fn new(config: &Arc<Config>, board: &Arc<Board>) -> Self {
        let meter = opentelemetry::global::meter(env!("CARGO_PKG_NAME"));
        let steps =
            meter.u64_counter("worker.steps").with_description("Steps of the leader's work that were done").build();
        Self { config: Arc::clone(config), board: Arc::clone(board), state: State::of(config), steps }
    }

    /// Works until the leadership ends.
    pub async fn lead(self: Arc<Self>, leader: Leadership) -> Result<(), TaskError> {
        self.board.begin_term(leader.clone());
        // Before it says that it leads: one that cannot do the work is to count as none, or replicas that fail in turns would
        // look like a leader, and like more than one.
        let Some((state, reached)) = self.take_over(&leader).await? else { return Ok(()) };
        tokio::select! {
            never = self.say_so(&leader) => match never {},
            ended = self.work(&leader, state.as_ref(), reached) => ended,
        }
    }

    async fn work(
        &self,
        leader: &Leadership,
        state: Option<&FencedState>,
        mut reached: Checkpoint,
    ) -> Result<(), TaskError> {
        let mut tick = interval(self.config.step_every);
        // After a pause the missed steps are not made up for, all at once.
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while leader.token().run_until_cancelled(tick.tick()).await.is_some() {
            leader.heartbeat();
            // A trace of its own for each step, that points to the leadership: one of hours with all of them would be of no use.
            let span = info_span!(parent: None, "step", step = reached.steps + 1);
            span.follows_from(Span::current());
            let next = Checkpoint { steps: reached.steps + 1, ..self.signed(leader) };
            if self.step(leader, state, &next).instrument(span).await? {
                self.steps.add(1, &[]);
                self.board.step_done(next.clone());
                reached = next;
            }
        }
        Ok(())
    }

    /// Whether it was done. If nobody knows, it is to be done again: here that does no harm, as a step is a checkpoint and no
    /// more. Work that must not be done twice keeps the note of it where its effect is.
    async fn step(
        &self,
        leader: &Leadership,
        state: Option<&FencedState>,
        next: &Checkpoint,
    ) -> Result<bool, TaskError> {
        // ... the work itself would stand here ...
        let Some(state) = state else { return Ok(true) };
        // The last look before the write. A process that is paused right here is refused by the fence.
        leader.ensure()?;
        match state.write(next).await {
            Ok(()) => Ok(true),
            Err(error) if error.is_transient() => {
                warn!(event = "step_failed", step = next.steps, %error, "the step is done again");
                Ok(false)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Where the work goes on; `None` when the leadership ends first.
    async fn take_over(&self, leader: &Leadership) -> Result<Option<(Option<FencedState>, Checkpoint)>, TaskError> {
        let Some(state) = &self.state else { return Ok(Some((None, Checkpoint::default()))) };
        let mut again = interval(Duration::from_secs(5));
        while leader.token().run_until_cancelled(again.tick()).await.is_some() {
            leader.heartbeat();
            leader.ensure()?;
            let taken = async {
                let fenced = state.open(leader.fencing_token()).await?;
                let reached = fenced.take_over().await?.unwrap_or_default();
                Ok::<_, Error>((Some(fenced), reached))
            };
            // Nothing is under way yet that would have to be finished.
            let Some(taken) = leader.token().run_until_cancelled(taken).await else { break };
            match taken {
                Ok((fenced, reached)) => {
                    info!(event = "took_over", steps = reached.steps, "the work goes on where the last leader left it");
                    return Ok(Some((fenced, reached)));
                }
                // A role that was just assigned takes minutes to work; another leader would fare no better.
                Err(error)
                    if error.is_transient() || matches!(error.kind(), ErrorKind::Denied | ErrorKind::NotFound) =>
                {
                    warn!(event = "state_out_of_reach", %error, "the state cannot be read yet");
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(None)
    }

    fn signed(&self, leader: &Leadership) -> Checkpoint {
        Checkpoint {
            steps: 0,
            holder: leader.holder().to_string(),
            fencing_token: leader.fencing_token().get(),
            written_at: format_rfc3339_seconds(SystemTime::now()).to_string(),
        }
    }

    /// At once and then each minute, for as long as it is true.
    async fn say_so(&self, leader: &Leadership) -> Infallible {
        let (election, holder) = (self.config.election.as_str(), leader.holder().as_str());
        let fencing_token = leader.fencing_token().get();
        let mut minute = interval(SAY_EVERY);
        loop {
            minute.tick().await;
            if leader.ensure().is_ok() {
                info!(event = "leading", election, holder, fencing_token, "this worker leads");
            }
        }
    }
}
