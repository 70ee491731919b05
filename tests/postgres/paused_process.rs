//! The whole sample: two processes, one election, one database.

use std::time::Duration;

use nix::sys::signal::Signal;

use crate::books::Books;
use testbed::azurite::Azurite;
use testbed::names;
use testbed::worker;

const PATIENCE: Duration = Duration::from_secs(90);

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL (Debian: apt install postgresql)"]
async fn a_leader_paused_beyond_its_lease_leaves_the_books_of_its_successor_alone() {
    let books = Books::open("paused_process").await;
    books.keep_history("fences", "token").await;
    let container = Azurite::http().await.container_url(&names::unique("ledger"));
    let database = books.database.connection_string();

    let tokens = tokio::task::spawn_blocking(move || {
        let worker = |name: &str| worker::start("postgres_ledger", &[&container, &database], name, &[]);
        let first = worker("first");
        let (_, charged) = first.wait_for(0, "charged", PATIENCE);
        let second = worker("second");
        second.wait_for(0, "standby, first leads", PATIENCE);
        first.signal(Signal::SIGSTOP);
        let (_, takeover) = second.wait_for(0, "charged", PATIENCE);

        let before = first.lines().len();
        first.signal(Signal::SIGCONT);
        first.wait_for(before, "standby, second leads", PATIENCE);
        let (lines, _) = second.wait_for(0, "charged", PATIENCE);
        second.wait_for(lines + 1, "charged", PATIENCE);
        (charged.token(), takeover.token())
    })
    .await
    .unwrap();

    assert!(tokens.0 < tokens.1, "tokens rise: {tokens:?}");
    let history = books.history().await;
    assert!(history.is_sorted(), "the fence went down: {history:?}");
    assert_eq!(history.last(), Some(&tokens.1.cast_signed()));
    assert!(books.charged_until().await >= 3);
}
