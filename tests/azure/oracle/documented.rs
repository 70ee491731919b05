//! The oracle against the two tables of outcomes by lease state in
//! [Lease Blob](https://learn.microsoft.com/rest/api/storageservices/lease-blob), column by column.

use std::time::Duration;

use uuid::Uuid;

use testbed::oracle::failure::Failure;
use testbed::oracle::lease::{Lease, Length};

const NOW: Duration = Duration::from_secs(1000);
const A: Uuid = Uuid::from_u128(0xA);
const B: Uuid = Uuid::from_u128(0xB);
const C: Uuid = Uuid::from_u128(0xC);
const X: Uuid = Uuid::from_u128(0xF);

/// The columns: available, leased (A), breaking (A), broken (A), expired (A).
fn columns() -> [Lease; 5] {
    let length = Length::Seconds(15);
    let until = NOW + Duration::from_secs(10);
    [
        Lease::Available,
        Lease::Leased { id: A, length, until: Some(until) },
        Lease::Breaking { id: A, until },
        Lease::Broken { id: A },
        Lease::Expired { id: A, length },
    ]
}

/// What the tables write in a cell.
fn cell(outcome: Result<(), Failure>, lease: &Lease) -> String {
    let name = |id: Uuid| {
        if id == A {
            "A"
        } else if id == B {
            "B"
        } else if id == C {
            "C"
        } else {
            "X"
        }
    };
    match (outcome, lease) {
        (Err(failure), _) => failure.status.to_string(),
        (Ok(()), Lease::Available) => "available".to_owned(),
        (Ok(()), lease) => format!("{} {}", lease.shown().0, lease.id().map_or("", name)),
    }
}

fn assert_row(operation: &str, documented: [&str; 5], act: impl Fn(&mut Lease) -> Result<(), Failure>) {
    let cells = columns().map(|mut lease| {
        let before = lease.clone();
        let outcome = act(&mut lease);
        assert!(outcome.is_ok() || lease == before, "{operation}: what is refused changes nothing");
        cell(outcome, &lease)
    });
    assert_eq!(cells, documented, "{operation}");
}

#[test]
fn each_lease_operation_has_its_documented_outcome_in_each_state() {
    let length = Length::Seconds(15);
    let seconds = |seconds| Some(Duration::from_secs(seconds));
    let acquire = |id| move |lease: &mut Lease| lease.acquire(NOW, id, length);
    let broken = |period| move |lease: &mut Lease| lease.break_after(NOW, period).map(drop);
    assert_row("acquire, no proposed id", ["leased X", "409", "409", "leased X", "leased X"], acquire(X));
    assert_row("acquire A", ["leased A", "leased A", "409", "leased A", "leased A"], acquire(A));
    assert_row("acquire B", ["leased B", "409", "409", "leased B", "leased B"], acquire(B));
    assert_row("break, period 0", ["409", "broken A", "broken A", "broken A", "broken A"], broken(seconds(0)));
    assert_row("break, a period", ["409", "breaking A", "breaking A", "broken A", "broken A"], broken(seconds(5)));
    assert_row("change A to B", ["409", "leased B", "409", "409", "409"], |lease| lease.change(A, B));
    assert_row("change B to A", ["409", "leased A", "409", "409", "409"], |lease| lease.change(B, A));
    assert_row("change B to C", ["409", "409", "409", "409", "409"], |lease| lease.change(B, C));
    assert_row("renew A", ["409", "leased A", "409", "409", "leased A"], |lease| lease.renew(NOW, A));
    assert_row("renew B", ["409", "409", "409", "409", "409"], |lease| lease.renew(NOW, B));
    assert_row("release A", ["409", "available", "available", "available", "available"], |lease| lease.release(A));
    assert_row("release B", ["409", "409", "409", "409", "409"], |lease| lease.release(B));
    let later = NOW + Duration::from_secs(10);
    assert_row("duration expires", ["available", "expired A", "broken A", "broken A", "expired A"], |lease| {
        lease.settle(later);
        Ok(())
    });
}

/// "Fails (409) if the blob has been modified."
#[test]
fn an_expired_lease_is_neither_renewed_nor_released_once_the_blob_was_written_to() {
    let mut lease = columns()[4].clone();
    lease.written();
    assert_eq!(lease, Lease::Available);
    assert_eq!(lease.renew(NOW, A).unwrap_err().status, 409);
    assert_eq!(lease.release(A).unwrap_err().status, 409);
}

/// In two cells the page has 409 where the list of error codes has 412 for the only code that fits: that one is followed.
#[test]
fn each_use_of_a_blob_has_its_documented_outcome_in_each_state() {
    let write = |id| {
        move |lease: &mut Lease| {
            lease.permits_write(id)?;
            lease.written();
            Ok(())
        }
    };
    let read = |id| move |lease: &mut Lease| lease.permits_read(id);
    assert_row("write under A", ["412", "leased A", "breaking A", "412", "412"], write(Some(A)));
    assert_row("write under B", ["412", "412", "412", "412", "412"], write(Some(B)));
    assert_row("write without an id", ["available", "412", "412", "available", "available"], write(None));
    assert_row("read under A", ["412", "leased A", "breaking A", "412", "412"], read(Some(A)));
    assert_row("read under B", ["412", "412", "412", "412", "412"], read(Some(B)));
    assert_row("read without an id", ["available", "leased A", "breaking A", "broken A", "expired A"], read(None));
}

/// "This break period is only used if it is shorter than the time remaining on the lease", and what is said of repeats.
#[test]
fn a_break_period_shortens_and_never_lengthens() {
    let seconds = Duration::from_secs;
    let lease = |until| Lease::Leased { id: A, length: Length::Seconds(15), until };
    for (mut lease, period, left) in [
        (lease(Some(NOW + seconds(10))), None, 10),
        (lease(Some(NOW + seconds(10))), Some(4), 4),
        (lease(Some(NOW + seconds(10))), Some(60), 10),
        (lease(None), None, 0),
        (lease(None), Some(60), 60),
        (Lease::Breaking { id: A, until: NOW + seconds(10) }, None, 10),
        (Lease::Breaking { id: A, until: NOW + seconds(10) }, Some(4), 4),
        (Lease::Breaking { id: A, until: NOW + seconds(10) }, Some(20), 10),
    ] {
        let shown = format!("{lease:?} {period:?}");
        assert_eq!(lease.break_after(NOW, period.map(seconds)), Ok(seconds(left)), "{shown}");
    }
}

#[test]
fn a_renewal_begins_the_duration_anew_and_an_infinite_lease_never_expires() {
    let [_, mut leased, ..] = columns();
    leased.renew(NOW + Duration::from_secs(9), A).unwrap();
    leased.settle(NOW + Duration::from_secs(23));
    assert_eq!(leased.shown().0, "leased");
    leased.settle(NOW + Duration::from_secs(24));
    assert_eq!(leased.shown().0, "expired");

    let mut infinite = Lease::Available;
    infinite.acquire(NOW, A, Length::Infinite).unwrap();
    infinite.settle(NOW + Duration::from_secs(1_000_000_000));
    assert_eq!(infinite.shown(), ("leased", "locked", Some("infinite")));
    assert!(["14", "61", "0", "-2", "", "x"].iter().all(|text| Length::parse(text).is_err()));
}
