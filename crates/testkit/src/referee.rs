//! The judge over a trace: one set of rules for every harness.
//!
//! Each [rule](Rule) is a function of what is known ([`state`]) and of the event that is about to be added to it; it names the
//! process that breaks it. The rules keep no state of their own. A harness whose own state is the subject of the test, as that of
//! the model check, which must be hashed in a canonical form, takes the names of the rules from here and judges by itself what it
//! cannot afford to keep twice.

mod claims;
mod deadlines;
mod ends;
mod fence;
mod leading;
mod pace;
mod sequence;
pub mod state;

use std::time::Duration;

use crate::trace::{Event, Who};
pub use fence::stale_writes;
use state::State;

/// Who breaks the rule, if anybody does.
type Judge = fn(&State, &Event) -> Option<Who>;

macro_rules! rules {
    ($($name:ident, [$($invariant:literal),+], $promise:literal, $judge:path;)+) => {
        /// What must hold. The numbers are those of the invariants of the decision core.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Rule {
            $(#[doc = $promise] $name,)+
        }

        impl Rule {
            /// All there are, in the order in which they are judged.
            pub const ALL: &[Rule] = &[$(Rule::$name),+];

            /// Its name.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Rule::$name => stringify!($name),)+ }
            }

            /// The invariants that it is a part of, by their numbers; `fencing` is what a fence promises.
            #[must_use]
            pub const fn invariants(self) -> &'static [&'static str] {
                match self { $(Rule::$name => &[$($invariant),+],)+ }
            }

            /// What it says.
            #[must_use]
            pub const fn promise(self) -> &'static str {
                match self { $(Rule::$name => $promise,)+ }
            }

            const fn judge(self) -> Judge {
                match self { $(Rule::$name => $judge,)+ }
            }
        }
    };
}

rules! {
    OneLeader, ["1"], "at most one leads at any instant, and nobody is granted the lease meanwhile", leading::one_leader;
    TokensRise, ["2"], "a task's token is above all before it", leading::tokens_rise;
    CountedFromTheRequest, ["3"], "validity counts from before the last successful request was sent", leading::counted_from_the_request;
    Covered, ["3"], "while somebody leads its lease runs in the store, by the store's clock", leading::covered;
    CancelledInTime, ["4"], "cancelled a grace before the end of validity at the latest", deadlines::cancelled_in_time;
    AbortedInTime, ["4"], "aborted at the end of validity at the latest", deadlines::aborted_in_time;
    CancelledThenAborted, ["4", "16"], "cancelled once and then aborted once, and no overrun is told of before", sequence::cancelled_then_aborted;
    ReleasedLast, ["5"], "released only after the task is gone", sequence::released_last;
    RenewedWhileItRuns, ["5"], "renewed in rhythm as long as the task runs and the lease is kept", deadlines::renewed_while_it_runs;
    OneTask, ["6"], "one task at a time, and no acquire while it runs", sequence::one_task;
    OneAttempt, ["6"], "one attempt at a time", sequence::one_attempt;
    RenewsForATask, ["15"], "nothing is renewed without a task to renew for", sequence::renews_for_a_task;
    StaysEnded, ["7"], "a term that ended stays ended, and its claim is not asked for again", claims::stays_ended;
    Settled, ["8"], "what has no known outcome is settled under the same claim", claims::settled;
    GivenBack, ["8"], "a lease that is of no use any more is given back", claims::given_back;
    UsedInTime, ["8"], "no grant that came too late starts a task", deadlines::used_in_time;
    LossCancels, ["9"], "a definite loss cancels at once", deadlines::loss_cancels;
    HeartbeatCounts, ["11"], "a leader whose heartbeat stops is cancelled within its limit, and for that", deadlines::heartbeat_counts;
    TrueReason, ["9"], "a task is cancelled for what has happened, and trouble alone does not cancel before the deadline", sequence::true_reason;
    Granted, ["10"], "a task starts upon a grant that was heard, with the token that it names", claims::granted;
    JumpEnds, ["12"], "a jump of the clock ends the term", deadlines::jump_ends;
    JumpChangesClaim, ["12"], "after a jump of the clock nothing is acquired under the claim from before", claims::jump_changes_claim;
    Paced, ["13"], "polls, renewals and rests take their time, and nobody runs in circles", pace::paced;
    Contends, ["13"], "a candidate asks again, and waits for no answer beyond its time", pace::contends;
    SomebodyLeads, ["13"], "somebody leads when somebody has to", leading::somebody_leads;
    DrainBounded, ["15", "4"], "a drain is bounded", deadlines::drain_bounded;
    StopsInTime, ["15"], "who is told to end ends within the bound, and leaves neither task nor request", ends::stops_in_time;
    NothingAfterTheEnd, ["15"], "who has ended does nothing any more", ends::nothing_after_the_end;
    Alternates, ["16"], "elected and ended alternate", ends::alternates;
    Revoked, ["17"], "who was told of an end is not valid any more", leading::revoked;
    FenceHolds, ["fencing", "2"], "no older leader's write is carried out over a newer one's", fence::fence_holds;
}

/// For people: what it says, and as which invariants.
impl std::fmt::Display for Rule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let numbers: Vec<_> = self.invariants().iter().map(|number| format!("invariant {number}")).collect();
        write!(f, "{}: {} ({})", self.name(), self.promise(), numbers.join(", "))
    }
}

/// A rule that was broken.
#[derive(Debug, Clone, PartialEq)]
pub struct Violation {
    /// Which.
    pub rule: Rule,
    /// By whom.
    pub who: Who,
    /// When.
    pub at: Duration,
    /// What showed it.
    pub event: Box<Event>,
    /// What else it breaks.
    pub also: Vec<Rule>,
}

impl std::fmt::Display for Violation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { rule, who, at, event, also } = self;
        write!(f, "at {:.3} s: {who} breaks {rule}", at.as_secs_f64())?;
        also.iter().try_for_each(|rule| write!(f, ", and {rule}"))?;
        write!(f, ", as {event} shows")
    }
}

/// The judge.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Referee {
    state: State,
}

impl Referee {
    /// One more thing has happened. The event counts even if it breaks a rule.
    ///
    /// # Errors
    ///
    /// The first rule that it breaks, or shows to be broken.
    pub fn observe(&mut self, event: &Event) -> Result<(), Violation> {
        let mut broken = Rule::ALL.iter().filter_map(|rule| Some((*rule, rule.judge()(&self.state, event)?)));
        let verdict = broken.next().map(|(rule, who)| {
            let also = broken.map(|(rule, _)| rule).collect();
            Violation { rule, who, at: event.at, event: Box::new(event.clone()), also }
        });
        self.state.add(event);
        verdict.map_or(Ok(()), Err)
    }

    /// What is known by now.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.state
    }
}
