//! The emulator without http, for tests with paused time and for the SDK's own faults.

use std::sync::Arc;

use azure_data_cosmos::CosmosRuntimeBuilder;
use azure_data_cosmos_driver::fault_injection::FaultInjectionRule;

use super::Emulator;

impl Emulator {
    /// The runtime of clients that call this emulator directly: nothing waits on a socket, so paused time is theirs.
    ///
    /// The rules break the calls on the client's side. Such a client is built for [`Emulator::in_process_endpoint`];
    /// counts, signatures and the faults of the served side are not for it. It is as the product's own only with the
    /// product's connection pool: where HTTP/2 is allowed, the SDK repeats a lost call whatever its settings say.
    pub fn in_process(&self, rules: Vec<Arc<FaultInjectionRule>>) -> CosmosRuntimeBuilder {
        self.account.client.runtime_builder_with_fault_rules(rules).into()
    }

    /// Where the region that takes the writes says that it is; nothing is sent there.
    pub fn in_process_endpoint(&self) -> String {
        self.account.write_region().to_string()
    }
}
