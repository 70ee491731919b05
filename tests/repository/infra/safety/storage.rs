//! Blobs: the accounts, their roles, and the three of a quorum.

use std::collections::BTreeSet;

use super::{Bicep, Found, all, assigned, file, limit};

pub fn check(files: &[Bicep], found: &mut Found) {
    account(files, found);
    roles(files, found);
    quorum(files, found);
}

fn account(files: &[Bicep], found: &mut Found) {
    let account = |property| all(files, "Microsoft.Storage/storageAccounts", property);
    found.check(account("allowSharedKeyAccess") == ["false"], "storage accounts take no shared key");
    found.check(account("minimumTlsVersion") == ["'TLS1_2'"], "storage accounts ask for TLS 1.2");
    found.check(account("supportsHttpsTrafficOnly") == ["true"], "storage accounts take HTTPS only");
    found.check(account("allowBlobPublicAccess") == ["false"], "no blob is public");
    found.check(account("isHnsEnabled") == ["false"], "storage accounts have blob tags");
    found.check(account("name").contains(&"'Standard_LRS'"), "storage accounts have no paired region");
    let containers = all(files, "Microsoft.Storage/storageAccounts/blobServices/containers", "name");
    found.check(containers == ["'leases'", "'state'"], "leases have a container of their own");
}

fn roles(files: &[Bicep], found: &mut Found) {
    let storage = file(files, "modules/storage.bicep");
    found.check(assigned(storage, "scope") == ["leases", "state"], "blob roles are assigned for one container each");
    let definitions = assigned(storage, "roleDefinitionId");
    let own = ["leaseWriter)", "stateWriter)"];
    found.check(
        definitions.len() == 2 && definitions.iter().zip(own).all(|(id, own)| id.ends_with(own)),
        "each container has the role of its own",
    );
    let granted: String = all(files, "Microsoft.Authorization/roleDefinitions", "dataActions").join("");
    found.check(!granted.is_empty() && !granted.contains("delete"), "workers delete no blob");
    found.check(!granted.contains('*'), "blob roles name each action");
}

/// Of whatever region one member is, the other two are of others.
fn quorum(files: &[Bicep], found: &mut Found) {
    let main = file(files, "main.bicep");
    let quorum = file(files, "modules/quorum.bicep");
    let default = main.text.split("param quorumRegions array = [").nth(1).and_then(|rest| rest.split(']').next());
    let default: Vec<&str> = default.unwrap_or_default().split_whitespace().collect();
    let distinct: BTreeSet<&str> = default.iter().copied().collect();
    found.check(default.len() == 3 && distinct.len() == 3, "the members are in three regions");
    for (file, parameter) in [(main, "quorumRegions"), (quorum, "regions")] {
        let three = ["minLength", "maxLength"].map(|decorator| limit(file, parameter, decorator));
        found.check(three == [Some(3), Some(3)], "a quorum has three members");
    }
    let of_members = |property| quorum.values(quorum.root(), property);
    found.check(of_members("location") == ["region"], "each member is in its own region");
    found.check(
        of_members("name") == ["'storage-${region}'", "'st${uniqueString(resourceGroup().id, region)}'"],
        "a region that is given twice gives one name twice",
    );
    found.check(of_members("leaseWriter") == ["leaseWriter"], "workers may write the leases of each member");
    found.check(of_members("stateWriter").is_empty(), "members hold leases alone");
    let url =
        "'quorum:${members[0].outputs.leasesUrl},${members[1].outputs.leasesUrl},${members[2].outputs.leasesUrl}'";
    found.check(quorum.text.contains(url), "each member votes once");
}
