//! What lies on the server: databases, prefixes, lists, edits by hand, and what a server is warned of.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::Duration;

use leader_election::{Acquire, AcquireRequest, DistributedMutex, ErrorKind, Renew, SideName, Written};
use leader_election_redis::{RedisDistributedMutex, RedisMutexOptions, RedisServer};
use testservers::redis::Redis;

use crate::common::{claim, documented_rights, key, log, mutex, server};

const LEASE: Duration = Duration::from_secs(2);

fn with(redis: &Redis, election: &str, options: RedisMutexOptions) -> RedisDistributedMutex {
    RedisDistributedMutex::new(server(redis), election).and_then(|mutex| mutex.with_options(options)).expect("valid")
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs redis-server: apt install redis-server"]
async fn each_database_and_each_prefix_is_a_place_of_its_own() {
    let redis = Redis::start(&[]);
    redis.wait_until_old(4);
    let in_database = |number| {
        let server = RedisServer::new(&format!("{}/{number}", redis.url())).expect("valid");
        RedisDistributedMutex::new(server, "nightly").expect("valid")
    };
    let prefixed = with(&redis, "nightly", RedisMutexOptions { prefix: "a:b".to_owned(), ..Default::default() });
    for (number, mutex) in [in_database(0), in_database(3), prefixed].into_iter().enumerate() {
        let claim = claim(&format!("worker-{number}"), LEASE);
        assert!(matches!(mutex.try_acquire(AcquireRequest::new(&claim)).await.expect("read"), Acquire::Granted(_)));
    }
    assert_eq!(redis.cli(&["EXISTS", &key("nightly"), "{a:b}:nightly"]), "2");
    assert_eq!(redis.cli(&["-n", "3", "EXISTS", &key("nightly")]), "1");
    let error = in_database(99).observe().await.expect_err("there are sixteen");
    assert_eq!(error.kind(), ErrorKind::InvalidSetting, "{error}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs redis-server: apt install redis-server"]
async fn elections_are_listed_in_order_without_those_that_were_deleted_and_other_peoples_names() {
    let redis = Redis::start(&[]);
    redis.wait_until_old(4);
    for election in ["nightly", "billing", "gone"] {
        let claim = claim("worker", LEASE);
        mutex(&redis, election).try_acquire(AcquireRequest::new(&claim)).await.expect("granted");
    }
    let operator = || mutex(&redis, "any").operator().expect("there is one");
    redis.cli(&["DEL", &key("gone")]);
    redis.cli(&["SADD", "{leader-election}.elections", "no name", "never-led"]);
    assert_eq!(operator().elections().await.expect("listed"), ["billing", "nightly"]);
    // Whoever deletes the list has it again with the next write.
    redis.cli(&["DEL", "{leader-election}.elections"]);
    assert_eq!(operator().elections().await.expect("listed"), [""; 0]);
    mutex(&redis, "nightly").operator().expect("one").break_lease(None).await.expect("broken");
    assert_eq!(operator().elections().await.expect("listed"), ["nightly"]);
    redis.cli(&["EVAL", "for i = 1, 5001 do redis.call('SADD', KEYS[1], i) end", "1", "{leader-election}.elections"]);
    assert_eq!(operator().elections().await.expect_err("too many").kind(), ErrorKind::Refused);
}

/// The version is a hash of the whole, so nobody need draw a new number by hand.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs redis-server: apt install redis-server"]
async fn an_edit_by_hand_is_noticed_and_what_was_added_stays() {
    let redis = Redis::start(&[]);
    redis.wait_until_old(4);
    let election = mutex(&redis, "nightly");
    let leader = claim("leader", LEASE);
    election.try_acquire(AcquireRequest::new(&leader)).await.expect("granted");
    let before = election.observe().await.expect("read").version;
    let text = redis.cli(&["GET", &key("nightly")]);
    redis.cli(&[
        "SET",
        &key("nightly"),
        &text.replace("\"schemaVersion\"", "\"team\": \"billing\", \"schemaVersion\""),
    ]);
    assert_ne!(election.observe().await.expect("read").version, before);
    assert_eq!(election.renew(&leader).await.expect("its own still"), Renew::Renewed);
    assert!(redis.cli(&["GET", &key("nightly")]).contains("billing"));
    // An expiry that somebody has set does not outlast the next write.
    redis.cli(&["EXPIRE", &key("nightly"), "1000"]);
    assert_eq!(election.renew(&leader).await.expect("its own"), Renew::Renewed);
    assert_eq!(redis.cli(&["TTL", &key("nightly")]), "-1");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs redis-server: apt install redis-server"]
async fn the_same_text_in_a_side_record_is_another_version_each_time() {
    let redis = Redis::start(&[]);
    let side = mutex(&redis, "nightly").side(SideName::new("wish").expect("valid")).expect("kept");
    let Written::Done(first) = side.create("run").await.expect("written") else { panic!("there was none") };
    let Written::Done(second) = side.replace(&first, "run").await.expect("written") else { panic!("it stood there") };
    assert_ne!(first, second);
    assert_eq!(side.replace(&first, "late").await.expect("read"), Written::Conflict);
    redis.cli(&["SET", &format!("{}.wish", key("nightly")), "nonsense"]);
    assert_eq!(side.read().await.expect_err("no record").kind(), ErrorKind::CorruptRecord);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs redis-server: apt install redis-server"]
async fn a_server_that_could_evict_the_record_is_warned_of_once() {
    let log = log();
    let evicts = Redis::start(&["--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"]);
    let azures = Redis::start(&["--maxmemory", "100mb", "--maxmemory-policy", "volatile-lru"]);
    for (redis, election) in [(&evicts, "on-evicting"), (&azures, "on-azures")] {
        let election = mutex(redis, election);
        for _ in 0..3 {
            election.observe().await.expect("read");
            redis.cli(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    assert_eq!(log.lines_with(&["record_can_be_evicted", "on-evicting", "allkeys-lru"]), 1);
    assert_eq!(log.lines_with(&["record_can_be_evicted", "on-azures"]), 0);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs redis-server: apt install redis-server"]
async fn without_the_rights_to_info_and_publish_it_elects_and_warns_once() {
    let log = log();
    let redis = Redis::start(&[]);
    let rights = documented_rights();
    let without = |right: &&str| !matches!(*right, "+info" | "+publish" | "&{leader-election}*");
    let rights: Vec<&str> = rights.iter().map(String::as_str).filter(without).collect();
    let rule = ["ACL", "SETUSER", "leases", "on", ">hunter2"].into_iter().chain(rights);
    assert_eq!(redis.cli(&rule.collect::<Vec<_>>()), "OK");
    let server = server(&redis).with_user("leases", "hunter2");
    let election = RedisDistributedMutex::new(server, "few-rights").expect("valid");
    let leader = claim("leader", LEASE);
    for _ in 0..3 {
        // It does not know how young the server is, and grants at once.
        let granted = election.try_acquire(AcquireRequest::new(&leader)).await.expect("read");
        assert!(matches!(granted, Acquire::Granted(_)), "{granted:?}");
        election.release(&leader).await.expect("released");
    }
    assert_eq!(log.lines_with(&["server_age_unknown", "few-rights"]), 1);
    assert_eq!(log.lines_with(&["release_not_told", "few-rights"]), 1);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs redis-server: apt install redis-server"]
async fn who_waits_for_a_replica_is_granted_nothing_without_one() {
    let redis = Redis::start(&[]);
    let waits = RedisMutexOptions { wait_for_replica: true, ..RedisMutexOptions::default() };
    let election = with(&redis, "nightly", waits);
    // Its tenth is what an acknowledgement may take.
    let leader = claim("leader", Duration::from_secs(20));
    redis.wait_until_old(21);
    for _ in 0..2 {
        let error = election.try_acquire(AcquireRequest::new(&leader)).await.expect_err("no replica");
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(error.to_string().contains("wait_for_replica"), "{error}");
    }
    let replica = redis.replica(&[]);
    assert!(matches!(election.try_acquire(AcquireRequest::new(&leader)).await.expect("read"), Acquire::Granted(_)));
    assert_eq!(election.renew(&leader).await.expect("acknowledged"), Renew::Renewed);
    replica.freeze();
    assert_eq!(election.renew(&leader).await.expect_err("unacknowledged").kind(), ErrorKind::Unavailable);
    replica.thaw();
    assert_eq!(election.renew(&leader).await.expect("acknowledged"), Renew::Renewed);
    // To free it needs nobody: the worst is that standbys wait for a lease.
    replica.freeze();
    election.release(&leader).await.expect("released");
}

/// The longest lease that anybody uses counts, as the lost record cannot tell it.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs redis-server: apt install redis-server"]
async fn a_server_is_young_for_the_longest_lease_that_is_in_use() {
    let redis = Redis::start(&[]);
    let longest = RedisMutexOptions { longest_lease: Duration::from_secs(3_600), ..RedisMutexOptions::default() };
    let election = with(&redis, "nightly", longest);
    redis.wait_until_old(4);
    let error = election.try_acquire(AcquireRequest::new(&claim("worker", LEASE))).await.expect_err("young");
    assert!(error.to_string().contains("YOUNG") && error.to_string().contains("3601 s"), "{error}");
    assert!(matches!(
        mutex(&redis, "nightly").try_acquire(AcquireRequest::new(&claim("worker", LEASE))).await.expect("read"),
        Acquire::Granted(_)
    ));
}

/// Whoever listens there, it is not allowed to fill this process's memory, or to be believed.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_answers_without_end_or_in_another_language_is_refused() {
    for answer in ["$999999999\r\n", "*1000000\r\n:1\r\n", "HTTP/1.1 400 Bad Request\r\n\r\n"] {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
        let port = listener.local_addr().expect("bound").port();
        let (told, sent) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let (mut client, _) = listener.accept().expect("a client");
            let mut request = [0; 4_096];
            let _ = client.read(&mut request);
            let (mut sent, mut more) = (0, answer.as_bytes().to_vec());
            while client.write_all(&more).is_ok() && sent < 64 * 1024 * 1024 {
                sent += more.len();
                if !answer.starts_with("HTTP") {
                    more = ":1\r\n".repeat(16 * 1024).into_bytes();
                }
            }
            let _ = told.send(sent);
        });
        let server = RedisServer::new(&format!("redis://127.0.0.1:{port}")).expect("valid");
        let election = RedisDistributedMutex::new(server, "nightly").expect("valid");
        let error = election.observe().await.expect_err("no Redis server");
        assert_eq!(error.kind(), ErrorKind::Refused, "{answer:?}: {error:?}");
        let sent = sent.recv_timeout(Duration::from_secs(30)).expect("the connection has ended");
        assert!(sent < 32 * 1024 * 1024, "{sent} bytes were taken");
    }
}
