//! Writes that PostgreSQL refuses to a leader that has been replaced: two ways, to be copied.
//!
//! A lease cannot stop a process that is paused between its last check and its write. The database can: it keeps the
//! highest fencing token that has written, and refuses a lower one. That it is right hangs on no clock.
//!
//! Guard each table by one of the two ways and by one fence only, name the fence after what it guards, and never delete
//! its row: a deleted fence has forgotten who was refused.

use std::fmt;

use azure_leader_election::FencingToken;
use tokio_postgres::{Client, IsolationLevel, Transaction};

pub const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS runs (              -- each row has a fence of its own
        name   text   PRIMARY KEY,
        month  bigint NOT NULL DEFAULT 0,          -- subscriptions are to be charged until this month
        fence  bigint NOT NULL DEFAULT 0);         -- holds every token: they stay below 2^53
    CREATE TABLE IF NOT EXISTS fences (
        name   text   PRIMARY KEY,
        token  bigint NOT NULL);
    CREATE TABLE IF NOT EXISTS subscriptions (     -- all rows are guarded by the fence 'subscriptions'
        id      bigint PRIMARY KEY,
        cents   bigint NOT NULL,                   -- the price of a month
        months  bigint NOT NULL DEFAULT 0,         -- charged until this month
        charged bigint NOT NULL DEFAULT 0);        -- in cents, in all";

#[derive(Debug)]
pub enum LedgerError {
    /// A newer leader has written already: stop, for this one has been replaced.
    Fenced {
        token: FencingToken,
        newer: i64,
    },
    NoSuchRun(String),
    Postgres(tokio_postgres::Error),
}

/// One guarded row: opens the next month, and returns it.
///
/// The fence is raised by the statement that writes, and for this row alone: one that the newer leader has not written
/// yet still takes an older token. What is written the database computes, from the row as it is. Where rows belong
/// together, or what is written hangs on what was read before, take a transaction as in [`charge_until`].
pub async fn open_next_month(client: &Client, run: &str, token: FencingToken) -> Result<i64, LedgerError> {
    let written = client
        .query_opt(
            "UPDATE runs SET month = month + 1, fence = $1 WHERE name = $2 AND fence <= $1 RETURNING month",
            &[&bigint(token), &run],
        )
        .await?;
    if let Some(row) = written {
        return Ok(row.try_get(0)?);
    }
    // No row was written: because of the fence, or because there is none.
    let row = client.query_opt("SELECT fence FROM runs WHERE name = $1", &[&run]).await?;
    match row.map(|row| row.try_get(0)).transpose()? {
        Some(newer) if newer > bigint(token) => Err(LedgerError::Fenced { token, newer }),
        _ => Err(LedgerError::NoSuchRun(run.to_owned())),
    }
}

/// Many rows, guarded by one: charges every subscription for the months until this one, and returns the cents.
///
/// Whether a commit whose answer was lost took place, nobody knows. Here it may be repeated: no month is charged twice.
pub async fn charge_until(client: &mut Client, month: i64, token: FencingToken) -> Result<i64, LedgerError> {
    let transaction = begin_fenced(client, "subscriptions", token).await?;
    // Only now: what was read before the fence was raised, an older leader could still have changed afterwards.
    let due = transaction.query("SELECT id, cents, months FROM subscriptions WHERE months < $1", &[&month]).await?;
    let mut total = 0;
    for subscription in due {
        let (id, price, months): (i64, i64, i64) =
            (subscription.try_get(0)?, subscription.try_get(1)?, subscription.try_get(2)?);
        let cents = price * (month - months);
        let charge = "UPDATE subscriptions SET months = $1, charged = charged + $2 WHERE id = $3";
        transaction.execute(charge, &[&month, &cents, &id]).await?;
        total += cents;
    }
    transaction.commit().await?;
    Ok(total)
}

/// Begins a transaction that an older leader cannot begin any more; dropping it rolls it back.
pub async fn begin_fenced<'a>(
    client: &'a mut Client,
    fence: &str,
    token: FencingToken,
) -> Result<Transaction<'a>, LedgerError> {
    let transaction = client.build_transaction().isolation_level(IsolationLevel::ReadCommitted).start().await?;
    // The next leader waits for the lock that `raise` takes. One that is paused while it holds it must not make that
    // wait endless: the server ends its session, and with it the transaction.
    transaction.batch_execute("SET LOCAL idle_in_transaction_session_timeout = '5s'").await?;
    raise(&transaction, fence, token).await?;
    Ok(transaction)
}

/// Raises the fence to this token, for the transaction as a whole: a newer one there refuses it.
///
/// The row stays locked until the transaction ends, so the transactions of two leaders come one after the other, and
/// neither works on what the other is about to change. One that has waited for that lock finds the row as the other one
/// left it, since under READ COMMITTED the `WHERE` is then evaluated anew: so an older leader is refused even if it came
/// before the newer one's commit, and a newer one goes on to read all that the older one has written.
pub async fn raise(transaction: &Transaction<'_>, fence: &str, token: FencingToken) -> Result<(), LedgerError> {
    let raised = transaction
        .execute(
            "INSERT INTO fences (name, token) VALUES ($1, $2) \
             ON CONFLICT (name) DO UPDATE SET token = excluded.token WHERE fences.token <= excluded.token",
            &[&fence, &bigint(token)],
        )
        .await?;
    if raised == 1 {
        return Ok(());
    }
    let newer = transaction.query_one("SELECT token FROM fences WHERE name = $1", &[&fence]).await?;
    Err(LedgerError::Fenced { token, newer: newer.try_get(0)? })
}

fn bigint(token: FencingToken) -> i64 {
    // Below 2^53, so the sign is never touched.
    token.get().cast_signed()
}

impl fmt::Display for LedgerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fenced { token, newer } => write!(f, "fenced: the leader of token {newer} follows that of {token}"),
            Self::NoSuchRun(name) => write!(f, "there is no run {name}"),
            Self::Postgres(_) => write!(f, "the database failed"),
        }
    }
}

impl std::error::Error for LedgerError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Postgres(error) => Some(error),
            Self::Fenced { .. } | Self::NoSuchRun(_) => None,
        }
    }
}

impl From<tokio_postgres::Error> for LedgerError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Postgres(error)
    }
}
