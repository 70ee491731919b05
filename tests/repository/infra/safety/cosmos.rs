//! Cosmos DB: the account, its containers and its roles.

use super::{Bicep, Found, all, file};

pub fn check(files: &[Bicep], found: &mut Found) {
    account(files, found);
    containers(files, found);
    roles(files, found);
}

fn account(files: &[Bicep], found: &mut Found) {
    let account = |property| all(files, "Microsoft.DocumentDB/databaseAccounts", property);
    found.check(account("disableLocalAuth") == ["true"], "the Cosmos DB account takes no key");
    found.check(account("enableMultipleWriteLocations") == ["false"], "the account has no second write region");
    found.check(account("failoverPriority") == ["0"], "the account has exactly one region");
    found.check(account("locationName").len() == 1, "each region has a priority");
}

fn containers(files: &[Bicep], found: &mut Found) {
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
    let file = file(files, "modules/cosmos-roles.bicep");
    let granted = file.values(file.root(), "dataActions");
    let container = file.values(file.root(), "container");
    found.check(container == ["''", "leasesName", "stateName"], "Cosmos DB roles are for one container each");
    let lease = granted.get(1).copied().unwrap_or("delete");
    found.check(!lease.contains("delete") && !lease.contains('*'), "workers delete no leader document");
}
