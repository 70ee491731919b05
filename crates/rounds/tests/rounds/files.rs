//! The rig itself, where no server is needed.

use std::net::SocketAddr;
use std::time::Duration;

use rounds::{Harm, Service};

use crate::play;

struct Files {
    directory: tempfile::TempDir,
    fence: &'static str,
}

impl Files {
    fn new(fence: &'static str) -> Self {
        Self { directory: tempfile::tempdir().expect("a directory"), fence }
    }
}

impl Service for Files {
    fn name(&self) -> &str {
        "files"
    }

    fn servers(&self) -> Vec<SocketAddr> {
        vec![]
    }

    fn store(&self, _: &[SocketAddr]) -> String {
        format!("file:{}", self.directory.path().display())
    }

    fn ledger(&self, addresses: &[SocketAddr]) -> String {
        format!("{}{}", self.fence, self.store(addresses))
    }
}

/// The rig itself, where no server is needed.
#[test]
fn on_files_no_stale_write_is_accepted() {
    let outcome = play(&Files::new(""), &[Harm::Kill, Harm::Stop, Harm::End], Duration::from_secs(1), 2);
    outcome.assert_safe();
    outcome.assert_that_it_bites();
}

/// The control: the rounds reach what a fence is for.
#[test]
fn without_a_fence_what_comes_late_is_accepted() {
    let outcome = play(&Files::new("unfenced+"), &[Harm::Stop], Duration::from_secs(1), 2);
    assert!(outcome.verdict.stale_accepted > 0, "{:?}", outcome.verdict);
}
