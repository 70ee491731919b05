//! The store passes the contract suite: in plain text, by TLS, with a replica that acknowledges, and as a user who has the documented
//! rights and no others.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use leader_election::contract::Fixture;
use leader_election::{DistributedMutex, async_trait};
use leader_election_redis::{RedisDistributedMutex, RedisMutexOptions, RedisServer};
use testservers::Authority;
use testservers::redis::Redis;

use crate::common;

/// A server, and how to reach it.
struct Way {
    redis: Redis,
    _replica: Option<Redis>,
    server: RedisServer,
    options: RedisMutexOptions,
}

struct Servers(fn() -> &'static Way);

#[async_trait]
impl Fixture for Servers {
    type Election = String;

    async fn fresh(&self) -> String {
        common::unique("election")
    }

    async fn open(&self, election: &String) -> Arc<dyn DistributedMutex> {
        let way = (self.0)();
        let mutex = RedisDistributedMutex::new(way.server.clone(), election).expect("valid");
        Arc::new(mutex.with_options(way.options.clone()).expect("valid"))
    }

    async fn elapse(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }

    fn lease(&self) -> Duration {
        // Of three seconds a replica has 300 ms to acknowledge a write, also on a busy machine.
        if (self.0)().options.wait_for_replica { Duration::from_secs(3) } else { Duration::from_millis(1_200) }
    }

    async fn delete_record(&self, election: &String) -> bool {
        (self.0)().redis.cli(&["DEL", &common::key(election)]) == "1"
    }
}

impl Way {
    fn new(redis: Redis, replica: Option<Redis>, server: RedisServer) -> Self {
        let options = RedisMutexOptions { wait_for_replica: replica.is_some(), ..RedisMutexOptions::default() };
        // A second more than the lease.
        redis.wait_until_old(4);
        Self { redis, _replica: replica, server, options }
    }

    fn plain() -> Self {
        let redis = Redis::start(&[]);
        let server = common::server(&redis);
        Self::new(redis, None, server)
    }

    fn tls() -> Self {
        let authority = Authority::new();
        let redis = Redis::start_tls(&authority, &[]);
        let server = common::server(&redis).with_authorities(authority.pem().as_bytes()).expect("an authority");
        Self::new(redis, None, server)
    }

    fn with_a_replica() -> Self {
        let redis = Redis::start(&[]);
        let replica = redis.replica(&[]);
        let server = common::server(&redis);
        Self::new(redis, Some(replica), server)
    }

    fn with_few_rights() -> Self {
        let redis = Redis::start(&[]);
        let rights = common::documented_rights();
        let rights = rights.iter().map(String::as_str);
        let rule: Vec<&str> = ["ACL", "SETUSER", "leases", "on", ">hunter2"].into_iter().chain(rights).collect();
        assert_eq!(redis.cli(&rule), "OK");
        let server = common::server(&redis).with_user("leases", "hunter2");
        Self::new(redis, None, server)
    }
}

macro_rules! suite {
    ($name:ident, $start:ident) => {
        mod $name {
            use super::{OnceLock, Servers, Way};

            fn way() -> &'static Way {
                static WAY: OnceLock<Way> = OnceLock::new();
                WAY.get_or_init(Way::$start)
            }

            leader_election::contract_tests!(
                ignore = "needs redis-server: apt install redis-server";
                Servers(way); flavor = "multi_thread"
            );
        }
    };
}

suite!(on_one_server, plain);
suite!(by_tls, tls);
suite!(with_a_replica_that_acknowledges, with_a_replica);
suite!(as_a_user_with_the_documented_rights, with_few_rights);
