//! The one name under which everything here is traced and measured.

/// The target of all spans and events, whatever file they come from: what `RUST_LOG=leader_election=debug` names. A store logs under
/// it, too, so that one filter shows an election with its store.
///
/// ```
/// use leader_election::kit::TARGET;
///
/// tracing::warn!(target: TARGET, event = "several_regions", "the account has several regions");
/// ```
pub const TARGET: &str = "leader_election";

/// The meter of the process's provider, as it is now.
#[cfg(feature = "otel")]
pub(crate) fn meter() -> opentelemetry::metrics::Meter {
    let scope = opentelemetry::InstrumentationScope::builder("leader-election").with_version(env!("CARGO_PKG_VERSION"));
    opentelemetry::global::meter_with_scope(scope.build())
}
