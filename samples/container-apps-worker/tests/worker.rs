//! Real processes of this worker, against Azurite and a collector of the tests' own.
//!
//! `cargo test -p container-apps-worker`. With `LEADER_CHROMIUM=/usr/bin/chromium` and `browser -- --ignored` the status page is
//! looked at in a browser, too; with redis-server and `redis -- --ignored` a leader is elected on it.

#![cfg(unix)]
#![allow(clippy::expect_used, clippy::unwrap_used)]

#[path = "worker/browser.rs"]
mod browser;
#[path = "worker/collector.rs"]
mod collector;
#[path = "worker/cosmos.rs"]
mod cosmos;
#[path = "worker/deployment.rs"]
mod deployment;
#[path = "worker/exported.rs"]
mod exported;
#[path = "worker/failing.rs"]
mod failing;
#[path = "worker/identity.rs"]
mod identity;
#[path = "worker/log.rs"]
mod log;
#[path = "worker/probes.rs"]
mod probes;
#[path = "worker/quorum.rs"]
mod quorum;
#[path = "worker/redis.rs"]
mod redis;
#[path = "worker/rig.rs"]
mod rig;
#[path = "worker/settings.rs"]
mod settings;
