//! A database of a test's own with the tables of the sample, and what the tests ask of it.

use std::time::Duration;

use azure_leader_election::FencingToken;
use tokio::time::{sleep, timeout};
use tokio_postgres::Client;

use crate::ledger::{LedgerError, TABLES};
use testbed::postgres::{Database, Postgres};

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(60);

/// The prices of all subscriptions, for a month.
pub const MONTH: i64 = 1999 + 499 + 12900;

pub struct Books {
    pub database: Database,
    /// Sees what has been committed.
    pub observer: Client,
}

impl Books {
    /// With one run, `billing`, and three subscriptions that were never charged.
    pub async fn open(name: &str) -> Self {
        let database = Postgres::shared().await.create_database(name).await;
        let observer = database.connect().await;
        observer.batch_execute(TABLES).await.unwrap();
        let rows = "INSERT INTO runs (name) VALUES ('billing');
             INSERT INTO subscriptions (id, cents) VALUES (1, 1999), (2, 499), (3, 12900)";
        observer.batch_execute(rows).await.unwrap();
        Self { database, observer }
    }

    pub async fn session(&self) -> Client {
        self.database.connect().await
    }

    /// Month and fence of the run.
    pub async fn run(&self) -> (i64, i64) {
        let row = self.observer.query_one("SELECT month, fence FROM runs WHERE name = 'billing'", &[]).await.unwrap();
        (row.get(0), row.get(1))
    }

    pub async fn fence(&self, name: &str) -> Option<i64> {
        let row = self.observer.query_opt("SELECT token FROM fences WHERE name = $1", &[&name]).await.unwrap();
        row.map(|row| row.get(0))
    }

    /// The month until which all subscriptions are charged, once for each month: else this panics.
    pub async fn charged_until(&self) -> i64 {
        let rows = self.observer.query("SELECT months, charged, months * cents FROM subscriptions", &[]).await.unwrap();
        let months: Vec<i64> = rows.iter().map(|row| row.get(0)).collect();
        assert!(months.iter().all(|month| *month == months[0]), "not all or none: {months:?}");
        for row in &rows {
            assert_eq!(row.get::<_, i64>(1), row.get::<_, i64>(2), "each month is charged once");
        }
        months[0]
    }

    /// From now on, the table `history` has a line for each change of this column, in their order.
    ///
    /// A change is noted while its row is locked, so the numbers of the lines are in the order of the changes.
    pub async fn keep_history(&self, table: &str, column: &str) {
        let history = format!(
            "CREATE TABLE history (number bigserial PRIMARY KEY, token bigint NOT NULL);
             CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$
                 BEGIN INSERT INTO history (token) VALUES (NEW.{column}); RETURN NEW; END $$;
             CREATE TRIGGER note AFTER INSERT OR UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION note()"
        );
        self.observer.batch_execute(&history).await.unwrap();
    }

    pub async fn history(&self) -> Vec<i64> {
        let rows = self.observer.query("SELECT token FROM history ORDER BY number", &[]).await.unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    }

    /// Returns when the session waits for a lock that another one holds.
    pub async fn until_blocked(&self, session: i32) {
        let blocked = async {
            let question = "SELECT cardinality(pg_blocking_pids($1)) > 0";
            while !self.observer.query_one(question, &[&session]).await.unwrap().get::<_, bool>(0) {
                sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(PATIENCE, blocked).await.expect("it waits for no lock");
    }
}

/// The number by which [`Books::until_blocked`] knows the session.
pub async fn number(session: &Client) -> i32 {
    session.query_one("SELECT pg_backend_pid()", &[]).await.unwrap().get(0)
}

pub fn token(number: u64) -> FencingToken {
    FencingToken::new(number).unwrap()
}

/// Panics unless this is the refusal of `older` because of `newer`.
#[track_caller]
pub fn assert_fenced<T: std::fmt::Debug>(outcome: Result<T, LedgerError>, older: u64, newer: u64) {
    let refusal = outcome.expect_err("an older token passed");
    let LedgerError::Fenced { token: refused, newer: told } = &refusal else { panic!("not fenced, but: {refusal:?}") };
    assert_eq!((refused.get(), *told), (older, newer.cast_signed()));
    assert!(refusal.to_string().contains(&newer.to_string()), "it does not name the newer token: {refusal}");
}
