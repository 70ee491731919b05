//! A quorum keeps the contract as each of its members does, also while a minority is gone.

use std::sync::Arc;
use std::time::Duration;

use leader_election::contract::Fixture;
use leader_election::{DistributedMutex, QuorumMutex, async_trait};

use super::member::{Kept, Reached, Way};

/// Its members, by what keeps their election and how they are reached.
struct Members(&'static [(Keeps, Way)]);

type Keeps = fn() -> Kept;

#[async_trait]
impl Fixture for Members {
    type Election = Vec<(Kept, Way)>;

    async fn fresh(&self) -> Self::Election {
        self.0.iter().map(|(kept, way)| (kept(), *way)).collect()
    }

    async fn open(&self, election: &Self::Election) -> Arc<dyn DistributedMutex> {
        let members = election.iter().map(|(kept, way)| Arc::new(Reached::new(kept.open(), *way)) as _);
        Arc::new(QuorumMutex::new(members).expect("an odd number of stores"))
    }

    async fn elapse(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }

    fn lease(&self) -> Duration {
        Duration::from_secs(3)
    }

    async fn delete_record(&self, election: &Self::Election) -> bool {
        let mut deleted = false;
        for (kept, _) in election {
            if let Kept::Document(document) = kept {
                document.delete();
                deleted = true;
            }
        }
        deleted
    }
}

macro_rules! quorums {
    ($($name:ident: $($kept:ident $way:expr),+;)+) => {
        $(
            mod $name {
                use super::*;

                const MEMBERS: Members = Members(&[$((Kept::$kept, $way)),+]);

                leader_election::contract_tests!(MEMBERS; start_paused = true);
            }
        )+
    };
}

const FINE: Way = Way::Fine;
/// Longer than others take, and well within an attempt.
const SLOW: Way = Way::Slow(Duration::from_millis(120));

quorums! {
    of_3_leases: lease FINE, lease FINE, lease FINE;
    of_3_leases_one_dead: lease Way::Dead, lease FINE, lease FINE;
    of_3_leases_one_a_black_hole: lease FINE, lease Way::BlackHole, lease FINE;
    of_3_leases_one_slow: lease FINE, lease FINE, lease SLOW;
    of_3_leases_one_denied: lease FINE, lease FINE, lease Way::Denied;
    of_5_leases: lease FINE, lease FINE, lease FINE, lease FINE, lease FINE;
    of_5_leases_two_dead: lease Way::Dead, lease FINE, lease FINE, lease Way::Dead, lease FINE;
    of_5_leases_two_black_holes: lease Way::BlackHole, lease Way::BlackHole, lease FINE, lease FINE, lease FINE;
    of_3_documents: document FINE, document FINE, document FINE;
    of_3_documents_one_dead: document FINE, document FINE, document Way::Dead;
    of_3_documents_one_a_black_hole: document Way::BlackHole, document FINE, document FINE;
    of_3_documents_one_slow: document SLOW, document FINE, document FINE;
    of_5_documents_one_dead_one_a_black_hole:
        document FINE, document Way::Dead, document FINE, document Way::BlackHole, document FINE;
    mixed_3: lease FINE, document FINE, document FINE;
    mixed_3_one_lease_dead: lease Way::Dead, document FINE, lease FINE;
    mixed_3_one_document_a_black_hole: lease FINE, document Way::BlackHole, lease FINE;
    mixed_5_two_gone: lease FINE, document Way::Dead, document FINE, lease Way::BlackHole, document FINE;
}
