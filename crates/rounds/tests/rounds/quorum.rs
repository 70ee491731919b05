//! A majority of three Redis servers, of which one is always in trouble.

use std::net::SocketAddr;
use std::sync::Mutex;
use std::time::Duration;

use rounds::{Harm, Service};
use testservers::redis::Redis;

use crate::play;

const LEASE: Duration = Duration::from_secs(3);

/// The ledger is on a fourth server: a fence must not live where the lease can be lost.
struct ThreeRedis {
    members: Mutex<Vec<Redis>>,
    ledger: Redis,
    trouble: Mutex<Option<Trouble>>,
}

#[derive(Debug, Clone, Copy)]
enum Trouble {
    /// It is down until the round is over, and comes back without its data.
    Down(usize),
    Frozen(usize),
    /// It is restarted without its data at once.
    Empty,
}

impl Service for ThreeRedis {
    fn name(&self) -> &str {
        "quorum of three Redis"
    }

    fn servers(&self) -> Vec<SocketAddr> {
        let members = self.members.lock().expect("not poisoned");
        members.iter().map(Redis::address).chain([self.ledger.address()]).collect()
    }

    fn store(&self, addresses: &[SocketAddr]) -> String {
        let members: Vec<_> = addresses[..3].iter().map(|address| format!("redis://{address}")).collect();
        format!("quorum:{}", members.join(","))
    }

    fn ledger(&self, addresses: &[SocketAddr]) -> String {
        format!("redis://{}", addresses[3])
    }

    fn disturb(&self, number: usize) -> bool {
        let mut members = self.members.lock().expect("not poisoned");
        // One after the other, and each in each way.
        let member = number % 3;
        let trouble = match number / 3 % 3 {
            0 => {
                members[member].kill();
                Trouble::Down(member)
            }
            1 => {
                members[member].freeze();
                Trouble::Frozen(member)
            }
            _ => {
                members[member].kill();
                members[member].up();
                Trouble::Empty
            }
        };
        *self.trouble.lock().expect("not poisoned") = Some(trouble);
        true
    }

    fn repair(&self) {
        let mut members = self.members.lock().expect("not poisoned");
        match self.trouble.lock().expect("not poisoned").take() {
            Some(Trouble::Down(member)) => members[member].up(),
            Some(Trouble::Frozen(member)) => members[member].thaw(),
            Some(Trouble::Empty) | None => {}
        }
        // The next one in trouble is not to be the second: a member without its data votes for nobody for a lease, gets the record at
        // the leader's next renewal, and counts for a standby when that has seen it there.
        members.iter().for_each(|member| member.wait_until_old(2 * LEASE.as_secs() + 2));
    }
}

#[test]
#[ignore = "needs redis-server: apt install redis-server"]
fn on_a_majority_of_redis_no_stale_write_is_accepted() {
    let start = || Redis::start(&[]);
    let quorum =
        ThreeRedis { members: Mutex::new(vec![start(), start(), start()]), ledger: start(), trouble: Mutex::default() };
    quorum.repair();
    let outcome = play(&quorum, &Harm::ALL, LEASE, 10);
    outcome.assert_safe();
    outcome.assert_that_it_bites();
}
