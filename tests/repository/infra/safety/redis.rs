//! Azure Managed Redis: that no record vanishes, that a plain client can reach each key, and that nobody gets in by a key.

use super::{Bicep, Found, all, file};

pub fn check(files: &[Bicep], found: &mut Found) {
    let cache = |property| all(files, "Microsoft.Cache/redisEnterprise", property);
    found.check(cache("minimumTlsVersion") == ["'1.2'"], "the cache asks for TLS 1.2");
    found.check(cache("highAvailability") == ["'Enabled'"], "the cache has a replica");

    let database = |property| all(files, "Microsoft.Cache/redisEnterprise/databases", property);
    found.check(database("clientProtocol") == ["'Encrypted'"], "Redis is reached by TLS alone");
    found.check(database("accessKeysAuthentication") == ["'Disabled'"], "Redis takes no key");
    found.check(
        matches!(database("clusteringPolicy")[..], ["'NoCluster'" | "'EnterpriseCluster'"]),
        "Redis has one address for all keys",
    );
    found.check(database("evictionPolicy") == ["'NoEviction'"], "Redis drops no record to make room");
    found.check(database("aofEnabled") == ["true"], "Redis writes its records to a disk");
    found.check(database("geoReplication").is_empty(), "Redis takes writes in one region");

    let granted = |property| all(files, "Microsoft.Cache/redisEnterprise/databases/accessPolicyAssignments", property);
    found.check(granted("objectId") == ["principalId"], "Redis lets in the workers' identity alone");

    let text = &file(files, "modules/redis.bicep").text;
    found.check(text.contains("output url string = 'rediss://"), "workers reach Redis by TLS");
}
