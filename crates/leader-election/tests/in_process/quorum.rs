//! A majority of stores as one.

mod contract;
mod member;
mod storm;
