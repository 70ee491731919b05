//! The stores.

#[cfg(feature = "blob")]
pub(crate) mod blob;
#[cfg(any(feature = "blob", feature = "cosmos"))]
pub(crate) mod cause;
#[cfg(feature = "cosmos")]
pub(crate) mod cosmos;
pub(crate) mod memory;
#[cfg(any(feature = "blob", feature = "cosmos"))]
mod service_time;
