//! A majority of stores as one.

mod behaviour;
mod contract;
mod member;
mod storm;
