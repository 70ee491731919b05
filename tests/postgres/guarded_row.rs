//! One row that bears its own fence.

use azure_leader_election::FencingToken;

use crate::books::{Books, assert_fenced, number, token};
use crate::ledger::{LedgerError, open_next_month};

#[tokio::test]
#[ignore = "needs PostgreSQL (Debian: apt install postgresql)"]
async fn an_older_token_changes_nothing_and_is_told_the_newer_one() {
    let books = Books::open("row_older").await;
    let session = books.session().await;
    assert_eq!(open_next_month(&session, "billing", token(7)).await.unwrap(), 1);

    assert_fenced(open_next_month(&session, "billing", token(6)).await, 6, 7);

    assert_eq!(books.run().await, (1, 7));
}

#[tokio::test]
#[ignore = "needs PostgreSQL (Debian: apt install postgresql)"]
async fn a_leader_writes_again_with_the_token_it_has_and_its_successor_with_a_newer_one() {
    let books = Books::open("row_equal").await;
    let session = books.session().await;
    for (written, number) in [7, 7, 7, 8, 8].into_iter().enumerate() {
        let month = open_next_month(&session, "billing", token(number)).await.unwrap();
        assert_eq!(month, i64::try_from(written).unwrap() + 1);
        assert_eq!(books.run().await, (month, number.cast_signed()));
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL (Debian: apt install postgresql)"]
async fn the_highest_token_fits() {
    let books = Books::open("row_highest").await;
    let session = books.session().await;

    open_next_month(&session, "billing", token(FencingToken::MAX)).await.unwrap();

    assert_eq!(books.run().await, (1, 9_007_199_254_740_991));
    let refused = open_next_month(&session, "billing", token(FencingToken::MAX - 1)).await;
    assert_fenced(refused, FencingToken::MAX - 1, FencingToken::MAX);
    assert_eq!(open_next_month(&session, "billing", token(FencingToken::MAX)).await.unwrap(), 2, "an equal one passes");
}

#[tokio::test]
#[ignore = "needs PostgreSQL (Debian: apt install postgresql)"]
async fn a_row_that_does_not_exist_is_not_taken_for_a_newer_leader() {
    let books = Books::open("row_missing").await;
    let outcome = open_next_month(&books.session().await, "biling", token(7)).await;
    assert!(matches!(&outcome, Err(LedgerError::NoSuchRun(name)) if name == "biling"), "{outcome:?}");
}

#[tokio::test]
#[ignore = "needs PostgreSQL (Debian: apt install postgresql)"]
async fn an_older_write_that_waits_for_a_newer_one_is_refused_when_that_commits() {
    let books = Books::open("row_waits").await;
    let (newer, older) = (books.session().await, books.session().await);
    newer.batch_execute("BEGIN").await.unwrap();
    open_next_month(&newer, "billing", token(9)).await.unwrap();

    let waiting = number(&older).await;
    let older = tokio::spawn(async move { open_next_month(&older, "billing", token(8)).await });
    books.until_blocked(waiting).await;
    assert_eq!(books.run().await, (0, 0), "when it came, the row would still have let it pass");
    newer.batch_execute("COMMIT").await.unwrap();

    assert_fenced(older.await.unwrap(), 8, 9);
    assert_eq!(books.run().await, (1, 9));
}
