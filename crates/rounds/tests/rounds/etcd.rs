//! Three members of etcd.

use std::net::SocketAddr;
use std::sync::Mutex;
use std::time::Duration;

use rounds::{Harm, Service};
use testservers::etcd::Etcd;

use crate::play;

/// Three members, of which the leader is frozen or killed in each third wave.
struct ThreeEtcd {
    cluster: Mutex<Etcd>,
    disturbed: Mutex<Option<Disturbed>>,
}

#[derive(Clone, Copy)]
enum Disturbed {
    Frozen(usize),
    Killed(usize),
}

impl Service for ThreeEtcd {
    fn name(&self) -> &str {
        "etcd"
    }

    fn servers(&self) -> Vec<SocketAddr> {
        self.cluster.lock().expect("not poisoned").addresses()
    }

    fn store(&self, addresses: &[SocketAddr]) -> String {
        testservers::etcd::url_of(addresses.iter().copied())
    }

    fn disturb(&self, number: usize) -> bool {
        // Each kind of harm in its turn.
        if number % 3 != number / Harm::ALL.len() % 3 {
            return false;
        }
        let mut cluster = self.cluster.lock().expect("not poisoned");
        let leader = cluster.leader();
        let disturbed = if number.is_multiple_of(2) {
            cluster.freeze(leader);
            Disturbed::Frozen(leader)
        } else {
            cluster.kill(leader);
            Disturbed::Killed(leader)
        };
        *self.disturbed.lock().expect("not poisoned") = Some(disturbed);
        true
    }

    fn repair(&self) {
        let mut cluster = self.cluster.lock().expect("not poisoned");
        match self.disturbed.lock().expect("not poisoned").take() {
            Some(Disturbed::Frozen(member)) => cluster.thaw(member),
            Some(Disturbed::Killed(member)) => cluster.restart(member),
            None => {}
        }
    }
}

#[test]
#[ignore = "needs etcd: apt install etcd-server etcd-client"]
fn on_etcd_no_stale_write_is_accepted() {
    let etcd = ThreeEtcd { cluster: Mutex::new(Etcd::three()), disturbed: Mutex::default() };
    let outcome = play(&etcd, &Harm::ALL, Duration::from_secs(3), 10);
    outcome.assert_safe();
    outcome.assert_that_it_bites();
}
