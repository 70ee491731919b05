//! The contract of [`DistributedMutex`] as a suite of tests that every store must pass (feature `contract`).
//!
//! A store of your own joins in by implementing [`Fixture`] and calling [`contract_tests!`](crate::contract_tests) in
//! an integration test, with this crate's feature `contract` among the dev-dependencies. Each rule becomes a test of
//! its own.
//!
//! ```
//! use leader_election::contract::{self, Fixture};
//! use leader_election::{DistributedMutex, MemoryMutex, async_trait};
//! use std::sync::Arc;
//! use std::time::Duration;
//!
//! struct Memory;
//!
//! #[async_trait]
//! impl Fixture for Memory {
//!     type Election = MemoryMutex;
//!
//!     async fn fresh(&self) -> MemoryMutex {
//!         MemoryMutex::new()
//!     }
//!
//!     async fn open(&self, election: &MemoryMutex) -> Arc<dyn DistributedMutex> {
//!         Arc::new(election.clone())
//!     }
//!
//!     async fn elapse(&self, time: Duration) {
//!         tokio::time::sleep(time).await;
//!     }
//!
//!     fn lease(&self) -> Duration {
//!         Duration::from_secs(1)
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() {
//! contract::exclusive(&Memory).await;
//! # }
//! ```
//!
//! # What is skipped
//!
//! A rule about what a store does not offer passes, and prints why: `skipped: rule 15, as the store has no operator`. See it by
//! `cargo test --test contract -- --nocapture`.
//!
//! | Needs | Rules |
//! |---|---|
//! | [`Fixture::delete_record`] | [`tokens_rise_over_deletion`] |
//! | [`Fixture::break_lease`], or an operator | [`a_broken_lease_is_lost`] |
//! | a version in the observation | [`a_version_changes_with_every_write_and_with_nothing_else`], and most of [`a_lapsed_version_that_is_not_the_present_one_is_refused`] |
//! | [`operator`](DistributedMutex::operator) | [`a_lease_broken_without_a_period_is_lost_and_runs_out_first`], [`a_lease_broken_with_zero_is_free_at_once`], [`a_break_of_what_nobody_holds_is_well`], [`a_period_that_the_store_does_not_know_breaks_nothing`], [`the_elections_that_are_listed_include_this_one`] |
//! | [`side`](DistributedMutex::side) | the four that begin with `a_side_record_` or `of_many_that_replace_a_side_record_` |
//!
//! # What it takes
//!
//! A store that answers. A transient error fails a rule, as any other error does; except where many contend at once
//! ([`tokens_rise_under_contention`], [`one_winner_in_a_race`], [`of_many_that_replace_a_side_record_at_once_one_does`]) and where a call was
//! dropped ([`acquire_is_repeatable_after_a_lost_answer`]): there the answer to an acquire, or to a write, may be one. For a network that
//! loses answers, write a test of your own.
//!
//! What the suite cannot see is in [`guide::adding_a_store`](crate::guide::adding_a_store).
//!
//! The calls of one rule are made on a thread where nothing else runs; those of the others on the runtime of the test. A rule
//! that needs an answer within the lease, and gets it too late, begins again, five times at most.
//!
//! # Panics
//!
//! Every function panics with the rule that was broken, by its number in the contract.

// A suite of tests: to panic is its way to speak.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::missing_panics_doc)]

mod blocking;
mod data;
mod floor;
mod operator;
mod rules;
mod side;
mod time;
mod version;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::{Claim, DistributedMutex, HolderId};

pub use blocking::*;
pub use data::*;
pub use floor::*;
pub use operator::*;
pub use rules::*;
pub use side::*;
pub use time::*;
pub use version::*;

/// What the suite needs of a store.
#[async_trait]
pub trait Fixture: Send + Sync {
    /// Names one election.
    type Election: Send + Sync;

    /// A new election that nobody ever led. Its record need not exist yet.
    async fn fresh(&self) -> Self::Election;

    /// A mutex on that election; each call as from another process.
    async fn open(&self, election: &Self::Election) -> Arc<dyn DistributedMutex>;

    /// Lets this time pass by the store's clock: by waiting on the runtime's, or by putting the store's own one forward by
    /// exactly so much.
    async fn elapse(&self, time: Duration);

    /// A lease that this store grants, in whole milliseconds: its shortest, if its answers come in a tenth of that.
    fn lease(&self) -> Duration;

    /// Deletes the election's record, as a person with the rights would; `false` where there is nothing to delete. Default: `false`.
    /// Implement it wherever a record can be deleted.
    async fn delete_record(&self, election: &Self::Election) -> bool {
        let _ = election;
        false
    }

    /// Breaks the lease at once; `false` where that cannot be done. Default: by [`Operator::break_lease`](crate::Operator::break_lease)
    /// with a period of zero, if the store has an operator.
    ///
    /// Implement it where leases are also broken past this crate: by the service's own command, or by a deletion of the key.
    async fn break_lease(&self, election: &Self::Election) -> bool {
        let Some(operator) = self.open(election).await.operator() else { return false };
        operator.break_lease(Some(Duration::ZERO)).await.expect("rule 15: any store can break with zero");
        true
    }
}

/// Makes a `#[tokio::test]` of every rule, for a fixture that the given expression makes (feature `contract`).
///
/// The second form adds arguments to `#[tokio::test]`, such as `start_paused = true`. Where the tests need what is not always there, begin with
/// `ignore = "needs such a server";`: each is ignored for that reason then.
#[macro_export]
macro_rules! contract_tests {
    (ignore = $reason:literal; $fixture:expr $(; $($argument:tt)+)?) => {
        $crate::contract_tests!(@rules $fixture; ($($($argument)+)?); [#[ignore = $reason]]);
    };
    (@rules $fixture:expr; $arguments:tt; $attributes:tt) => {
        $crate::contract_tests!(@each $fixture; $arguments; $attributes;
            exclusive
            tokens_rise_over_release
            tokens_rise_over_expiry
            tokens_rise_over_deletion
            tokens_rise_under_contention
            one_winner_in_a_race
            acquire_is_repeatable
            acquire_is_repeatable_after_a_lost_answer
            an_acquire_that_finds_it_held_changes_nothing
            renewal_keeps_the_lease
            only_the_holder_renews
            renewal_of_a_lapsed_and_taken_lease_is_lost
            release_frees_at_once
            release_is_repeatable_and_frees_nothing_of_others
            a_broken_lease_is_lost
            observation_tells_the_leader_and_changes_nothing
            an_impossible_lease_is_refused
            nothing_shows_the_claim_id
            a_grant_holds_for_its_whole_lease
            a_renewal_holds_for_a_whole_lease
            a_lapsed_version_that_is_not_the_present_one_is_refused
            no_call_blocks_its_thread
            data_rides_along
            data_of_an_earlier_leader_does_not_stay
            a_granted_token_is_above_the_floor
            a_repeated_acquire_is_granted_above_its_floor
            a_version_changes_with_every_write_and_with_nothing_else
            a_lease_broken_without_a_period_is_lost_and_runs_out_first
            a_lease_broken_with_zero_is_free_at_once
            a_break_of_what_nobody_holds_is_well
            a_period_that_the_store_does_not_know_breaks_nothing
            the_elections_that_are_listed_include_this_one
            a_side_record_is_created_once_and_replaced_by_its_version
            of_many_that_replace_a_side_record_at_once_one_does
            a_side_record_takes_8192_bytes_and_none_more
            a_side_record_touches_neither_lease_nor_record
        );
    };
    (@each $fixture:expr; $arguments:tt; $attributes:tt; $($rule:ident)+) => {
        $( $crate::contract_tests!(@one $fixture; $arguments; $attributes; $rule); )+
    };
    (@one $fixture:expr; $arguments:tt; [$($attribute:tt)*]; $rule:ident) => {
        #[tokio::test $arguments]
        $($attribute)*
        async fn $rule() {
            $crate::contract::$rule(&$fixture).await;
        }
    };
    ($fixture:expr $(; $($argument:tt)+)?) => {
        $crate::contract_tests!(@rules $fixture; ($($($argument)+)?); []);
    };
}

/// It tells why a test took no time. It is printed, as a test need have no subscriber.
fn skipped(rule: &str, lacks: &str) {
    println!("skipped: {rule}, as {lacks}");
}

fn claim(fixture: &impl Fixture, holder: &str) -> Claim {
    Claim::new(HolderId::new(holder).expect("a valid holder id"), fixture.lease())
}
