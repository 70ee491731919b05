//! Service Bus: that sessions order the writers, that their state stays, and that nobody gets in by a key.

use std::time::Duration;

use azure_leader_election::TimingOptions;

use super::{Bicep, Found, all, assigned, file, limit};

pub fn check(files: &[Bicep], found: &mut Found) {
    let namespace = |property| all(files, "Microsoft.ServiceBus/namespaces", property);
    found.check(namespace("disableLocalAuth") == ["true"], "the namespace takes no key");
    found.check(namespace("minimumTlsVersion") == ["'1.2'"], "the namespace asks for TLS 1.2");
    found.check(namespace("tier") == ["'Standard'"], "the namespace has sessions");

    let queue = |property| all(files, "Microsoft.ServiceBus/namespaces/queues", property);
    found.check(queue("requiresSession") == ["true"], "the queue has sessions");
    found.check(queue("enablePartitioning") == ["false"], "the queue is not partitioned");
    found.check(queue("autoDeleteOnIdle").is_empty(), "the queue does not vanish by itself");
    found.check(queue("forwardTo").is_empty(), "what is sent to the queue stays there");
    found.check(queue("lockDuration") == ["'PT${lockSeconds}S'"], "sessions are locked as long as was said");
    roles(file(files, "modules/service-bus.bicep"), found);
    lock(files, found);
}

fn roles(file: &Bicep, found: &mut Found) {
    const BUILT_IN: [(&str, &str); 2] = [
        ("dataReceiver", "4f6d3b9b-027b-4f4c-9142-0e5a2a2247e0"),
        ("dataSender", "69a216fc-b8fb-44d8-bc22-1f3c2cd27a39"),
    ];
    found.check(assigned(file, "scope") == ["queue", "queue"], "Service Bus roles are assigned for the queue");
    let definitions = assigned(file, "roleDefinitionId");
    found.check(
        definitions.len() == BUILT_IN.len()
            && BUILT_IN.iter().zip(definitions).all(|((name, _), id)| id.ends_with(&format!("{name})"))),
        "workers receive and send, and do not manage",
    );
    for (name, id) in BUILT_IN {
        found.check(file.text.contains(&format!("\nvar {name} = '{id}'\n")), "the roles are the built-in ones");
    }
}

/// Else it lapses between two renewals, and the session is anybody's.
fn lock(files: &[Bicep], found: &mut Found) {
    let main = file(files, "main.bicep");
    let module = file(files, "modules/service-bus.bicep");
    found.check(main.values(main.root(), "lockSeconds") == ["leaseSeconds * 2 / 3"], "the lock follows the lease");
    let worker = file(files, "worker.bicep");
    for decorator in ["minValue", "maxValue"] {
        let leases = [main, worker].map(|file| limit(file, "leaseSeconds", decorator));
        found.check(leases[0].is_some() && leases[0] == leases[1], "both templates take the same leases");
    }
    let bounds = (limit(module, "lockSeconds", "minValue"), limit(module, "lockSeconds", "maxValue"));
    found.check(bounds == (Some(5), Some(300)), "the lock is one that Service Bus has");
    let leases =
        limit(main, "leaseSeconds", "minValue").unwrap_or(0)..=limit(main, "leaseSeconds", "maxValue").unwrap_or(0);
    let outlasts = |lease: u64| {
        let timing = TimingOptions::for_lease(Duration::from_secs(lease));
        Duration::from_secs(lease * 2 / 3) >= timing.renew_every + timing.attempt_timeout
    };
    found.check(!leases.is_empty() && leases.into_iter().all(outlasts), "a lock outlasts a renewal and its attempt");
}
