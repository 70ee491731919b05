//! What a host tells `tracing` and OpenTelemetry, as `docs/telemetry.md` says.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod host_support;

#[path = "telemetry/capture.rs"]
mod capture;
#[path = "telemetry/log.rs"]
mod log;
#[path = "telemetry/meter.rs"]
mod meter;
#[path = "telemetry/metrics.rs"]
mod metrics;
