//! Many writers at once, each with tokens that rise and fall about a common line.

use std::sync::Arc;

use tokio::sync::Barrier;
use tokio::task::JoinSet;
use tokio_postgres::Client;

use crate::books::{Books, token};
use crate::ledger::{LedgerError, charge_until, open_next_month};
use testbed::random::Random;

const WRITERS: u64 = 12;
const WRITES: u64 = 80;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL (Debian: apt install postgresql)"]
async fn the_fence_of_a_row_never_goes_down_and_no_accepted_write_is_lost() {
    let books = Books::open("crowd_row").await;
    books.keep_history("runs", "fence").await;

    let accepted = crowd(&books, |session, _, number| async move {
        let outcome = open_next_month(&session, "billing", token(number)).await;
        (session, outcome)
    })
    .await;

    let tokens: Vec<u64> = accepted.iter().map(|write| write.token).collect();
    assert_history_is_of(&books, tokens).await;
    let mut months: Vec<i64> = accepted.iter().map(|write| write.returned).collect();
    months.sort_unstable();
    let all: Vec<i64> = (1..).take(accepted.len()).collect();
    assert_eq!(months, all, "each accepted write opened a month of its own");
    assert_eq!(books.run().await.0, *all.last().unwrap());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL (Debian: apt install postgresql)"]
async fn the_fence_of_transactions_never_goes_down_and_no_charge_is_lost_or_made_twice() {
    let books = Books::open("crowd_transaction").await;
    books.keep_history("fences", "token").await;

    let accepted = crowd(&books, |mut session, month, number| async move {
        let outcome = charge_until(&mut session, month, token(number)).await;
        (session, outcome)
    })
    .await;

    let tokens: Vec<u64> = accepted.iter().map(|write| write.token).collect();
    assert_history_is_of(&books, tokens).await;
    let months = books.charged_until().await;
    assert_eq!(months, accepted.iter().map(|write| write.month).max().unwrap());
    let cents: i64 = accepted.iter().map(|write| write.returned).sum();
    assert_eq!(cents, months * crate::books::MONTH, "what the leaders were told adds up to what was charged");
}

struct Accepted {
    month: i64,
    token: u64,
    returned: i64,
}

/// Returns the writes that were accepted, and panics when the others were not refused by the fence.
async fn crowd<F, Fut>(books: &Books, write: F) -> Vec<Accepted>
where
    F: Fn(Client, i64, u64) -> Fut + Copy + Send + 'static,
    Fut: Future<Output = (Client, Result<i64, LedgerError>)> + Send + 'static,
{
    let mut writers = JoinSet::new();
    // Else the fastest writer would soon fence off all others, and the rest would be refusals.
    let start_of_turn = Arc::new(Barrier::new(usize::try_from(WRITERS).unwrap()));
    for seed in 0..WRITERS {
        let mut session = books.session().await;
        let start_of_turn = Arc::clone(&start_of_turn);
        writers.spawn(async move {
            let mut random = Random::new(seed);
            let (mut accepted, mut refused) = (Vec::new(), 0);
            for turn in 1..=WRITES {
                let (month, token) = (turn.cast_signed(), turn + random.within(0, 5));
                let outcome;
                start_of_turn.wait().await;
                (session, outcome) = write(session, month, token).await;
                match outcome {
                    Ok(returned) => accepted.push(Accepted { month, token, returned }),
                    Err(LedgerError::Fenced { token: own, newer }) => {
                        assert!(own.get() == token && newer > token.cast_signed(), "{token} was refused by {newer}");
                        refused += 1;
                    }
                    Err(error) => panic!("token {token}: {error:?}"),
                }
            }
            (accepted, refused)
        });
    }
    let mut all = Vec::new();
    for (accepted, refused) in writers.join_all().await {
        // Some of a writer's tokens are lower than one that it wrote with before, whatever the others do.
        assert!(refused > 0, "no writer is always right");
        all.extend(accepted);
    }
    println!("{} of {} writes accepted", all.len(), WRITERS * WRITES);
    all
}

/// The database has seen these tokens, each as often as given here, and none after a higher one.
async fn assert_history_is_of(books: &Books, tokens: Vec<u64>) {
    let history = books.history().await;
    assert!(history.is_sorted(), "the fence went down: {history:?}");
    let mut tokens: Vec<i64> = tokens.into_iter().map(u64::cast_signed).collect();
    tokens.sort_unstable();
    assert_eq!(history, tokens, "what was accepted was written, and nothing else");
}
