//! What all document stores share: a lease kept as a record under compare-and-swap.
//!
//! Nobody but the candidates expires such a lease: each watches the record stand still for a whole lease on its own clock,
//! and then replaces the very version that it watched. The watching is done by the host; [`DocumentMutex`] does the rest on
//! top of a store that can [read, create and replace](DocumentStore) one record.
//!
//! Three things make it safe on a store whose answers get lost. Every write bears a number of its own, so that a refused
//! replacement can be told from one that was carried out and refused only when it was repeated. A released record stays,
//! without a holder, so that its token goes on rising. And a record that cannot be understood is never overwritten.

pub mod json;
mod mutex;
mod operator;
mod record;
mod store;
mod watching;

// Its home is the crate's root.
#[doc(no_inline)]
pub use crate::port::Written;
pub use mutex::DocumentMutex;
pub use record::Record;
pub use store::{DocumentStore, Stored};
pub use watching::{Liveness, Watcher};
