//! The command `leader`: all that it prints, whatever it is given as a store.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, missing_docs)]

use std::process::{Command, Stdio};

use testbed::canary::recorder::{self, note, recorded};
use testbed::canary::secret::{Secret, assert_hidden};
use testbed::canary::service::{REFUSALS, Service, refuse};

const KEY: &str = "CanaryKey+Of/The_Account42CanaryKeyOfTheAccount42==";
const SIGNATURE: &str = "CanaryCommand+Of/The-SAS-Signature=";

/// What is given as a store.
struct Case {
    store: String,
    /// Whether the store is asked, or refused before.
    asked: bool,
}

fn cases(port: u16) -> Vec<Case> {
    let encoded = SIGNATURE.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
    let query = format!("sv=2025-01-05&sr=c&sp=racwl&sig={encoded}");
    let refused = [
        format!("DefaultEndpointsProtocol=https;AccountName=a;AccountKey={KEY};EndpointSuffix=core.windows.net"),
        format!("AccountEndpoint=https://a.documents.azure.com:443/;AccountKey={KEY};"),
        format!("BlobEndpoint=https://a.blob.core.windows.net/;SharedAccessSignature={query}"),
        format!("accountkey={KEY}"),
        KEY.to_owned(),
        format!("{KEY}://a.blob.core.windows.net/leases"),
        format!("https://a.blob.core.windows.net/{KEY}"),
        format!("https://a.blob.core.windows.net/leases#{KEY}"),
        format!("https://user:{KEY}@a.blob.core.windows.net/leases"),
        format!("https://a.documents.azure.com/{KEY}"),
        format!("https://a.documents.azure.com/a/b?{query}"),
        format!("https://a.blob.core.windows.net/leases&{query}"),
        format!("https://a.blob.core.windows.net/?{query}"),
        format!("https://a.example/leases?{query}"),
        format!("http://a.blob.core.windows.net/leases?{query}"),
        format!("https://a.dfs.core.windows.net/leases?{query}"),
        format!("https://a-secondary.blob.core.windows.net/leases?{query}"),
        format!("file://server/leases?{query}"),
        query.clone(),
    ];
    let asked = [
        format!("http://127.0.0.1:{port}/devstoreaccount1/leases?{query}"),
        format!("emulator+http://127.0.0.1:{port}/devstoreaccount1/leases?{query}"),
        format!("https://127.0.0.1:1/devstoreaccount1/leases?{query}"),
        format!("https://no-such-account.blob.invalid/leases?{query}"),
    ];
    let refused = refused.into_iter().map(|store| Case { store, asked: false });
    refused.chain(asked.into_iter().map(|store| Case { store, asked: true })).collect()
}

fn leader(action: &str, form: &str, case: &Case, by_environment: bool) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_leader"));
    command.arg(action).args(["--election", "nightly", form]);
    for name in ["LEADER_STORE_URL", "LEADER_ELECTION", "LEADER_CREDENTIAL", "LEADER_WITHIN", "RUST_LOG"] {
        command.env_remove(name);
    }
    match by_environment {
        true => command.env("LEADER_STORE_URL", &case.store),
        false => command.args(["--store", &case.store]),
    };
    // What it traces, and a key that it does not need, are not to be seen either.
    command.env("RUST_LOG", "leader_election=trace,reqwest=trace,hyper_util=trace").env("COSMOS_KEY", KEY);
    match action {
        "status" | "break" => command.args(["--timeout", "2s"]),
        "run" => command.args(["--wait", "0s", "--once", "--", "true"]),
        _ => command.args(["--for", "100ms", "--every", "50ms"]),
    };
    command.stdin(Stdio::null());
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn no_key_and_no_signature_is_printed_by_the_command_whatever_it_is_given_as_a_store() {
    recorder::start();
    let service = Service::start(|asked| refuse(asked.head.len() % REFUSALS.len(), asked, true)).await;
    let mut refused = 0;
    for case in cases(service.port) {
        for action in ["status", "watch", "break", "run"] {
            for (form, by_environment) in [("--verbose", false), ("--json", true)] {
                let mut command = leader(action, form, &case, by_environment);
                let output =
                    tokio::task::spawn_blocking(move || command.output().expect("it runs")).await.expect("it ends");
                let said = [output.stdout, output.stderr].concat();
                note(&format!("the command said: {}\n", String::from_utf8_lossy(&said)));
                assert!(!said.is_empty(), "{action}: {:?}", output.status);
                refused += usize::from(output.status.code() == Some(64));
                assert!(case.asked || matches!(output.status.code(), Some(64 | 78)), "{action}: {:?}", output.status);
            }
        }
    }
    assert!(refused > 100, "they were refused: {refused}");
    // An argument that the parser does not know.
    for arguments in [vec![KEY.to_owned()], vec!["status".to_owned(), format!("--store-url={KEY}")]] {
        let output = Command::new(env!("CARGO_BIN_EXE_leader")).args(arguments).output().expect("it runs");
        note(&format!("the command said: {}\n", String::from_utf8_lossy(&output.stderr)));
    }
    assert_hidden(&[Secret::new("key of the account", KEY), Secret::new("signature", SIGNATURE)]);
    assert!(recorded().find("the command said: leader: ").is_some());
}
