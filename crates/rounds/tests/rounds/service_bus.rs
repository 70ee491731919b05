//! The strict broker of sessions, which tears all links off in each third wave. The ledger is on a Redis server.

use std::net::SocketAddr;
use std::time::Duration;

use rounds::{Harm, Service};
use testbroker::{Broker, Settings};
use testservers::redis::Redis;

use crate::play;

const LEASE: Duration = Duration::from_secs(3);

struct Sessions {
    broker: Broker,
    ledger: Redis,
}

impl Service for Sessions {
    fn name(&self) -> &str {
        "service bus"
    }

    fn servers(&self) -> Vec<SocketAddr> {
        vec![self.broker.address(), self.ledger.address()]
    }

    fn store(&self, addresses: &[SocketAddr]) -> String {
        format!("sb://{}/elections", addresses[0])
    }

    fn ledger(&self, addresses: &[SocketAddr]) -> String {
        format!("redis://{}", addresses[1])
    }

    /// Whoever led goes on if it gets its session back in time.
    fn disturb(&self, number: usize) -> bool {
        // Each kind of harm in its turn.
        let disturbs = number % 3 == number / Harm::ALL.len() % 3;
        if disturbs {
            self.broker.world().detach_all();
        }
        disturbs
    }
}

/// A stopped process keeps its session until the lock runs out.
#[test]
#[ignore = "needs redis-server: apt install redis-server"]
fn on_service_bus_no_stale_write_is_accepted() {
    let settings = Settings { lock: LEASE, ..Settings::default() };
    let sessions = Sessions { broker: Broker::start(settings), ledger: Redis::start(&[]) };
    let outcome = play(&sessions, &Harm::ALL, LEASE, 10);
    outcome.assert_safe();
    outcome.assert_that_it_bites();
}
