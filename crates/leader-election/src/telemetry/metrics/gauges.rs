//! What is looked at when somebody asks: it tells the truth also when the host itself stands still.

use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError, Weak};

use opentelemetry::KeyValue;
use opentelemetry::metrics::{AsyncInstrument, Meter};

use crate::health::{TermNow, Vitals};

struct Host {
    identity: [KeyValue; 2],
    vitals: Weak<Vitals>,
}

/// The hosts of this process. OpenTelemetry takes no callback back, so there is one for all of them, which forgets those that
/// are gone.
static HOSTS: Mutex<Vec<Host>> = Mutex::new(Vec::new());

/// Adds a host to the gauges, which are made on the meter of the first one.
pub(super) fn register(meter: &Meter, identity: &[KeyValue; 2], vitals: &Arc<Vitals>) {
    static GAUGES: Once = Once::new();
    GAUGES.call_once(|| make(meter));
    let mut hosts = hosts();
    hosts.retain(|host| host.vitals.strong_count() > 0);
    hosts.push(Host { identity: identity.clone(), vitals: Arc::downgrade(vitals) });
}

fn make(meter: &Meter) {
    meter
        .u64_observable_gauge("leader_election.is_leader")
        .with_description("1 while this worker leads, 0 while it does not.")
        .with_callback(observing(|term| Some(u64::from(term.is_some_and(|term| term.valid_for.is_some())))))
        .build();
    meter
        .u64_observable_gauge("leader_election.term")
        .with_description("The fencing token of the leadership whose task runs.")
        .with_callback(observing(|term| Some(term?.fencing_token.get())))
        .build();
    meter
        .f64_observable_gauge("leader_election.validity.remaining")
        .with_unit("s")
        .with_description("For how long this worker may go on leading if no further renewal succeeds.")
        .with_callback(observing(|term| Some(term?.valid_for.unwrap_or_default().as_secs_f64())))
        .build();
    meter
        .f64_observable_gauge("leader_election.validity.minimum")
        .with_unit("s")
        .with_description("The least that was left in this term when a renewal came.")
        .with_callback(observing(|term| Some(term?.least_validity?.as_secs_f64())))
        .build();
}

fn observing<T>(
    measure: impl Fn(Option<TermNow>) -> Option<T> + Send + Sync + 'static,
) -> impl Fn(&dyn AsyncInstrument<T>) + Send + Sync + 'static {
    move |gauge| {
        // Copied first: what observes is not ours, and must not hold up a host that registers.
        let seen: Vec<_> = {
            let hosts = hosts();
            let living = hosts.iter().filter_map(|host| Some((host.vitals.upgrade()?, host.identity.clone())));
            living.filter_map(|(vitals, identity)| Some((measure(vitals.term())?, identity))).collect()
        };
        for (value, identity) in seen {
            gauge.observe(value, &identity);
        }
    }
}

fn hosts() -> MutexGuard<'static, Vec<Host>> {
    HOSTS.lock().unwrap_or_else(PoisonError::into_inner)
}
