//! Settings that cannot work.

use crate::rig::{Environment, Worker, azurite};

/// As `EX_CONFIG` of `sysexits.h`.
const CONFIG: i32 = 78;

/// It ends at once; what it says on standard error.
fn refusal(environment: Environment) -> Vec<String> {
    let (end, log, stderr) = Worker::start(environment).ended();
    assert_eq!(end.code(), Some(CONFIG), "{end}: {stderr}");
    assert!(log.is_empty(), "{log:?}");
    stderr.lines().map(str::to_owned).collect()
}

#[test]
fn a_worker_without_settings_ends_and_says_which_are_missing() {
    let said = refusal(Environment::empty());
    assert_eq!(said.len(), 3, "{said:?}");
    for name in ["LEADER_STORE", "LEADER_STORE_URL", "LEADER_ELECTION"] {
        let begin = format!("error: {name} is not set: ");
        assert!(said.iter().any(|line| line.starts_with(&begin)), "{name}: {said:?}");
    }
}

#[test]
fn a_setting_that_the_store_refuses_ends_the_worker_before_it_contends() {
    let said = refusal(Environment::on(azurite()).with("LEADER_LEASE_SECONDS", "61"));
    assert!(said.len() == 1 && said[0].contains("15") && said[0].contains("60"), "{said:?}");
    let said = refusal(Environment::on(azurite()).with("LEADER_STORE_URL", "https://acct.blob.core.windows.net/"));
    assert!(said.len() == 1 && said[0].contains("acct.blob.core.windows.net"), "{said:?}");
}

#[test]
fn a_signature_in_a_setting_is_refused_and_not_repeated() {
    let said =
        refusal(Environment::on(azurite()).with("LEADER_STATE_URL", "https://a.blob.core.windows.net/s?sig=SECRET"));
    assert!(said.len() == 1 && said[0].starts_with("error: LEADER_STATE_URL "), "{said:?}");
    assert!(!said[0].contains("SECRET"), "{said:?}");
}
