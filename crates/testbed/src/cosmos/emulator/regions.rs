//! What happens to whole regions.

use azure_core::http::Url;

use super::{Account, Emulator};

impl Emulator {
    /// From now on a write stays in the region that took it.
    pub fn pause_replication(&self) {
        let store = self.store();
        for region in store.config().active_region_names() {
            store.pause_replication(&region);
        }
    }

    /// Sends every region what it has missed; of two versions of one document the later stays.
    pub fn resume_replication(&self) {
        let store = self.store();
        for region in store.config().active_region_names() {
            store.resume_replication(&region);
        }
    }

    /// A forced failover: the region that takes the writes cannot be reached any more, and this one takes them.
    ///
    /// What the other has not replicated is lost, for as long as replication stays paused.
    pub fn fail_over_to(&self, region: &str) {
        let (store, lost) = (self.store(), self.write_region());
        store.set_write_region(region).expect("a region of this account");
        store.set_region_offline(&lost).expect("not the last region");
    }

    /// A planned failover: all writes are replicated, and this region takes them; the other one stays readable.
    pub fn hand_over_to(&self, region: &str) {
        self.resume_replication();
        self.store().set_write_region(region).expect("a region of this account");
    }

    /// The region that takes the writes; where all do, the first.
    pub fn write_region(&self) -> String {
        self.store().config().write_region_name()
    }
}

impl Account {
    pub(super) fn write_region(&self) -> Url {
        self.region(&self.client.store().config().write_region_name())
    }

    pub(super) fn region(&self, name: &str) -> Url {
        let regions = self.client.store().config().active_regions();
        let region = regions.into_iter().find(|region| region.name() == name).expect("a region of this account");
        region.gateway_url().clone()
    }
}
