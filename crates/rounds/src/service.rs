//! The servers of a store, and how workers reach them.

use std::net::SocketAddr;

/// What the rounds are played on.
pub trait Service: Sync {
    /// The word for it in the output.
    fn name(&self) -> &str;

    /// The servers; each worker has a way of its own to each of them.
    fn servers(&self) -> Vec<SocketAddr>;

    /// The store's URL where its servers are reached at these addresses.
    fn store(&self, addresses: &[SocketAddr]) -> String;

    /// The ledger's URL likewise. Default: the store's.
    fn ledger(&self, addresses: &[SocketAddr]) -> String {
        self.store(addresses)
    }

    /// What the workers find in their environment.
    fn environment(&self) -> Vec<(String, String)> {
        vec![]
    }

    /// Does something to the servers, before the workers are harmed; `false` when nothing is done in
    /// this wave, which is the one of that number. Default: nothing, ever.
    fn disturb(&self, number: usize) -> bool {
        let _ = number;
        false
    }

    /// Undoes it, when others lead.
    fn repair(&self) {}
}
