//! A transaction over many rows, fenced by one.

use azure_leader_election::FencingToken;
use tokio::task::JoinHandle;
use tokio_postgres::{Client, Transaction};

use crate::books::{Books, MONTH, assert_fenced, number, token};
use crate::ledger::{LedgerError, begin_fenced, charge_until, raise};

const FENCE: &str = "subscriptions";

/// A transaction that has raised the fence and charged a month.
async fn begin_charging(session: &mut Client, token: FencingToken) -> Transaction<'_> {
    let charging = begin_fenced(session, FENCE, token).await.unwrap();
    let charge = "UPDATE subscriptions SET months = months + 1, charged = charged + cents";
    charging.batch_execute(charge).await.unwrap();
    charging
}

/// A charge that was begun, and waits for another one's lock.
async fn blocked_charge(
    books: &Books,
    mut session: Client,
    month: i64,
    token: FencingToken,
) -> JoinHandle<Result<i64, LedgerError>> {
    let waiting = number(&session).await;
    let charge = tokio::spawn(async move { charge_until(&mut session, month, token).await });
    books.until_blocked(waiting).await;
    charge
}

#[tokio::test]
#[ignore = "needs PostgreSQL (Debian: apt install postgresql)"]
async fn an_older_leader_charges_nobody_and_is_told_the_newer_token() {
    let books = Books::open("transaction_older").await;
    let mut session = books.session().await;
    assert_eq!(charge_until(&mut session, 1, token(7)).await.unwrap(), MONTH);

    assert_fenced(charge_until(&mut session, 5, token(6)).await, 6, 7);

    assert_eq!(books.charged_until().await, 1);
    assert_eq!(books.fence(FENCE).await, Some(7));
    assert_eq!(charge_until(&mut session, 2, token(7)).await.unwrap(), MONTH, "the refusal left no transaction open");
}

#[tokio::test]
#[ignore = "needs PostgreSQL (Debian: apt install postgresql)"]
async fn the_highest_token_fits_and_an_equal_one_passes() {
    let books = Books::open("transaction_highest").await;
    let mut session = books.session().await;
    for month in [1, 2] {
        charge_until(&mut session, month, token(FencingToken::MAX)).await.unwrap();
        assert_eq!(books.fence(FENCE).await, Some(9_007_199_254_740_991));
    }
    let refused = charge_until(&mut session, 3, token(FencingToken::MAX - 1)).await;
    assert_fenced(refused, FencingToken::MAX - 1, FencingToken::MAX);
    assert_eq!(books.charged_until().await, 2);
}

#[tokio::test]
#[ignore = "needs PostgreSQL (Debian: apt install postgresql)"]
async fn the_first_write_under_a_new_name_makes_its_fence_and_other_names_do_not_count() {
    let books = Books::open("transaction_first").await;
    let mut session = books.session().await;
    begin_fenced(&mut session, "invoices", token(9)).await.unwrap().commit().await.unwrap();
    assert_eq!(books.fence(FENCE).await, None);

    charge_until(&mut session, 1, token(3)).await.unwrap();

    assert_eq!((books.fence(FENCE).await, books.fence("invoices").await), (Some(3), Some(9)));
    assert_fenced(charge_until(&mut session, 2, token(2)).await, 2, 3);
}

/// There is no row yet that could be locked, only the other one's insertion.
#[tokio::test]
#[ignore = "needs PostgreSQL (Debian: apt install postgresql)"]
async fn of_two_first_writes_at_once_the_older_one_is_refused() {
    let books = Books::open("transaction_both_first").await;
    let (mut newer, older) = (books.session().await, books.session().await);
    let first = begin_fenced(&mut newer, FENCE, token(9)).await.unwrap();

    let older = blocked_charge(&books, older, 1, token(8)).await;
    first.commit().await.unwrap();

    assert_fenced(older.await.unwrap(), 8, 9);
    assert_eq!((books.fence(FENCE).await, books.charged_until().await), (Some(9), 0));
}

#[tokio::test]
#[ignore = "needs PostgreSQL (Debian: apt install postgresql)"]
async fn an_older_transaction_that_waits_for_a_newer_one_is_refused_when_that_commits() {
    let books = Books::open("transaction_waits").await;
    let (mut newer, mut older) = (books.session().await, books.session().await);
    charge_until(&mut older, 1, token(8)).await.unwrap();
    let charging = begin_charging(&mut newer, token(9)).await;

    let older = blocked_charge(&books, older, 2, token(8)).await;
    assert_eq!(books.fence(FENCE).await, Some(8), "when it came, the fence would still have let it pass");
    charging.commit().await.unwrap();

    assert_fenced(older.await.unwrap(), 8, 9);
    assert_eq!(books.charged_until().await, 2);
}

#[tokio::test]
#[ignore = "needs PostgreSQL (Debian: apt install postgresql)"]
async fn a_newer_transaction_that_was_rolled_back_refuses_nobody() {
    let books = Books::open("transaction_rolled_back").await;
    let (mut newer, mut older) = (books.session().await, books.session().await);
    charge_until(&mut older, 1, token(8)).await.unwrap();
    let charging = begin_charging(&mut newer, token(9)).await;

    let older = blocked_charge(&books, older, 2, token(8)).await;
    charging.rollback().await.unwrap();

    assert_eq!(older.await.unwrap().unwrap(), MONTH);
    assert_eq!((books.fence(FENCE).await, books.charged_until().await), (Some(8), 2));
}

/// Reading before the fence is raised would charge the month a second time here.
#[tokio::test]
#[ignore = "needs PostgreSQL (Debian: apt install postgresql)"]
async fn a_newer_leader_that_waits_for_an_older_one_reads_what_that_has_written() {
    let books = Books::open("transaction_reads").await;
    let (mut older, newer) = (books.session().await, books.session().await);
    let charging = begin_charging(&mut older, token(8)).await;

    let newer = blocked_charge(&books, newer, 1, token(9)).await;
    charging.commit().await.unwrap();

    assert_eq!(newer.await.unwrap().unwrap(), 0, "the month was charged already");
    assert_eq!((books.fence(FENCE).await, books.charged_until().await), (Some(9), 1));
}

/// The first one has read and is held up before its first write; the second one comes then.
#[tokio::test]
#[ignore = "needs PostgreSQL (Debian: apt install postgresql)"]
async fn of_two_leaders_that_charge_at_once_the_second_waits_for_the_whole_of_the_first() {
    let books = Books::open("transaction_at_once").await;
    let (obstacle, older, newer) = (books.session().await, books.session().await, books.session().await);
    obstacle.batch_execute("BEGIN; SELECT FROM subscriptions FOR UPDATE").await.unwrap();

    let older = blocked_charge(&books, older, 1, token(8)).await;
    let newer = blocked_charge(&books, newer, 1, token(9)).await;
    obstacle.batch_execute("COMMIT").await.unwrap();

    assert_eq!(older.await.unwrap().unwrap(), MONTH);
    assert_eq!(newer.await.unwrap().unwrap(), 0, "the month was charged already");
    assert_eq!((books.fence(FENCE).await, books.charged_until().await), (Some(9), 1));
}

#[tokio::test]
#[ignore = "needs PostgreSQL (Debian: apt install postgresql)"]
async fn an_older_transaction_that_has_read_and_is_overtaken_fails_as_a_whole() {
    let books = Books::open("transaction_overtaken").await;
    books.observer.batch_execute("CREATE TABLE letters (subscription bigint)").await.unwrap();
    let (mut older, mut newer) = (books.session().await, books.session().await);
    let overtaken = older.transaction().await.unwrap();
    let due = overtaken.execute("INSERT INTO letters SELECT id FROM subscriptions WHERE months < 1", &[]).await;
    assert_eq!(due.unwrap(), 3, "it has read, and written");

    charge_until(&mut newer, 1, token(9)).await.unwrap();

    assert_fenced(raise(&overtaken, FENCE, token(8)).await, 8, 9);
    drop(overtaken);
    // The next statement of the same session comes after the rollback that was just queued.
    let letters = older.query_one("SELECT count(*) FROM letters", &[]).await.unwrap();
    assert_eq!(letters.get::<_, i64>(0), 0);
    assert_eq!((books.fence(FENCE).await, books.charged_until().await), (Some(9), 1));
}

/// The lock of a leader that stands still in the middle would otherwise hold up its successors for as long as it does.
#[tokio::test]
#[ignore = "needs PostgreSQL (Debian: apt install postgresql)"]
async fn a_leader_that_stands_still_in_its_transaction_loses_it_to_its_successor() {
    let books = Books::open("transaction_stands_still").await;
    let (mut older, mut newer) = (books.session().await, books.session().await);
    let paused = begin_charging(&mut older, token(8)).await;

    assert_eq!(charge_until(&mut newer, 1, token(9)).await.unwrap(), MONTH);

    assert!(paused.commit().await.is_err(), "it was committed nevertheless");
    assert_eq!((books.fence(FENCE).await, books.charged_until().await), (Some(9), 1));
    let outcome = charge_until(&mut older, 2, token(8)).await;
    assert!(matches!(outcome, Err(LedgerError::Postgres(_))), "the session goes on: {outcome:?}");
    assert_fenced(charge_until(&mut books.session().await, 2, token(8)).await, 8, 9);
}
