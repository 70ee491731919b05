//! The stores.

#[cfg(feature = "blob")]
pub(crate) mod blob;
pub(crate) mod memory;
