//! Microsoft's own clients, unchanged, against the broker: it agrees with them, and not only with the store that it was written for.
//!
//! `LEADER_SERVICE_BUS_CLIENTS` names a folder with both, as `.ci/run` makes it: `venv/bin/python` with `azure-servicebus` and
//! `node_modules/@azure/service-bus`, in the versions below.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use testbroker::{Broker, Settings, control};
use testservers::free_port;

/// What each client has to have seen.
const STEPS: [&str; 8] = ["accept", "refusal", "state", "renew", "lock lost", "forced detach", "accept next", "all"];

fn clients() -> PathBuf {
    std::env::var("LEADER_SERVICE_BUS_CLIENTS")
        .expect("LEADER_SERVICE_BUS_CLIENTS names the folder of the clients")
        .into()
}

fn witness(mut client: Command, script: &str, more: &[&Path]) {
    let broker = Broker::start(Settings { lock: Duration::from_secs(60), ..Settings::default() });
    let (world, port) = (Arc::clone(broker.world()), free_port());
    std::thread::spawn(move || control::serve(port, &world));
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/witnesses").join(script);
    let output = client
        .arg(script)
        .arg(broker.connection_string())
        .arg(port.to_string())
        .args(more)
        .output()
        .expect("it starts");
    let seen = String::from_utf8_lossy(&output.stdout).into_owned();
    println!("{seen}");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for step in STEPS {
        assert!(seen.lines().any(|line| line.starts_with(&format!("{step}: ok"))), "{step} is missing");
    }
}

#[test]
#[ignore = "needs azure-servicebus 7.15.0 from PyPI: LEADER_SERVICE_BUS_CLIENTS/venv"]
fn microsofts_client_for_python_passes() {
    witness(Command::new(clients().join("venv/bin/python")), "client.py", &[]);
}

#[test]
#[ignore = "needs @azure/service-bus 7.9.5 from npm: LEADER_SERVICE_BUS_CLIENTS/node_modules"]
fn microsofts_client_for_javascript_passes() {
    witness(Command::new("node"), "client.js", &[&clients()]);
}
