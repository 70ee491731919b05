//! The stores.

#[cfg(feature = "blob")]
pub(crate) mod blob;
#[cfg(any(feature = "blob", feature = "cosmos"))]
pub(crate) mod cause;
#[cfg(all(feature = "blob", any(test, fuzzing)))]
pub(crate) mod checks;
#[cfg(feature = "cosmos")]
pub(crate) mod cosmos;
#[cfg(any(feature = "blob", feature = "cosmos"))]
pub(crate) mod etag;
#[cfg(any(feature = "cosmos", feature = "file"))]
mod fields;
#[cfg(feature = "file")]
pub(crate) mod file;
pub(crate) mod memory;
#[cfg(any(feature = "blob", feature = "cosmos"))]
pub(crate) mod patience;
#[cfg(all(feature = "blob", test))]
mod properties;
#[cfg(any(feature = "cosmos", feature = "file"))]
mod record;
#[cfg(any(feature = "blob", feature = "cosmos"))]
mod service_time;
#[cfg(any(feature = "blob", feature = "cosmos"))]
pub(crate) mod tls;
