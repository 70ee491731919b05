//! One Redis server.

use std::net::SocketAddr;
use std::time::Duration;

use rounds::{Harm, Service};
use testservers::redis::Redis;

use crate::play;

struct OneRedis(Redis);

impl Service for OneRedis {
    fn name(&self) -> &str {
        "redis"
    }

    fn servers(&self) -> Vec<SocketAddr> {
        vec![self.0.address()]
    }

    fn store(&self, addresses: &[SocketAddr]) -> String {
        format!("redis://{}", addresses[0])
    }
}

#[test]
#[ignore = "needs redis-server: apt install redis-server"]
fn on_redis_no_stale_write_is_accepted() {
    let lease = Duration::from_secs(3);
    let redis = Redis::start(&[]);
    // A younger server makes no record.
    redis.wait_until_old(lease.as_secs() + 2);
    let outcome = play(&OneRedis(redis), &Harm::ALL, lease, 10);
    outcome.assert_safe();
    outcome.assert_that_it_bites();
}
