//! What holds of the repository itself: its documents, its templates, its rooms, and where its invariants are kept.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod claims;
mod documents;
mod infra;
mod invariants;
mod rooms;
