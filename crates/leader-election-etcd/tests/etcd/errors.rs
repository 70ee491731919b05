//! What etcd refuses, each from a real server, and what the store makes of it.

use std::time::{Duration, Instant};

use leader_election::{DistributedMutex, Error, ErrorKind, Renew};
use leader_election_etcd::{EtcdDistributedMutex, EtcdOptions, FencedKeys, KeyBatch};
use testservers::etcd::{Etcd, Options, url_of};
use testservers::free_port;

use crate::common::{self, acquire, claim};

const LEASE: Duration = Duration::from_secs(15);

fn mutex_with(etcd: &Etcd, options: EtcdOptions) -> EtcdDistributedMutex {
    EtcdDistributedMutex::new(&common::cluster_with(&etcd.url(), options), "nightly").expect("valid")
}

fn assert_tells(error: &Error, kind: ErrorKind, words: &[&str]) {
    assert_eq!(error.kind(), kind, "{error}");
    let told = error.to_string();
    assert!(words.iter().all(|word| told.contains(word)), "{told}");
    println!("{kind:?}: {told}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs etcd: apt install etcd-server etcd-client"]
async fn whoever_may_not_do_it_is_told_why() {
    let mut etcd = Etcd::one();
    etcd.switch_authentication_on("elections/", common::PASSWORD);
    let refusal = async |options| mutex_with(&etcd, options).observe().await.expect_err("refused");

    assert_tells(&refusal(EtcdOptions::default()).await, ErrorKind::Denied, &["no user was given", "ETCD_USER"]);
    let wrong = EtcdOptions { password: Some("wrong".to_owned()), ..common::as_worker() };
    assert_tells(&refusal(wrong).await, ErrorKind::Denied, &["no such user", "password"]);
    let unknown = EtcdOptions { user: Some("nobody".to_owned()), ..common::as_worker() };
    assert_tells(&refusal(unknown).await, ErrorKind::Denied, &["no such user"]);

    let elsewhere = common::cluster_with(&format!("{}/others", etcd.url()), common::as_worker());
    let error = EtcdDistributedMutex::new(&elsewhere, "nightly").expect("valid").observe().await.expect_err("refused");
    assert_tells(&error, ErrorKind::Denied, &["readwrite", "others/nightly"]);
    let keys = FencedKeys::new(&elsewhere, "billing/", common::token(1)).expect("valid");
    assert_tells(&keys.raise().await.expect_err("refused"), ErrorKind::Denied, &["billing/leader-fence"]);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs etcd: apt install etcd-server etcd-client"]
async fn a_user_who_is_deleted_while_leading_is_refused_with_the_next_renewal() {
    let mut etcd = Etcd::one();
    etcd.switch_authentication_on("elections/", common::PASSWORD);
    let (mutex, claim) = (mutex_with(&etcd, common::as_worker()), claim("worker-7", LEASE));
    acquire(&mutex, &claim).await;
    assert_eq!(mutex.renew(&claim).await.expect("an answer"), Renew::Renewed);

    etcd.etcdctl(&["user", "delete", "worker"]);
    assert_tells(&mutex.renew(&claim).await.expect_err("refused"), ErrorKind::Denied, &["no such user"]);

    // Made anew, it renews again with the same client.
    etcd.etcdctl(&["user", "add", &format!("worker:{}", common::PASSWORD)]);
    etcd.etcdctl(&["user", "grant-role", "worker", "worker"]);
    assert_eq!(mutex.renew(&claim).await.expect("an answer"), Renew::Renewed);

    etcd.etcdctl(&["role", "revoke-permission", "worker", "elections/", "elections0"]);
    assert_tells(&mutex.renew(&claim).await.expect_err("refused"), ErrorKind::Denied, &["readwrite"]);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs etcd: apt install etcd-server etcd-client"]
async fn a_token_that_a_restarted_member_has_forgotten_is_replaced_within_the_attempt() {
    let mut etcd = Etcd::one();
    etcd.switch_authentication_on("elections/", common::PASSWORD);
    let (mutex, claim) = (mutex_with(&etcd, common::as_worker()), claim("worker-7", LEASE));
    acquire(&mutex, &claim).await;
    for _ in 0..2 {
        etcd.kill(0);
        etcd.restart(0);
        assert_eq!(mutex.renew(&claim).await.expect("within one attempt"), Renew::Renewed);
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs etcd: apt install etcd-server etcd-client"]
async fn authentication_may_be_switched_on_and_off_under_a_leader() {
    let mut etcd = Etcd::one();
    // As etcd's own clients do, a user who need not sign in is let in.
    let (mutex, claim) = (mutex_with(&etcd, common::as_worker()), claim("worker-7", LEASE));
    acquire(&mutex, &claim).await;
    etcd.switch_authentication_on("elections/", common::PASSWORD);
    assert_eq!(mutex.renew(&claim).await.expect("signed in by now"), Renew::Renewed);
    etcd.etcdctl(&["auth", "disable"]);
    assert_eq!(mutex.renew(&claim).await.expect("an answer"), Renew::Renewed);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs etcd: apt install etcd-server etcd-client"]
async fn an_etcd_without_space_refuses_renewals_and_says_what_to_do() {
    let etcd = Etcd::start(Options { quota: Some(4 * 1024 * 1024), ..Options::default() });
    let (mutex, claim) = (common::mutex(&etcd, "nightly"), claim("worker-7", LEASE));
    acquire(&mutex, &claim).await;
    let keys = FencedKeys::new(&common::cluster(&etcd.url()), "billing/", common::token(1)).expect("valid");
    let full = loop {
        if let Err(error) = keys.put("blob", vec![7; 1_000_000]).await {
            break error;
        }
    };
    assert_tells(&full, ErrorKind::Unavailable, &["NOSPACE", "alarm disarm", "auto-compaction"]);

    let error = mutex.renew(&claim).await.expect_err("no space");
    assert_tells(&error, ErrorKind::Unavailable, &["NOSPACE", "alarm disarm", "auto-compaction"]);
    assert!(mutex.observe().await.expect("reads go on").is_held());

    // What the error says helps.
    let status = etcd.etcdctl(&["endpoint", "status", "-w", "json"]);
    let (_, revision) = status.split_once("\"revision\":").expect("a revision");
    let revision: String = revision.chars().take_while(char::is_ascii_digit).collect();
    etcd.etcdctl(&["compact", &revision]);
    etcd.etcdctl(&["defrag"]);
    etcd.etcdctl(&["alarm", "disarm"]);
    assert_eq!(mutex.renew(&claim).await.expect("space again"), Renew::Renewed);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs etcd: apt install etcd-server etcd-client"]
async fn a_cluster_without_a_majority_says_so_soon() {
    let mut etcd = Etcd::three();
    let (mutex, claim) = (common::mutex(&etcd, "nightly"), claim("worker-7", LEASE));
    acquire(&mutex, &claim).await;
    etcd.kill(0);
    etcd.kill(1);
    // The one that is left needs a moment to notice.
    let began = Instant::now();
    let error = loop {
        let error = mutex.renew(&claim).await.expect_err("no majority");
        assert!(error.is_transient(), "{error}");
        if error.to_string().contains("no leader") || began.elapsed() > Duration::from_secs(60) {
            break error;
        }
    };
    assert_tells(&error, ErrorKind::Unreachable, &["no leader", "cannot be reached", "endpoint status"]);

    etcd.restart(0);
    assert_eq!(mutex.renew(&claim).await.expect("a majority again"), Renew::Renewed);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs etcd: apt install etcd-server etcd-client"]
async fn certificates_that_do_not_fit_are_told_with_what_would() {
    let etcd = Etcd::start(Options { tls: true, client_certificates: true, ..Options::default() });
    // Another authority's.
    let foreign = testservers::Authority::new();
    let not_trusted = EtcdOptions { authority: Some(foreign.pem().into_bytes()), ..EtcdOptions::default() };
    let error = mutex_with(&etcd, not_trusted).observe().await.expect_err("not trusted");
    assert_tells(&error, ErrorKind::InvalidSetting, &["not trusted"]);
    // None to show.
    let error = mutex_with(&etcd, common::certificates(&etcd, false)).observe().await.expect_err("nothing shown");
    // Which of the two it is depends on whether the HTTP client sees etcd's alert.
    assert!(matches!(error.kind(), ErrorKind::InvalidSetting | ErrorKind::Unreachable), "{error}");
    assert_tells(&error, error.kind(), &["certificate"]);
    // Plain text to a port for TLS.
    let error = mutex_with(&etcd, EtcdOptions::default()).observe().await.expect_err("plain text");
    assert_tells(&error, ErrorKind::Unreachable, &["TLS", "ETCD_CA"]);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs etcd: apt install etcd-server etcd-client"]
async fn a_client_certificate_lets_in_and_is_no_user() {
    let mut etcd = Etcd::start(Options { tls: true, client_certificates: true, ..Options::default() });
    etcd.switch_authentication_on("elections/", common::PASSWORD);
    let named = mutex_with(&etcd, common::certificates(&etcd, true));
    assert_tells(&named.observe().await.expect_err("a name"), ErrorKind::Denied, &["common name"]);

    let certificates = common::nameless_certificates(&etcd);
    let error = mutex_with(&etcd, certificates.clone()).observe().await.expect_err("no user");
    assert_tells(&error, ErrorKind::Denied, &["A client certificate is no user here"]);
    let both = EtcdOptions { user: common::as_worker().user, password: common::as_worker().password, ..certificates };
    assert!(!mutex_with(&etcd, both).observe().await.expect("let in").is_held());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs etcd: apt install etcd-server etcd-client"]
async fn a_record_that_is_none_is_an_error_and_stays() {
    let etcd = Etcd::one();
    let (mutex, claim) = (common::mutex(&etcd, "nightly"), claim("worker-7", LEASE));
    for text in ["", "x", "{}", r#"{"schemaVersion": 2}"#] {
        etcd.etcdctl(&["put", "elections/nightly", "--", text]);
        let error = mutex.try_acquire((&claim).into()).await.expect_err("no record");
        assert_tells(&error, ErrorKind::CorruptRecord, &["elections/nightly"]);
        assert_eq!(etcd.etcdctl(&["get", "elections/nightly", "--print-value-only"]).trim_end_matches('\n'), text);
    }
    let keys = FencedKeys::new(&common::cluster(&etcd.url()), "billing/", common::token(7)).expect("valid");
    etcd.etcdctl(&["put", "billing/leader-fence", "7"]);
    assert_tells(&keys.put("a", "1").await.expect_err("no fence"), ErrorKind::CorruptRecord, &["billing/leader-fence"]);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs etcd: apt install etcd-server etcd-client"]
async fn what_etcd_itself_takes_no_more_of_is_an_invalid_setting() {
    let etcd = Etcd::one();
    let keys = FencedKeys::new(&common::cluster(&etcd.url()), "billing/", common::token(7)).expect("valid");
    let error = keys.put("a", vec![7; 2_000_000]).await.expect_err("too large");
    assert_tells(&error, ErrorKind::InvalidSetting, &["too large"]);
    // The very most that this crate lets through is what etcd takes.
    let full = (0..KeyBatch::MAX).fold(KeyBatch::new(), |batch, number| batch.put(number.to_string(), "x"));
    keys.write(full).await.expect("128 with the fence");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs etcd: apt install etcd-server etcd-client"]
async fn what_listens_and_is_no_etcd_is_told_apart() {
    let nobody = common::cluster(&format!("etcd://127.0.0.1:{}", free_port()));
    let error = EtcdDistributedMutex::new(&nobody, "nightly").expect("valid").observe().await.expect_err("nobody");
    assert_tells(&error, ErrorKind::Unreachable, &["cannot be reached", "refused"]);

    // One that has no such member: the others answer, in the same attempt.
    let etcd = Etcd::one();
    let gone = std::net::SocketAddr::from(([127, 0, 0, 1], free_port()));
    let cluster = common::cluster(&url_of([gone, etcd.addresses()[0]]));
    let mutex = EtcdDistributedMutex::new(&cluster, "nightly").expect("valid");
    assert!(!mutex.observe().await.expect("the other one answers").is_held());
}
