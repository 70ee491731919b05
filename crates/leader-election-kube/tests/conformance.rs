//! What the API server answers to each request that matters, row by row: on the fake with each change, and on a real server where one is named.
//!
//! `tests/conformance/kube-apiserver-*.txt` are listings of real servers, with the date of the run. The fake has to answer as the newest one. A run on a real server
//! prints its own listing:
//!
//! ```text
//! KUBE_URL=… KUBE_CA=… KUBE_TOKEN=… cargo test -p leader-election-kube --test conformance -- --ignored --nocapture
//! ```
//!
//! Rows that need a server that can be stopped run where KUBE_APISERVER names a program to start one of.

#![allow(clippy::expect_used, clippy::unwrap_used)]

mod common;
#[path = "conformance/rows.rs"]
mod rows;

use std::time::Duration;

use serde_json::json;
use testservers::kube_fake::{ADMIN, Fault, KubeFake, NOBODY};

use common::Server;
use rows::{Control, NOT_RUN, ROWS};

const LISTING: &str = include_str!("conformance/kube-apiserver-1.20.txt");

/// A server that can be stopped in each way that a row needs.
struct OfTheFake(Option<KubeFake>);

impl Control for OfTheFake {
    fn stop_etcd(&mut self, stopped: bool) {
        self.fake().stop_etcd(stopped);
    }

    fn overload(&mut self) {
        self.fake().fail(&[Fault::Refused(429)]);
    }

    fn relieve(&mut self) {}

    fn end(&mut self) {
        self.0 = None;
        // Its listener notices with the next connection.
        std::thread::sleep(Duration::from_millis(50));
    }
}

impl OfTheFake {
    fn fake(&self) -> &KubeFake {
        self.0.as_ref().expect("not ended yet")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_fake_answers_as_a_real_server_was_seen_to() {
    let fake = KubeFake::start();
    let admin = Server { url: fake.url(), authorities: None, token: ADMIN.to_owned() };
    let listing = rows::run(&admin, &admin.as_user(NOBODY), Some(&mut OfTheFake(Some(fake)))).await;
    assert_eq!(ROWS, 28, "the rows of the table");
    for (fake, real) in listing.iter().zip(of_the_listing()) {
        assert_eq!(fake, real, "the fake, and the server of the listing");
    }
    assert_eq!(listing.len(), of_the_listing().count());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Kubernetes API server: set KUBE_URL, KUBE_CA and KUBE_TOKEN"]
async fn a_real_server_answers_as_the_listing_has_it() {
    let admin = Server::given();
    let nobody = admin.account("default", &common::fresh("nobody"), json!([])).await;
    judge(&rows::run(&admin, &nobody, None).await);
}

/// Newer servers may word a refusal in another way, and refuse a mistake of ours with another status; what the store goes by is the first word of each
/// row: whether it was done, refused as a conflict, and so on.
fn judge(listing: &[String]) {
    println!("{}", listing.join("\n"));
    assert_eq!(listing.len(), of_the_listing().count());
    let mut others = Vec::new();
    for (seen, expected) in listing.iter().zip(of_the_listing()) {
        if seen != expected && !seen.ends_with(NOT_RUN) && !rows::is_our_mistake(seen) {
            others.push(format!("{seen}\n    and in the listing: {expected}"));
        }
    }
    assert!(others.is_empty(), "this server answers otherwise:\n{}", others.join("\n"));
}

fn of_the_listing() -> impl Iterator<Item = &'static str> {
    LISTING.lines().filter(|line| !line.starts_with('#') && !line.is_empty())
}

#[cfg(unix)]
#[path = "conformance/own_server.rs"]
mod own_server;
