//! What must hold of the deployment for an election to be safe, and for nobody to get in by a key.

use std::time::Duration;

use azure_leader_election::{LeaderHostOptions, TimingOptions};

use super::bicep::Bicep;

/// One sentence for each thing that does not hold.
pub fn violations(files: &[Bicep]) -> Vec<String> {
    let mut found = Found(Vec::new());
    storage(files, &mut found);
    cosmos_account(files, &mut found);
    cosmos_containers(files, &mut found);
    roles(files, &mut found);
    workers(files, &mut found);
    found.0
}

struct Found(Vec<String>);

impl Found {
    fn check(&mut self, holds: bool, sentence: &str) {
        if !holds {
            self.0.push(sentence.to_owned());
        }
    }
}

/// The values of a property in all resources of a type.
fn all<'a>(files: &'a [Bicep], kind: &str, property: &str) -> Vec<&'a str> {
    let of_file = |file: &'a Bicep| {
        let resources = file.resources(kind);
        resources.into_iter().flat_map(|resource| file.values(resource, property)).collect::<Vec<_>>()
    };
    files.iter().flat_map(of_file).collect()
}

fn storage(files: &[Bicep], found: &mut Found) {
    let account = |property| all(files, "Microsoft.Storage/storageAccounts", property);
    found.check(account("allowSharedKeyAccess") == ["false"], "the storage account takes no shared key");
    found.check(account("minimumTlsVersion") == ["'TLS1_2'"], "the storage account asks for TLS 1.2");
    found.check(account("supportsHttpsTrafficOnly") == ["true"], "the storage account takes HTTPS only");
    found.check(account("allowBlobPublicAccess") == ["false"], "no blob is public");
    found.check(account("isHnsEnabled") == ["false"], "the storage account has blob tags");
    let containers = all(files, "Microsoft.Storage/storageAccounts/blobServices/containers", "name");
    found.check(containers == ["'leases'", "'state'"], "leases have a container of their own");
}

fn cosmos_account(files: &[Bicep], found: &mut Found) {
    let account = |property| all(files, "Microsoft.DocumentDB/databaseAccounts", property);
    found.check(account("disableLocalAuth") == ["true"], "the Cosmos DB account takes no key");
    found.check(account("enableMultipleWriteLocations") == ["false"], "the account has no second write region");
    found.check(account("failoverPriority") == ["0"], "the account has exactly one region");
    found.check(account("locationName").len() == 1, "each region has a priority");
}

fn cosmos_containers(files: &[Bicep], found: &mut Found) {
    const CONTAINER: &str = "Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers";
    for file in files {
        for container in file.resources(CONTAINER) {
            let id = file.values(container, "id").join("");
            let paths: String = file.values(container, "paths").join("").split_whitespace().collect();
            let by_id = paths == "['/id']";
            found.check(by_id == (id == "'leases'"), "only the leases are partitioned by their id");
            found.check(file.values(container, "indexingMode") == ["'none'"], "documents are not indexed");
            found.check(file.values(container, "defaultTtl").is_empty(), "no document vanishes by itself");
        }
    }
    found.check(all(files, CONTAINER, "paths").len() == 2, "leases have a Cosmos DB container of their own");
}

fn roles(files: &[Bicep], found: &mut Found) {
    let file = files.iter().find(|file| file.path == "modules/storage-roles.bicep").unwrap();
    let assignments = file.resources("Microsoft.Authorization/roleAssignments");
    let scopes: Vec<_> = assignments.into_iter().flat_map(|assignment| file.values(assignment, "scope")).collect();
    found.check(
        scopes == ["account::blobs::leases", "account::blobs::state"],
        "blob roles are assigned for one container each",
    );
    let granted: String = all(files, "Microsoft.Authorization/roleDefinitions", "dataActions").join("");
    found.check(!granted.is_empty() && !granted.contains("delete"), "workers delete no blob");
    found.check(!granted.contains('*'), "blob roles name each action");

    let file = files.iter().find(|file| file.path == "modules/cosmos-roles.bicep").unwrap();
    let granted = file.values(file.root(), "dataActions");
    let container = file.values(file.root(), "container");
    found.check(container == ["''", "leasesName", "stateName"], "Cosmos DB roles are for one container each");
    let lease = granted.get(1).copied().unwrap_or("delete");
    found.check(!lease.contains("delete") && !lease.contains('*'), "workers delete no leader document");
}

fn workers(files: &[Bicep], found: &mut Found) {
    const APP: &str = "Microsoft.App/containerApps";
    let file = files.iter().find(|file| file.path == "worker.bicep").unwrap();
    found.check(all(files, APP, "minReplicas") == ["replicas"], "the number of workers is the parameter's");
    found.check(all(files, APP, "maxReplicas") == ["replicas"], "the number of workers is fixed");
    found.check(limit(file, "replicas", "minValue") >= 2, "there are two workers or more");
    found.check(all(files, APP, "activeRevisionsMode") == ["'Single'"], "one revision runs but for deployments");
    let probes = ["'/healthz'", "'/healthz'", "'/readyz'"];
    found.check(all(files, APP, "path") == probes, "the workers are probed");

    let (lease, drain) = (limit(file, "leaseSeconds", "maxValue"), limit(file, "drainSeconds", "maxValue"));
    let drain = LeaderHostOptions::default().drain_limit.max(Duration::from_secs(drain));
    let attempt = TimingOptions::for_lease(Duration::from_secs(lease)).attempt_timeout;
    let grace = all(files, APP, "terminationGracePeriodSeconds");
    let grace = grace.first().and_then(|seconds| seconds.parse().ok()).map(Duration::from_secs);
    found.check(
        grace.is_some_and(|grace| grace > drain + 3 * attempt),
        "the grace period is longer than the drain and three attempts, for whatever lease can be set",
    );
}

/// The number in a parameter's `@minValue` or `@maxValue`.
fn limit(file: &Bicep, parameter: &str, decorator: &str) -> u64 {
    let declaration = file.parameter(parameter);
    let number = declaration.split(&format!("@{decorator}(")).nth(1).and_then(|rest| rest.split(')').next());
    number.and_then(|number| number.parse().ok()).unwrap_or(if decorator == "minValue" { 0 } else { 3600 })
}
