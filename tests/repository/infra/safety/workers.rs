//! The workers: how many run, how they are probed, and how long they may take to end.

use std::time::Duration;

use azure_leader_election::{LeaderHostOptions, TimingOptions};

use super::{Bicep, Found, all, file, limit};

pub fn check(files: &[Bicep], found: &mut Found) {
    const APP: &str = "Microsoft.App/containerApps";
    /// What a parameter without a limit can be, in seconds.
    const UNLIMITED: u64 = 3600;
    let file = file(files, "worker.bicep");
    found.check(all(files, APP, "minReplicas") == ["replicas"], "the number of workers is the parameter's");
    found.check(all(files, APP, "maxReplicas") == ["replicas"], "the number of workers is fixed");
    found.check(limit(file, "replicas", "minValue") >= Some(2), "there are two workers or more");
    found.check(all(files, APP, "activeRevisionsMode") == ["'Single'"], "one revision runs but for deployments");
    let probes = ["'/healthz'", "'/healthz'", "'/readyz'"];
    found.check(all(files, APP, "path") == probes, "the workers are probed");

    let longest = |parameter| Duration::from_secs(limit(file, parameter, "maxValue").unwrap_or(UNLIMITED));
    let drain = LeaderHostOptions::default().drain_limit.max(longest("drainSeconds"));
    let attempt = TimingOptions::for_lease(longest("leaseSeconds")).attempt_timeout;
    let grace = all(files, APP, "terminationGracePeriodSeconds");
    let grace = grace.first().and_then(|seconds| seconds.parse().ok()).map(Duration::from_secs);
    found.check(
        grace.is_some_and(|grace| grace > drain + 3 * attempt),
        "the grace period is longer than the drain and three attempts, for whatever lease can be set",
    );
}
