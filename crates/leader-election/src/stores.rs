//! The stores that need no service.

pub(crate) mod file;
pub(crate) mod memory;
