//! What points to a mutex is a mutex: hosts take `Arc<dyn DistributedMutex>`, `Box<M>` and `&'static M` as well.

use std::sync::Arc;

use super::DistributedMutex;
use super::delegate::delegate_mutex;

delegate_mutex!([<M: DistributedMutex + ?Sized>] Arc<M>, |mutex| **mutex);
delegate_mutex!([<M: DistributedMutex + ?Sized>] Box<M>, |mutex| **mutex);
delegate_mutex!([<M: DistributedMutex + ?Sized>] &'static M, |mutex| **mutex);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{LeaderHost, MemoryMutex};

    #[test]
    fn a_host_takes_whatever_points_to_a_mutex() {
        let leaked: &'static MemoryMutex = Box::leak(Box::default());
        let _ = LeaderHost::new(leaked);
        let _ = LeaderHost::new(Box::new(MemoryMutex::new()));
        let boxed: Box<dyn DistributedMutex> = Box::new(MemoryMutex::new());
        let _ = LeaderHost::new(boxed);
    }
}
