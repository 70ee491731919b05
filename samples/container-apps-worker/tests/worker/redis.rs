//! The same worker on Redis, with its state in blobs.

use std::time::Instant;

use nix::sys::signal::Signal;
use testservers::redis::Redis;

use crate::rig::{Environment, azurite, eventually};

#[test]
#[ignore = "needs redis-server: apt install redis-server"]
fn on_redis_a_killed_leader_is_replaced_and_the_work_goes_on_where_it_was() {
    let redis = Redis::start(&[]);
    let environment =
        Environment::on(azurite()).with("LEADER_STORE_URL", redis.url()).with("LEADER_LEASE_SECONDS", "3");
    let leader = environment.clone().replica("first");
    leader.wait_for("leading");
    let standby = environment.replica("second");
    eventually("the standby sees the leader", || standby.status()["leader"]["holder"] == "first");
    eventually("some steps are done", || leader.status()["checkpoint"]["steps"].as_u64() >= Some(2));
    assert_eq!(standby.status()["worker"]["store"], redis.url());

    let killed_at = Instant::now();
    leader.signal(Signal::SIGKILL);
    let (elected_at, _) = standby.wait_for("elected");
    println!("takeover after SIGKILL: {:.2} s, with a lease of 3 s on Redis", (elected_at - killed_at).as_secs_f64());
    let (_, took_over) = standby.wait_for("took_over");
    let left = took_over["steps"].as_u64().unwrap();
    assert!(left >= 2, "the work goes on where the last leader left it: {took_over}");
    eventually("the work goes on", || standby.status()["checkpoint"]["steps"].as_u64() > Some(left));
}
