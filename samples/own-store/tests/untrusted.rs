//! What the suite cannot see: a database that somebody has edited, spoiled or deleted.

#![allow(clippy::unwrap_used, reason = "a test's helpers may panic as its tests do")]

use std::path::{Path, PathBuf};
use std::time::Duration;

use leader_election::{Acquire, Claim, DistributedMutex, ErrorKind, HolderId, Renew, SideName};
use rusqlite::Connection;
use tempfile::TempDir;

fn database() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.db");
    (folder, path)
}

fn claim() -> Claim {
    Claim::new(HolderId::generate(), Duration::from_secs(1))
}

async fn acquire(path: &Path, claim: &Claim) -> leader_election::Result<Acquire> {
    own_store::elect(path, "nightly").unwrap().try_acquire(claim.into()).await
}

/// The kind of the refusal, which must show nothing of what stands in the row.
async fn refused(path: &Path) -> ErrorKind {
    let error = acquire(path, &claim()).await.unwrap_err();
    assert!(!format!("{error:?} {error}").contains("hunter2"), "{error:?}");
    error.kind()
}

#[tokio::test]
async fn a_spoiled_row_is_an_error_and_stays() {
    for spoil in [
        "UPDATE leader_election SET record = ''",
        "UPDATE leader_election SET record = '{}'",
        "UPDATE leader_election SET record = '\"hunter2\"'",
        "UPDATE leader_election SET record = '[' || hex(zeroblob(1000000)) || ']'",
        "UPDATE leader_election SET record = CAST(x'ff68756e74657232' AS TEXT)",
        "UPDATE leader_election SET record = replace(record, '\"fencingToken\"', '\"hunter2\"')",
        "UPDATE leader_election SET version = ''",
        "UPDATE leader_election SET version = hex(zeroblob(1000))",
        // A table of the same name without the promise of its types.
        "CREATE TABLE t (election, version, record); INSERT INTO t SELECT election, version, x'68756e74657232' FROM leader_election;
         DROP TABLE leader_election; ALTER TABLE t RENAME TO leader_election",
        "CREATE TABLE t (election, version, record); INSERT INTO t SELECT election, NULL, record FROM leader_election;
         DROP TABLE leader_election; ALTER TABLE t RENAME TO leader_election",
    ] {
        let (_folder, path) = database();
        assert!(matches!(acquire(&path, &claim()).await, Ok(Acquire::Granted(_))));
        let connection = Connection::open(&path).unwrap();
        let row = || {
            let all = "SELECT quote(version) || quote(record) FROM leader_election";
            connection.query_row(all, [], |row| row.get_ref(0).map(|text| text.as_bytes().unwrap().to_vec())).unwrap()
        };
        connection.execute_batch(spoil).unwrap();
        let spoiled = row();
        assert_eq!(refused(&path).await, ErrorKind::CorruptRecord, "{spoil}");
        assert_eq!(row(), spoiled, "{spoil}");
    }
}

#[tokio::test]
async fn a_spoiled_side_record_is_an_error() {
    let (_folder, path) = database();
    let side = own_store::elect(&path, "nightly").unwrap().side(SideName::new("wish").unwrap()).unwrap();
    side.create("now").await.unwrap();
    let connection = Connection::open(&path).unwrap();
    connection.execute_batch("UPDATE leader_election_side SET content = hex(zeroblob(5000))").unwrap();
    assert_eq!(side.read().await.unwrap_err().kind(), ErrorKind::CorruptRecord);
}

#[tokio::test]
async fn a_name_of_somebody_elses_is_not_listed() {
    let (_folder, path) = database();
    acquire(&path, &claim()).await.unwrap();
    let connection = Connection::open(&path).unwrap();
    connection.execute_batch("INSERT INTO leader_election VALUES ('two' || char(10) || 'lines', '1', '')").unwrap();
    let mutex = own_store::elect(&path, "nightly").unwrap();
    assert_eq!(mutex.operator().unwrap().elections().await.unwrap(), ["nightly"]);
}

#[tokio::test]
async fn what_is_no_database_of_ours_is_left_alone() {
    let (_folder, path) = database();
    std::fs::write(&path, "hunter2 ".repeat(1_000)).unwrap();
    assert_eq!(refused(&path).await, ErrorKind::CorruptRecord);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "hunter2 ".repeat(1_000));

    let (_folder, path) = database();
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE leader_election (hunter2)").unwrap();
    assert_eq!(refused(&path).await, ErrorKind::Refused);

    let (_folder, path) = database();
    assert_eq!(refused(&path.join("missing/app.db")).await, ErrorKind::NotFound);
}

#[tokio::test]
async fn to_look_creates_nothing() {
    let (_folder, path) = database();
    let mutex = own_store::elect(&path, "nightly").unwrap();
    assert!(!mutex.observe().await.unwrap().is_held());
    assert!(!path.exists());
}

#[tokio::test]
async fn a_leader_notices_that_the_file_was_deleted() {
    let (_folder, path) = database();
    let (mutex, old) = (own_store::elect(&path, "nightly").unwrap(), claim());
    let Acquire::Granted(first) = mutex.try_acquire((&old).into()).await.unwrap() else { panic!("held by nobody") };
    std::fs::remove_file(&path).unwrap();
    let Acquire::Granted(second) = acquire(&path, &claim()).await.unwrap() else { panic!("the record is gone") };
    assert!(second.fencing_token > first.fencing_token);
    assert!(matches!(mutex.renew(&old).await, Ok(Renew::Lost(_))));
}

/// A process that is stopped in the middle of a write holds the database: nobody knows what came of a request.
#[tokio::test]
async fn a_database_that_stays_busy_is_a_transient_error() {
    let (_folder, path) = database();
    let (mutex, held) = (own_store::elect(&path, "nightly").unwrap(), claim());
    mutex.try_acquire((&held).into()).await.unwrap();
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let error = mutex.renew(&held).await.unwrap_err();
    assert_eq!((error.kind(), error.is_transient()), (ErrorKind::Throttled, true));
    other.execute_batch("COMMIT").unwrap();
    assert!(matches!(mutex.renew(&held).await, Ok(Renew::Renewed)));
}

/// What waits for SQLite waits beside everything else of that thread: here, beside the very write that it waits for.
#[tokio::test]
async fn a_busy_database_blocks_no_thread() {
    let (_folder, path) = database();
    let (mutex, held) = (own_store::elect(&path, "nightly").unwrap(), claim());
    mutex.try_acquire((&held).into()).await.unwrap();
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let end = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        other.execute_batch("COMMIT").unwrap();
    };
    let (renewed, ()) = tokio::join!(mutex.renew(&held), end);
    assert!(matches!(renewed, Ok(Renew::Renewed)));
}

/// The database's owner may have chosen a write-ahead log.
#[tokio::test]
async fn it_elects_beside_a_write_ahead_log() {
    let (_folder, path) = database();
    let owner = Connection::open(&path).unwrap();
    owner.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(())).unwrap();
    let (first, second) = (claim(), claim());
    assert!(matches!(acquire(&path, &first).await, Ok(Acquire::Granted(_))));
    assert!(matches!(acquire(&path, &second).await, Ok(Acquire::Held(_))));
    own_store::elect(&path, "nightly").unwrap().release(&first).await.unwrap();
    assert!(matches!(acquire(&path, &second).await, Ok(Acquire::Granted(_))));
}
