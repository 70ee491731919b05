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
    assert_eq!(said.len(), 2, "{said:?}");
    for name in ["LEADER_STORE_URL", "LEADER_ELECTION"] {
        let begin = format!("error: {name} is not set: ");
        assert!(said.iter().any(|line| line.starts_with(&begin)), "{name}: {said:?}");
    }
}

#[test]
fn a_setting_that_the_store_refuses_ends_the_worker_before_it_contends() {
    let said = refusal(Environment::on(azurite()).with("LEADER_LEASE_SECONDS", "61"));
    assert!(said.len() == 1 && said[0].contains("15") && said[0].contains("60"), "{said:?}");
    let said = refusal(Environment::on(azurite()).with("LEADER_STORE_URL", "https://acct.blob.core.windows.net/"));
    assert!(said.len() == 1 && said[0].starts_with("error: LEADER_STORE_URL cannot be used: "), "{said:?}");
}

#[test]
fn a_state_that_no_leader_could_write_to_ends_the_worker_before_it_contends() {
    let blob = "https://acct.blob.core.windows.net";
    for url in [blob, &format!("{blob}/a/b"), &format!("{blob}/UPPER"), "https://", "http://127.0.0.1:10000/state"] {
        let said = refusal(Environment::on(azurite()).with("LEADER_STATE_URL", url));
        assert!(
            said.len() == 1 && said[0].starts_with("error: the state ") && said[0].contains("cannot work"),
            "{said:?}"
        );
    }
    let account = "https://acct.documents.azure.com";
    let cosmos = Environment::empty()
        .with("LEADER_STORE_URL", format!("{account}/dbs/workers/colls/leases"))
        .with("LEADER_ELECTION", "nightly");
    for url in [format!("{account}/of/mine/dbs/workers/colls/state"), format!("{account}/dbs/workers/colls/a\\b")] {
        let said = refusal(cosmos.clone().with("LEADER_STATE_URL", &url));
        assert!(said.len() == 1 && said[0].starts_with("error: the state "), "{url}: {said:?}");
    }
}

#[test]
fn what_is_wrong_with_the_lease_and_with_the_state_is_told_at_once() {
    let environment = Environment::on(azurite()).with("LEADER_LEASE_SECONDS", "61");
    let said = refusal(environment.with("LEADER_STATE_URL", "https://acct.blob.core.windows.net/a/b"));
    assert!(said.len() == 2 && said[0].contains("the store ") && said[1].contains("the state "), "{said:?}");
}

#[test]
fn a_signature_in_a_setting_is_refused_and_not_repeated() {
    let said =
        refusal(Environment::on(azurite()).with("LEADER_STATE_URL", "https://a.blob.core.windows.net/s?sig=SECRET"));
    assert!(said.len() == 1 && said[0].starts_with("error: LEADER_STATE_URL "), "{said:?}");
    assert!(!said[0].contains("SECRET"), "{said:?}");
}
