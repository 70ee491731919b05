//! Signing in by what changes, and no secret in any text.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use leader_election::kit::credential::{Background, Secret, SecretSource, SharedSecret};
use leader_election::{AcquireRequest, DistributedMutex, Error, ErrorKind, FencingToken, Renew, Result, async_trait};
use leader_election_redis::{FencedKeys, KeyCommand, RedisDistributedMutex, RedisServer};
use testservers::redis::Redis;
use testservers::{Authority, Direction, Link};

use crate::common::{claim, log, server};

const LEASE: Duration = Duration::from_secs(2);
const CANARY: &str = "CANARY-4f1a";

/// As Entra ID's: a user with each, and an end.
struct Tokens {
    fetched: AtomicU64,
    good_for: Duration,
}

#[async_trait]
impl SecretSource for Tokens {
    async fn fetch(&self) -> Result<Secret> {
        let number = self.fetched.fetch_add(1, Ordering::Relaxed);
        let end = SystemTime::now() + self.good_for;
        Ok(Secret::new(format!("{CANARY}-{number}"))
            .with_user(Some(format!("user-{number}")))
            .with_good_until(Some(end)))
    }
}

struct Refuses;

#[async_trait]
impl SecretSource for Refuses {
    async fn fetch(&self) -> Result<Secret> {
        Err(Error::new(ErrorKind::Credential, "signing in failed: please run az login"))
    }
}

fn users(redis: &Redis) -> String {
    let list = redis.cli(&["CLIENT", "LIST"]);
    let users =
        list.split_whitespace().filter_map(|field| field.strip_prefix("user=")).filter(|user| *user != "default");
    users.collect::<Vec<_>>().join(" ")
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs redis-server: apt install redis-server"]
async fn a_connection_is_replaced_before_its_token_ends_and_not_sooner() {
    let redis = Redis::start(&[]);
    for number in 0..20 {
        let (user, password) = (format!("user-{number}"), format!(">{CANARY}-{number}"));
        assert_eq!(redis.cli(&["ACL", "SETUSER", &user, "on", &password, "~*", "&*", "+@all"]), "OK");
    }
    redis.wait_until_old(4);
    let shared = |seconds| {
        let tokens = Tokens { fetched: AtomicU64::new(0), good_for: Duration::from_secs(seconds) };
        SharedSecret::new(tokens, Background::thread())
    };
    let election = RedisDistributedMutex::new(server(&redis).with_secret(shared(4)), "nightly").expect("valid");
    let leader = claim("leader", LEASE);
    election.try_acquire(AcquireRequest::new(&leader)).await.expect("granted");
    assert_eq!(users(&redis), "user-0");
    // While there is no other token the connection stays.
    assert_eq!(election.renew(&leader).await.expect("signed in"), Renew::Renewed);
    assert_eq!(users(&redis), "user-0");
    let began = std::time::Instant::now();
    while users(&redis) == "user-0" {
        assert!(began.elapsed() < Duration::from_secs(30), "it goes on with a token that has ended");
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert_eq!(election.renew(&leader).await.expect("signed in"), Renew::Renewed);
    }
    assert_eq!(users(&redis), "user-1");
    println!("a token of 4 s was replaced after {:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs redis-server: apt install redis-server"]
async fn a_credential_that_fails_is_told_in_its_own_words() {
    let redis = Redis::start(&[]);
    let refused = server(&redis).with_secret(SharedSecret::new(Refuses, Background::thread()));
    let error = RedisDistributedMutex::new(refused, "nightly").expect("valid").observe().await.expect_err("no token");
    assert_eq!(error.kind(), ErrorKind::Credential);
    assert!(error.to_string().contains("please run az login"), "{error}");
}

/// Everything that can be shown, of everything that can go wrong with a password at hand.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs redis-server: apt install redis-server"]
async fn no_secret_is_shown_in_any_text() {
    let log = log();
    let authority = Authority::new();
    let right = Redis::start(&["--requirepass", CANARY]);
    let servers = [
        Redis::start(&["--requirepass", "another"]),
        Redis::start(&[]),
        Redis::start(&["--rename-command", "AUTH", "SIGNIN"]),
        Redis::start(&["--rename-command", "EVAL", "RUN"]),
        Redis::start_tls(&authority, &[]),
    ];
    let link = Link::start(right.address());
    let mut ways: Vec<RedisServer> = servers.iter().map(server).collect();
    ways.push(RedisServer::new(&format!("redis://{}", link.address())).expect("valid"));
    ways.push(RedisServer::new("redis://127.0.0.1:1").expect("valid"));
    ways.push(RedisServer::new("rediss://no-such-host.invalid").expect("valid"));
    link.cut(Direction::ToClient);
    let mut texts = String::new();
    let mut tell = |text: String| texts.push_str(&text);
    for (number, way) in ways.into_iter().enumerate() {
        let way =
            if number % 2 == 0 { way.with_password(CANARY) } else { way.with_user(format!("{CANARY}-user"), CANARY) };
        let election = RedisDistributedMutex::new(way.clone(), "nightly").expect("valid");
        let fenced = FencedKeys::new(way.clone(), "work", FencingToken::new(7).expect("in range")).expect("valid");
        let fenced = fenced.with_limit(Duration::from_secs(2));
        let command = KeyCommand::new("SET").key("{work}:a").arg(CANARY);
        tell(format!("{way:?} {way} {election:?} {fenced:?} {command:?}"));
        let taken = election.try_acquire(AcquireRequest::new(&claim("worker", LEASE))).await;
        tell(taken.map_or_else(|error| format!("{error} {error:?}"), |taken| format!("{taken:?}")));
        let listed = election.operator().expect("there is one").elections().await;
        tell(listed.map_or_else(|error| format!("{error} {error:?}"), |listed| format!("{listed:?}")));
        let written = fenced.execute(vec![command]).await;
        tell(written.map_or_else(|error| format!("{error} {error:?}"), |written| format!("{written:?}")));
    }
    for refused in [
        RedisServer::new(&format!("redis://:{CANARY}@localhost")).expect_err("a password"),
        RedisServer::new(&format!("redis://localhost/{CANARY}")).expect_err("no number"),
        RedisServer::new("rediss://h").expect("valid").with_authorities(CANARY.as_bytes()).expect_err("no certificate"),
    ] {
        tell(format!("{refused} {refused:?}"));
    }
    assert!(texts.contains("WRONGPASS") && texts.contains("127.0.0.1:1"), "{texts}");
    assert!(!texts.contains(CANARY), "{texts}");
    assert!(!log.text().contains(CANARY), "a line of the log has it");
}
