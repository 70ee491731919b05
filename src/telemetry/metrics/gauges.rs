//! What is looked at when somebody asks: it tells the truth also when the host itself stands still.

use std::sync::{Arc, Weak};

use opentelemetry::KeyValue;
use opentelemetry::metrics::{AsyncInstrument, Meter};

use crate::health::{TermNow, Vitals};

/// Registers a host's gauges. The callbacks stay registered for good, and tell nothing when the host is gone.
pub(super) fn register(meter: &Meter, identity: &[KeyValue; 2], vitals: &Arc<Vitals>) {
    meter
        .u64_observable_gauge("leader_election.is_leader")
        .with_description("1 while this worker leads, 0 while it does not.")
        .with_callback(observing(identity, vitals, |term| {
            Some(u64::from(term.is_some_and(|term| term.valid_for.is_some())))
        }))
        .build();
    meter
        .u64_observable_gauge("leader_election.term")
        .with_description("The fencing token of the leadership whose task runs.")
        .with_callback(observing(identity, vitals, |term| Some(term?.fencing_token.get())))
        .build();
    meter
        .f64_observable_gauge("leader_election.validity.remaining")
        .with_unit("s")
        .with_description("For how long this worker may go on leading if no further renewal succeeds.")
        .with_callback(observing(identity, vitals, |term| Some(term?.valid_for.unwrap_or_default().as_secs_f64())))
        .build();
    meter
        .f64_observable_gauge("leader_election.validity.minimum")
        .with_unit("s")
        .with_description("The least that was left in this term when a renewal came.")
        .with_callback(observing(identity, vitals, |term| Some(term?.least_validity?.as_secs_f64())))
        .build();
}

fn observing<T>(
    identity: &[KeyValue; 2],
    vitals: &Arc<Vitals>,
    measure: impl Fn(Option<TermNow>) -> Option<T> + Send + Sync + 'static,
) -> impl Fn(&dyn AsyncInstrument<T>) + Send + Sync + 'static {
    let (identity, vitals): (_, Weak<Vitals>) = (identity.clone(), Arc::downgrade(vitals));
    move |gauge| {
        let value = vitals.upgrade().and_then(|vitals| measure(vitals.term()));
        if let Some(value) = value {
            gauge.observe(value, &identity);
        }
    }
}
