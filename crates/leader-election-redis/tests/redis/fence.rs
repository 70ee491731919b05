//! What the fence lets through, and what not.

use std::error::Error as _;
use std::time::Duration;

use leader_election::{ErrorKind, FencingToken};
use leader_election_redis::{FencedKeys, KeyCommand, RedisServer, RefusedCommand};
use testservers::redis::Redis;
use testservers::{Direction, Link};

use crate::common::server;

fn token(number: u64) -> FencingToken {
    FencingToken::new(number).expect("in range")
}

fn keys(redis: &Redis, number: u64) -> FencedKeys {
    FencedKeys::new(server(redis), "billing", token(number)).expect("valid")
}

const TOTAL: &str = "{billing}:total";

fn add(amount: i64) -> Vec<KeyCommand> {
    vec![KeyCommand::new("INCRBY").key(TOTAL).arg(amount.to_string())]
}

#[tokio::test]
#[ignore = "needs redis-server: apt install redis-server"]
async fn an_older_leader_is_refused_once_a_newer_one_has_written() {
    let redis = Redis::start(&[]);
    let (older, newer) = (keys(&redis, 41), keys(&redis, 42));
    older.set(TOTAL, "1").await.expect("the first");
    assert_eq!(older.execute(add(2)).await.expect("its own").replies.expect("answered")[0].integer(), Some(3));
    newer.raise().await.expect("the newest");
    for refused in [older.set(TOTAL, "9").await.expect_err("older"), older.raise().await.expect_err("older")] {
        assert_eq!((refused.kind(), refused.fenced_by()), (ErrorKind::Fenced, Some(token(42))));
    }
    assert_eq!(redis.cli(&["GET", TOTAL]), "3");
    newer.set(TOTAL, "4").await.expect("the newest");
    assert_eq!(redis.cli(&["GET", TOTAL]), "4");
}

/// What is sent into a way that is cut arrives when it is mended, however late.
#[tokio::test]
#[ignore = "needs redis-server: apt install redis-server"]
async fn a_write_whose_answer_is_lost_is_carried_out_once() {
    let redis = Redis::start(&[]);
    let link = Link::start(redis.address());
    let far = RedisServer::new(&format!("redis://{}", link.address())).expect("valid");
    let limit = Duration::from_secs(8);
    let billing = FencedKeys::new(far, "billing", token(7)).expect("valid").with_limit(limit);
    for (round, direction) in [Direction::ToClient, Direction::ToServer, Direction::Both].into_iter().enumerate() {
        let before: i64 = redis.cli(&["GET", TOTAL]).parse().unwrap_or_default();
        billing.raise().await.expect("connected");
        link.cut(direction);
        let writing = billing.execute(add(5));
        let mending = async {
            tokio::time::sleep(limit / 4 + limit / 8).await;
            link.mend();
        };
        let (written, ()) = tokio::join!(writing, mending);
        let replies = written.expect("once mended").replies;
        let total: i64 = redis.cli(&["GET", TOTAL]).parse().expect("a number");
        assert_eq!(total, before + 5, "round {round}, {direction:?}");
        if direction == Direction::ToClient {
            assert!(replies.is_none(), "the fence told that it was carried out");
        }
    }
}

#[tokio::test]
#[ignore = "needs redis-server: apt install redis-server"]
async fn a_late_duplicate_of_an_own_write_is_refused_after_the_next_one() {
    let redis = Redis::start(&[]);
    let link = Link::start(redis.address());
    let far = RedisServer::new(&format!("redis://{}", link.address())).expect("valid");
    let slow = FencedKeys::new(far, "billing", token(7)).expect("valid");
    slow.raise().await.expect("connected");
    link.cut(Direction::ToServer);
    let dropped = tokio::time::timeout(Duration::from_millis(300), slow.set(TOTAL, "the earlier one")).await;
    assert!(dropped.is_err(), "a black hole does not answer");
    // The same leadership writes by another way, and what was sent earlier arrives after that.
    keys(&redis, 7).set(TOTAL, "the later one").await.expect("written");
    link.mend();
    let fence = redis.cli(&["GET", "{billing}:leader-fence"]);
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(redis.cli(&["GET", TOTAL]), "the later one");
    assert_eq!(redis.cli(&["GET", "{billing}:leader-fence"]), fence);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs redis-server: apt install redis-server"]
async fn writers_of_one_leadership_lose_nothing_to_each_other() {
    let redis = Redis::start(&[]);
    let writers: Vec<_> = (0..4).map(|_| keys(&redis, 7)).collect();
    let writing = writers.into_iter().map(|writer| {
        tokio::spawn(async move {
            for _ in 0..50 {
                writer.execute(add(1)).await.expect("written");
            }
        })
    });
    for writer in writing.collect::<Vec<_>>() {
        writer.await.expect("no panic");
    }
    assert_eq!(redis.cli(&["GET", TOTAL]), "200");
}

#[tokio::test]
#[ignore = "needs redis-server: apt install redis-server"]
async fn a_command_that_is_refused_ends_the_write_and_says_which_it_was() {
    let redis = Redis::start(&[]);
    let billing = keys(&redis, 7);
    billing.set(TOTAL, "a text").await.expect("written");
    let commands = vec![
        KeyCommand::new("SET").key("{billing}:first").arg("done"),
        KeyCommand::new("INCRBY").key(TOTAL).arg("1"),
        KeyCommand::new("SET").key("{billing}:last").arg("done"),
    ];
    let refused = billing.execute(commands).await.expect_err("no number");
    assert_eq!(refused.kind(), ErrorKind::Conflict);
    let which = refused.source().and_then(|source| source.downcast_ref::<RefusedCommand>()).expect("told");
    assert_eq!((which.index, which.code.as_str()), (1, "ERR"));
    assert_eq!(redis.cli(&["MGET", "{billing}:first", "{billing}:last"]), "done");
    billing.set(TOTAL, "5").await.expect("the fence holds on");
    // What ended early bears which command did it.
    assert!(redis.cli(&["GET", "{billing}:leader-fence"]).contains("!1 "));
}

#[tokio::test]
#[ignore = "needs redis-server: apt install redis-server"]
async fn a_fence_that_is_none_lets_nobody_write() {
    let redis = Redis::start(&[]);
    for fence in ["", "7", "nonsense", "99999999999999999999-1-00000000000000000000000000000000"] {
        redis.cli(&["SET", "{billing}:leader-fence", fence]);
        let refused = keys(&redis, 7).set(TOTAL, "1").await.expect_err("no fence");
        assert_eq!(refused.kind(), ErrorKind::CorruptRecord, "{fence:?}");
        assert_eq!(redis.cli(&["EXISTS", TOTAL]), "0");
    }
    redis.cli(&["DEL", "{billing}:leader-fence"]);
    redis.cli(&["LPUSH", "{billing}:leader-fence", "x"]);
    assert_eq!(keys(&redis, 7).raise().await.expect_err("a list").kind(), ErrorKind::CorruptRecord);
}
