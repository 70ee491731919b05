//! No secret is in what is shown, wherever something fails. A binary of its own, as its log is that of the whole process.

#![cfg(unix)]
#![allow(clippy::expect_used, clippy::unwrap_used, missing_docs)]

#[path = "etcd/common.rs"]
#[allow(dead_code, reason = "the other tests need it")]
mod common;

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use leader_election::{DistributedMutex, SideName};
use leader_election_etcd::{EtcdDistributedMutex, EtcdOptions, FencedKeys, KeyBatch};
use testservers::Link;
use testservers::etcd::{Etcd, Options, url_of};

use common::{PASSWORD, claim};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("not poisoned").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// All that can be shown of one cluster, with each call that can fail.
async fn all_texts(url: &str, options: EtcdOptions) -> String {
    let mut texts = format!("{options:?}");
    let cluster = common::cluster_with(url, options);
    let mutex = EtcdDistributedMutex::new(&cluster, "nightly").expect("valid");
    let keys =
        FencedKeys::new(&cluster, "billing/", common::token(7)).expect("valid").with_limit(Duration::from_secs(2));
    let batch = KeyBatch::new().put("card", PASSWORD);
    texts.push_str(&format!("{cluster:?} {mutex:?} {keys:?} {batch:?}"));
    let claim = claim("worker-7", Duration::from_secs(1));
    let (operator, side) =
        (mutex.operator().expect("has one"), mutex.side(SideName::new("wish").expect("valid")).expect("kept"));
    texts.push_str(&format!("{:?}", mutex.try_acquire((&claim).into()).await));
    texts.push_str(&format!("{:?}", mutex.renew(&claim).await));
    texts.push_str(&format!("{:?}", mutex.observe().await));
    texts.push_str(&format!("{:?}", mutex.release(&claim).await));
    texts.push_str(&format!("{:?}", operator.break_lease(None).await));
    // Each waits for seconds where nobody answers.
    let (listed, created, written, raised) =
        tokio::join!(operator.elections(), side.create("x"), keys.write(batch), keys.raise());
    texts.push_str(&format!("{listed:?} {created:?} {written:?} {raised:?}"));
    let _ = tokio::time::timeout(Duration::from_millis(300), mutex.changed()).await;
    texts
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs etcd: apt install etcd-server etcd-client"]
async fn no_text_and_no_log_line_has_a_password_a_token_or_a_key() {
    let log = Log::default();
    let writer = log.clone();
    // Whatever any crate logs, in the most detail.
    let subscriber =
        tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(move || writer.clone()).finish();
    tracing::subscriber::set_global_default(subscriber).expect("the only one of this process");

    let mut etcd = Etcd::start(Options { tls: true, client_certificates: true, ..Options::default() });
    etcd.switch_authentication_on("elections/", PASSWORD);
    let certificates = common::nameless_certificates(&etcd);
    let key = String::from_utf8(certificates.key.clone().expect("one")).expect("PEM");
    let right = EtcdOptions { user: Some("worker".to_owned()), password: Some(PASSWORD.to_owned()), ..certificates };
    let wrong = EtcdOptions { password: Some(format!("{PASSWORD}x")), ..right.clone() };
    let untrusted = EtcdOptions { authority: Some(testservers::Authority::new().pem().into_bytes()), ..right.clone() };

    let mut texts = String::new();
    for options in [right.clone(), wrong, untrusted] {
        texts.push_str(&all_texts(&etcd.url(), options).await);
    }
    let link = Link::start(etcd.addresses()[0]);
    link.cut(testservers::Direction::ToClient);
    texts.push_str(&all_texts(&url_of([link.address()]), right.clone()).await);
    etcd.kill(0);
    texts.push_str(&all_texts(&etcd.url(), right).await);

    let log = String::from_utf8_lossy(&log.0.lock().expect("not poisoned")).into_owned();
    assert!(
        texts.contains("Denied")
            && texts.contains("Timeout")
            && texts.contains("Unreachable")
            && texts.contains("Granted"),
        "{texts}"
    );
    assert!(log.len() > 10_000, "the log has something to look at: {} bytes", log.len());
    let secret = key.lines().nth(1).expect("the key's first line");
    for (what, text) in [("texts", &texts), ("log", &log)] {
        assert!(!text.contains(PASSWORD), "a password in the {what}");
        assert!(!text.contains(secret), "a key in the {what}");
        // A simple token is sixteen letters, a dot and the number of a proposal.
        let is_token = |word: &str| {
            word.split_once('.').is_some_and(|(letters, number)| {
                letters.len() == 16
                    && letters.bytes().all(|b| b.is_ascii_alphabetic())
                    && !number.is_empty()
                    && number.bytes().all(|b| b.is_ascii_digit())
            })
        };
        let words = |c: char| !c.is_ascii_alphanumeric() && c != '.';
        assert!(!text.split(words).any(is_token), "a token in the {what}");
    }
}
