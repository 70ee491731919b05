//! Stores that are wrong on purpose: the suite finds each of them out, by the rule that it breaks.

#[path = "wrong/beside.rs"]
mod beside;
#[path = "wrong/flaw.rs"]
mod flaw;
#[path = "wrong/leases.rs"]
mod leases;
#[path = "wrong/operators.rs"]
mod operators;
#[path = "wrong/records.rs"]
mod records;
