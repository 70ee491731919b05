//! Secrets that occur nowhere else, and a search for them in everything that is shown.

pub mod recorder;
pub mod secret;
pub mod service;
