//! A record under compare-and-swap in memory, with a transport that repeats its writes.

use std::sync::{Arc, Mutex, MutexGuard};

use leader_election::document::{DocumentStore, Record, Stored, Written};
use leader_election::{DistributedMutex, MemoryMutex, Result, SideName, SideRecord, Version, async_trait};
use tokio::time::Instant;

/// Clones share the record. Its service keeps tokio's time.
#[derive(Debug, Clone)]
pub struct MemoryDocument {
    state: Arc<Mutex<State>>,
    started: Instant,
    phantom_every: usize,
    /// Keeps the side records.
    beside: MemoryMutex,
}

#[derive(Debug, Default)]
struct State {
    document: Option<(Version, Record)>,
    version: u64,
    /// The service's time of the latest write.
    written_ms: u64,
    writes: usize,
}

impl MemoryDocument {
    /// Every `phantom_every`th write that is carried out is answered as a conflict.
    pub fn new(phantom_every: usize) -> Self {
        Self { state: Arc::default(), started: Instant::now(), phantom_every, beside: MemoryMutex::new() }
    }

    pub fn delete(&self) {
        self.state().document = None;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("not poisoned")
    }

    fn put(&self, state: &mut State, record: &Record) -> Written {
        state.version += 1;
        state.writes += 1;
        state.written_ms = u64::try_from(self.started.elapsed().as_millis()).expect("a short test");
        let version = Version::new(state.version.to_string()).expect("valid");
        state.document = Some((version.clone(), record.clone()));
        if state.writes.is_multiple_of(self.phantom_every) { Written::Conflict } else { Written::Done(version) }
    }
}

#[async_trait]
impl DocumentStore for MemoryDocument {
    type Rest = ();

    async fn read(&self) -> Result<Option<Stored<()>>> {
        let state = self.state();
        let stored = |(version, record)| Stored::new(version, record).with_server_ms(Some(state.written_ms));
        Ok(state.document.clone().map(stored))
    }

    async fn create(&self, record: &Record) -> Result<Written> {
        let mut state = self.state();
        Ok(if state.document.is_some() { Written::Conflict } else { self.put(&mut state, record) })
    }

    async fn replace(&self, seen: &Stored<()>, record: &Record) -> Result<Written> {
        let mut state = self.state();
        let matches = state.document.as_ref().is_some_and(|(version, _)| *version == seen.version);
        Ok(if matches { self.put(&mut state, record) } else { Written::Conflict })
    }

    fn side(&self, name: SideName) -> Option<Arc<dyn SideRecord>> {
        self.beside.side(name)
    }

    fn election(&self) -> &str {
        "nightly"
    }

    async fn elections(&self) -> Result<Vec<String>> {
        Ok(vec!["nightly".to_owned()])
    }
}
