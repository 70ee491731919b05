//! A strict fake of the Kubernetes API server, as far as an election and a fenced object need one: Leases, ConfigMaps and namespaces.
//!
//! It answers as a real server was seen to answer. The conformance test of `leader-election-kube` holds it to the listing of a run against one.

mod api;
mod http;
mod lease;
mod objects;
mod watch;

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use objects::Objects;

/// The token of who may do everything.
pub const ADMIN: &str = "admin-token";
/// The token of who has no right.
pub const NOBODY: &str = "nobody-token";

/// What becomes of a request in place of its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It is not carried out, and this is the answer.
    Refused(u16),
    /// It is carried out, and the connection ends before its answer.
    AnswerLost,
}

/// A server on loopback, over plain HTTP. Ends when dropped.
#[derive(Debug)]
pub struct KubeFake {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
pub(crate) struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    ended: AtomicBool,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) objects: Objects,
    faults: Vec<Fault>,
    requests: Vec<String>,
    frozen: bool,
    pub(crate) etcd_stopped: bool,
}

impl KubeFake {
    pub fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback");
        let address = listener.local_addr().expect("bound");
        let shared = Arc::new(Shared::default());
        let serving = Arc::clone(&shared);
        thread::spawn(move || {
            for connection in listener.incoming() {
                if serving.ended.load(Ordering::Acquire) {
                    return;
                }
                let (Ok(connection), shared) = (connection, Arc::clone(&serving)) else { continue };
                thread::spawn(move || http::serve(connection, &shared));
            }
        });
        Self { address, shared }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What becomes of the next requests, one after another. Watches are left alone.
    pub fn fail(&self, faults: &[Fault]) {
        self.shared.state().faults.extend(faults);
    }

    /// What was to fail and has not yet does not.
    pub fn forgive(&self) {
        self.shared.state().faults.clear();
    }

    /// The requests so far, as `PUT /apis/…`.
    pub fn requests(&self) -> Vec<String> {
        self.shared.state().requests.clone()
    }

    /// It accepts connections, and answers nothing until it is [thawed](Self::thaw).
    pub fn freeze(&self) {
        self.shared.change(|state| state.frozen = true);
    }

    pub fn thaw(&self) {
        self.shared.change(|state| state.frozen = false);
    }

    /// Its database is away, or back.
    pub fn stop_etcd(&self, stopped: bool) {
        self.shared.change(|state| state.etcd_stopped = stopped);
    }

    /// Forgets what has happened so far: a watch from an older version is told so.
    pub fn compact(&self) {
        self.shared.change(|state| state.objects.compact());
    }
}

impl Drop for KubeFake {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Release);
        self.shared.change(|state| state.frozen = false);
        // Wakes the one who accepts.
        let _ = TcpStream::connect_timeout(&self.address, Duration::from_secs(1));
    }
}

impl Shared {
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("not poisoned")
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state());
        self.changed.notify_all();
    }

    pub(crate) fn notify(&self) {
        self.changed.notify_all();
    }

    /// Waits until something has changed, or so long.
    pub(crate) fn wait<'a>(&self, state: MutexGuard<'a, State>, limit: Duration) -> MutexGuard<'a, State> {
        self.changed.wait_timeout(state, limit).expect("not poisoned").0
    }

    /// Notes a request, waits while the server is frozen, and says what is to become of it.
    pub(crate) fn admit(&self, request: &str, is_watch: bool) -> Option<Fault> {
        let mut state = self.state();
        state.requests.push(request.to_owned());
        while state.frozen && !self.has_ended() {
            state = self.wait(state, Duration::from_secs(1));
        }
        (!is_watch && !state.faults.is_empty()).then(|| state.faults.remove(0))
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }
}
