//! Stores that are wrong on purpose: the suite finds each of them out, by the rule that it breaks.

mod beside;
mod flaw;
mod leases;
mod operators;
mod records;
