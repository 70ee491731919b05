//! What an author of a store needs, whatever the service is.

pub(crate) mod credential;
