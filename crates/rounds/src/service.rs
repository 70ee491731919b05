//! The servers of a store, and how workers reach them.

use std::net::SocketAddr;

use azure_leader_election::StoreOptions;

use crate::ledger::{Ledger, ledger};

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

    /// The ledger of this election, as the rounds read it at their end. Default: by its URL.
    fn open_ledger(&self, election: &str) -> Box<dyn Ledger> {
        ledger(&self.ledger(&self.servers()), election, &StoreOptions::default())
    }

    /// What a worker finds in its environment, which reaches the servers at these addresses.
    fn environment(&self, addresses: &[SocketAddr]) -> Vec<(String, String)> {
        let _ = addresses;
        vec![]
    }

    /// Makes what an election's ledger takes, before the workers start. Default: nothing.
    fn prepare(&self, election: &str) {
        let _ = election;
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
