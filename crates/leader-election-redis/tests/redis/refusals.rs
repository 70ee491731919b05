//! What real servers refuse, and what a host is told of it.

use std::time::Duration;

use leader_election::{AcquireRequest, DistributedMutex, Error, ErrorKind, Renew};
use leader_election_redis::{RedisDistributedMutex, RedisServer};
use testservers::redis::Redis;
use testservers::{Authority, free_port};

use crate::common::{claim, key, mutex, server};

const LEASE: Duration = Duration::from_secs(2);

/// A server that is old enough to grant this lease, and more.
fn old_server(settings: &[&str]) -> Redis {
    let redis = Redis::start(settings);
    redis.wait_until_old(4);
    redis
}

async fn refusal(mutex: &RedisDistributedMutex) -> Error {
    mutex.try_acquire(AcquireRequest::new(&claim("worker", LEASE))).await.expect_err("it must be refused")
}

#[track_caller]
fn assert_is(error: &Error, kind: ErrorKind, says: &str) {
    assert_eq!(error.kind(), kind, "{error}");
    assert!(error.to_string().contains(says), "{says}: {error}");
}

#[tokio::test]
#[ignore = "needs redis-server: apt install redis-server"]
async fn a_replica_is_unavailable_and_never_says_that_a_lease_is_lost() {
    let redis = old_server(&[]);
    let election = mutex(&redis, "nightly");
    let leader = claim("leader", LEASE);
    election.try_acquire(AcquireRequest::new(&leader)).await.expect("granted");
    // It has not heard of the record: the primary is frozen for it.
    let replica = redis.replica(&[]);
    replica.cli(&["REPLICAOF", "127.0.0.1", &free_port().to_string()]);
    let on_the_replica = mutex(&replica, "nightly");
    assert_is(&on_the_replica.renew(&leader).await.expect_err("a replica"), ErrorKind::Unavailable, "READONLY");
    assert_is(&on_the_replica.observe().await.expect_err("a replica"), ErrorKind::Unavailable, "READONLY");
    let unknown = mutex(&replica, "an-election-it-never-heard-of");
    assert_is(&unknown.renew(&leader).await.expect_err("a replica"), ErrorKind::Unavailable, "READONLY");
}

#[tokio::test]
#[ignore = "needs redis-server: apt install redis-server"]
async fn with_full_memory_a_leader_renews_and_releases_and_nobody_creates() {
    let redis = old_server(&["--maxmemory", "3mb", "--maxmemory-policy", "noeviction"]);
    let election = mutex(&redis, "nightly");
    let leader = claim("leader", LEASE);
    election.try_acquire(AcquireRequest::new(&leader)).await.expect("granted");
    redis.cli(&["EVAL", "for i = 1, 200000 do redis.pcall('SET', i, string.rep('x', 100)) end", "0"]);
    assert!(redis.cli(&["SET", "one-more", "x"]).contains("OOM"));
    assert_is(&refusal(&mutex(&redis, "another")).await, ErrorKind::Unavailable, "OOM");
    assert_eq!(election.renew(&leader).await.expect("it takes no more memory"), Renew::Renewed);
    election.release(&leader).await.expect("nor does this");
    assert!(!election.observe().await.expect("read").is_held());
}

#[tokio::test]
#[ignore = "needs redis-server: apt install redis-server"]
async fn a_cluster_is_refused_by_a_sentence_that_says_what_to_choose() {
    let nodes = [(); 2].map(|()| Redis::start(&["--cluster-enabled", "yes"]));
    let port = |node: &Redis| node.address().port().to_string();
    assert_eq!(nodes[0].cli(&["CLUSTER", "ADDSLOTSRANGE", "0", "8191"]), "OK");
    assert_eq!(nodes[1].cli(&["CLUSTER", "ADDSLOTSRANGE", "8192", "16383"]), "OK");
    assert_eq!(nodes[0].cli(&["CLUSTER", "MEET", "127.0.0.1", &port(&nodes[1])]), "OK");
    for node in &nodes {
        node.wait_until("all slots are served", |node| node.cli(&["CLUSTER", "INFO"]).contains("cluster_state:ok"));
    }
    let moved = nodes.iter().find(|node| node.cli(&["GET", &key("nightly")]).contains("MOVED")).expect("one of two");
    assert_is(&refusal(&mutex(moved, "nightly")).await, ErrorKind::InvalidSetting, "Enterprise or Non-clustered");
}

#[tokio::test]
#[ignore = "needs redis-server: apt install redis-server"]
async fn a_server_that_loads_its_data_is_unavailable() {
    let mut redis = Redis::start(&[]);
    redis.cli(&["EVAL", "for i = 1, 20000 do redis.call('SET', i, string.rep('x', 200)) end", "0"]);
    assert_eq!(redis.cli(&["SAVE"]), "OK");
    redis.kill();
    redis.set(&["--key-load-delay", "500", "--loading-process-events-interval-bytes", "1024"]);
    redis.up();
    let loading = mutex(&redis, "nightly");
    assert_is(&refusal(&loading).await, ErrorKind::Unavailable, "LOADING");
    assert_is(&loading.observe().await.expect_err("loading"), ErrorKind::Unavailable, "LOADING");
}

#[tokio::test]
#[ignore = "needs redis-server: apt install redis-server"]
async fn a_server_that_has_lost_its_data_grants_nothing_before_the_old_leader_has_stopped() {
    let mut redis = old_server(&[]);
    let election = mutex(&redis, "nightly");
    let leader = claim("leader", LEASE);
    election.try_acquire(AcquireRequest::new(&leader)).await.expect("granted");
    redis.kill();
    redis.up();
    let up = std::time::Instant::now();
    let granted = loop {
        match mutex(&redis, "nightly").try_acquire(AcquireRequest::new(&claim("another", LEASE))).await {
            Ok(_) => break up.elapsed(),
            Err(error) => assert_is(&error, ErrorKind::Unavailable, "YOUNG"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    println!("a lease of {LEASE:?} was granted {granted:?} after a restart without data");
    // A renewal that the old server answered just before it was killed holds for a lease.
    assert!(granted >= LEASE, "{granted:?}");
}

/// The snapshot may be from before the leader's election.
#[tokio::test]
#[ignore = "needs redis-server: apt install redis-server"]
async fn a_server_that_has_come_back_with_old_data_renews_and_grants_nothing_before_that_either() {
    let mut redis = old_server(&[]);
    let election = mutex(&redis, "nightly");
    let first = claim("first", LEASE);
    election.try_acquire(AcquireRequest::new(&first)).await.expect("granted");
    let kept = mutex(&redis, "kept");
    kept.try_acquire(AcquireRequest::new(&first)).await.expect("granted");
    election.release(&first).await.expect("released");
    assert_eq!(redis.cli(&["SAVE"]), "OK");
    // What happens now is lost: here it is free, and yet somebody leads.
    election.try_acquire(AcquireRequest::new(&claim("second", LEASE))).await.expect("granted");
    redis.kill();
    redis.up();
    assert_is(&refusal(&mutex(&redis, "nightly")).await, ErrorKind::Unavailable, "YOUNG");
    assert_eq!(kept.renew(&first).await.expect("its own record is there"), Renew::Renewed);
    kept.release(&first).await.expect("and can be freed");
    redis.wait_until_old(3);
    mutex(&redis, "nightly").try_acquire(AcquireRequest::new(&claim("third", LEASE))).await.expect("old enough");
}

#[tokio::test]
#[ignore = "needs redis-server: apt install redis-server"]
async fn a_server_that_has_forgotten_its_scripts_goes_on() {
    let redis = old_server(&[]);
    let election = mutex(&redis, "nightly");
    let leader = claim("leader", LEASE);
    election.try_acquire(AcquireRequest::new(&leader)).await.expect("granted");
    assert_eq!(redis.cli(&["SCRIPT", "FLUSH"]), "OK");
    assert_eq!(election.renew(&leader).await.expect("no NOSCRIPT"), Renew::Renewed);
}

#[tokio::test]
#[ignore = "needs redis-server: apt install redis-server"]
async fn a_wrong_password_or_none_is_denied_and_not_shown() {
    let redis = Redis::start(&["--requirepass", "right"]);
    assert_is(&refusal(&mutex(&redis, "nightly")).await, ErrorKind::Denied, "NOAUTH");
    let wrong = server(&redis).with_password("SECRET-wrong");
    let error = refusal(&RedisDistributedMutex::new(wrong, "nightly").expect("valid")).await;
    assert_is(&error, ErrorKind::Denied, "WRONGPASS");
    assert!(!format!("{error:?}").contains("SECRET"));
    let open = Redis::start(&[]);
    let needless = server(&open).with_password("SECRET-needless");
    let error = refusal(&RedisDistributedMutex::new(needless, "nightly").expect("valid")).await;
    assert_is(&error, ErrorKind::InvalidSetting, "no password");
    assert!(!format!("{error:?}").contains("SECRET"));
}

/// A server repeats the words of a command that it does not know.
#[tokio::test]
#[ignore = "needs redis-server: apt install redis-server"]
async fn a_password_that_the_server_repeats_is_not_shown() {
    let redis = Redis::start(&["--rename-command", "AUTH", "SIGNIN"]);
    let asked = server(&redis).with_user("SECRET-user", "SECRET-password");
    let error = refusal(&RedisDistributedMutex::new(asked, "nightly").expect("valid")).await;
    assert_eq!(error.kind(), ErrorKind::Denied, "{error}");
    assert!(!format!("{error} {error:?}").contains("SECRET"), "{error:?}");
}

#[tokio::test]
#[ignore = "needs redis-server: apt install redis-server"]
async fn a_user_who_is_deleted_under_a_live_connection_is_denied() {
    let redis = old_server(&[]);
    let set = ["ACL", "SETUSER", "leases", "on", ">hunter2", "~*", "&*", "+@all"];
    assert_eq!(redis.cli(&set), "OK");
    let signed_in = server(&redis).with_user("leases", "hunter2");
    let election = RedisDistributedMutex::new(signed_in, "nightly").expect("valid");
    let leader = claim("leader", LEASE);
    election.try_acquire(AcquireRequest::new(&leader)).await.expect("granted");
    assert_eq!(redis.cli(&["ACL", "DELUSER", "leases"]), "1");
    let mut told = Vec::new();
    for _ in 0..3 {
        let error = election.renew(&leader).await.expect_err("there is no such user");
        told.push(error.kind());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // The first may only have met the end of the connection.
    assert!(matches!(told[0], ErrorKind::Denied | ErrorKind::Unreachable), "{told:?}");
    assert_eq!(told[1..], [ErrorKind::Denied; 2]);
    assert_eq!(redis.cli(&set), "OK");
    assert_eq!(election.renew(&leader).await.expect("there is again"), Renew::Renewed);
}

#[tokio::test]
#[ignore = "needs redis-server: apt install redis-server"]
async fn somebody_elses_slow_script_is_unavailable() {
    let redis = old_server(&["--busy-reply-threshold", "100"]);
    let election = mutex(&redis, "nightly");
    let leader = claim("leader", LEASE);
    election.try_acquire(AcquireRequest::new(&leader)).await.expect("granted");
    let address = redis.address().port().to_string();
    let slow = std::process::Command::new("redis-cli")
        .args(["-p", &address, "EVAL", "while true do end", "0"])
        .stdout(std::process::Stdio::null())
        .spawn();
    redis.wait_until("it is busy", |redis| redis.cli(&["GET", "x"]).contains("BUSY"));
    assert_is(&election.renew(&leader).await.expect_err("busy"), ErrorKind::Unavailable, "BUSY");
    redis.cli(&["SCRIPT", "KILL"]);
    redis.wait_until("it is not busy", |redis| !redis.cli(&["GET", "x"]).contains("BUSY"));
    assert_eq!(election.renew(&leader).await.expect("in time"), Renew::Renewed);
    slow.expect("started").wait().expect("ended");
}

#[tokio::test]
#[ignore = "needs redis-server: apt install redis-server"]
async fn another_kind_of_value_is_a_corrupt_record_and_stays() {
    let redis = old_server(&[]);
    redis.cli(&["LPUSH", &key("list"), "x"]);
    redis.cli(&["SET", &key("text"), "not a record"]);
    redis.cli(&["SETRANGE", &key("long"), "70000", "x"]);
    for election in ["list", "text", "long"] {
        assert_eq!(refusal(&mutex(&redis, election)).await.kind(), ErrorKind::CorruptRecord, "{election}");
    }
    assert_eq!(redis.cli(&["GET", &key("text")]), "not a record");
    assert_eq!(redis.cli(&["STRLEN", &key("long")]), "70001");
    assert_eq!(redis.cli(&["LLEN", &key("list")]), "1");
}

#[tokio::test]
#[ignore = "needs redis-server: apt install redis-server"]
async fn a_certificate_that_is_not_trusted_is_a_setting_and_never_a_fault_that_passes() {
    let authority = Authority::new();
    let redis = Redis::start_tls(&authority, &[]);
    let url = redis.url();
    let of_this_machine = RedisServer::new(&url).expect("valid");
    let of_another =
        RedisServer::new(&url).expect("valid").with_authorities(Authority::new().pem().as_bytes()).expect("one");
    for server in [of_this_machine, of_another] {
        let error = refusal(&RedisDistributedMutex::new(server, "nightly").expect("valid")).await;
        assert_is(&error, ErrorKind::InvalidSetting, "certificate");
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unreachable() {
    let nobody = RedisServer::new(&format!("redis://127.0.0.1:{}", free_port())).expect("valid");
    let error = refusal(&RedisDistributedMutex::new(nobody, "nightly").expect("valid")).await;
    assert_is(&error, ErrorKind::Unreachable, "refused");
}
