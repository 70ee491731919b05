//! Real worker processes: the worker samples, built by cargo.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

pub use testservers::worker::{Line, Worker};

/// Starts a sample with these arguments, as this holder, with these environment variables.
pub fn start(sample: &str, arguments: &[&str], holder: &str, environment: &[(&str, &str)]) -> Worker {
    let mut command = Command::new(samples().join(sample));
    command.args(arguments).args(["--holder", holder]).envs(environment.iter().copied());
    Worker::spawn(command, holder)
}

/// Milliseconds since 1970, as the workers count.
pub fn now() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::SystemTime::UNIX_EPOCH).expect("after 1970");
    u64::try_from(since.as_millis()).expect("before the year 584,000,000")
}

/// Built here and not taken for granted: `cargo test --test processes` alone builds no examples.
pub fn samples() -> &'static PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "--quiet", "-p", "azure-leader-election", "--examples"]);
        if !cfg!(debug_assertions) {
            build.arg("--release");
        }
        assert!(build.status().expect("cargo runs").success(), "the samples do not build");
        // This test is <target>/<profile>/deps/<name>; a sample is <target>/<profile>/examples/<name>.
        let test = std::env::current_exe().expect("this test has a path");
        let profile = test.parent().and_then(|deps| deps.parent()).expect("a cargo target folder");
        profile.join("examples")
    })
}
