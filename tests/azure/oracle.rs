//! The strict blob service of these tests is what it says: the blob store passes the contract suite on it, and where it
//! and Azurite differ is known in full.

mod contract;

mod advice;
mod agreement;
mod differences;
mod documented;
mod network;
mod proxy;
mod rows;
