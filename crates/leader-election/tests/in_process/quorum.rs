//! A majority of stores as one.

mod behaviour;
mod contract;
mod decisions;
mod member;
mod storm;
