//! What holds for any setting, any name, any record in a store, and any course of an election.
//!
//! The parsers inside the crate have properties of their own beside them. All of them run 256 cases; `PROPTEST_CASES` asks for
//! another number.

mod course;
mod document;
mod input;
mod names;
mod texts;
mod timing;

use proptest::test_runner::{Config, FileFailurePersistence};

/// As many cases as `PROPTEST_CASES` says; failures are kept beside the file.
fn config() -> Config {
    let beside = FileFailurePersistence::WithSource("regressions");
    Config { failure_persistence: Some(Box::new(beside)), ..Config::default() }
}
