//! How the command and the samples sign in: by programs of the test's own named `az`, and an identity endpoint.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use azure_core::credentials::TokenCredential;
use http_body_util::Full;
use hyper::Response;
use serde_json::json;
use tempfile::TempDir;

use crate::rig::{PATIENCE, answer, leader, stderr};
use testbed::azurite::Azurite;
use testbed::credential::UnsignedToken;
use testbed::http::{Threads, listen};
use testbed::names;
use testbed::worker::samples;

/// Nothing is ever sent there: it takes a token first.
const STORE: &str = "https://leases.blob.invalid/leases";
const COSMOS: &str = "https://leases.documents.invalid/workers/leaders";

/// A directory with an `az` in it that runs this script.
fn az(script: &str) -> TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("az");
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("written");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("executable");
    directory
}

fn run(store: &str, wait: &str) -> Command {
    let mut command = leader();
    command.args(["run", "--store", store, "--election", "nightly", "--wait", wait]).env("COSMOS_DISABLE_IMDS", "1");
    command
}

#[test]
fn the_words_of_az_stand_in_the_line_of_each_attempt_and_in_the_last_sentence() {
    let az = az("echo \"ERROR: Please run 'az login' to setup account.\" >&2; exit 1");
    for store in [STORE, COSMOS] {
        let mut command = run(store, "0s");
        command.args(["--", "true"]).env("PATH", format!("{}:/usr/bin:/bin", az.path().display()));
        let output = answer(command, "");
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(77), "{said}");
        let lines: Vec<&str> = said.lines().collect();
        let (last, attempts) = lines.split_last().expect("a sentence");
        assert!(last.contains("gave up waiting") && last.contains("run 'az login'"), "{said}");
        let attempt = attempts.iter().find(|line| line.contains("acquire failed")).expect("a failed attempt");
        assert!(attempt.contains("signing in failed") && attempt.contains("run 'az login'"), "{said}");
    }
}

#[test]
fn an_az_that_takes_long_is_started_once_and_named_as_what_is_waited_for() {
    // What it writes is read to its end, so it must not keep the pipe.
    let az = az("echo begun >> \"$BEGUN\"; exec sleep 30 >/dev/null 2>&1");
    let begun = az.path().join("begun");
    let mut command = run(STORE, "8s");
    command.args(["--", "true"]).env("PATH", format!("{}:/usr/bin:/bin", az.path().display())).env("BEGUN", &begun);
    let output = answer(command, "");
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(77), "{said}");
    assert!(said.contains("acquire failed: signing in has taken") && !said.contains("no answer"), "{said}");
    assert_eq!(fs::read_to_string(begun).expect("it was started"), "begun\n");
}

/// Longer than an attempt, which is given up after 3 s.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_leads_whose_az_takes_longer_than_an_attempt() {
    let azurite = Azurite::https().await;
    let token = UnsignedToken.get_token(&[], None).await.expect("a token");
    let answer = json!({
        "accessToken": token.token.secret(),
        "expires_on": token.expires_on.unix_timestamp(),
        "tokenType": "Bearer",
    });
    let az = az(&format!("sleep 4; echo '{answer}'"));
    // The command takes whatever is on this machine for an emulator; the sample signs in there too.
    let mut worker = Command::new(samples().join("blob_worker"));
    worker.arg(azurite.container_url(&names::unique("leader-az"))).env("SSL_CERT_FILE", azurite.ca_path());
    worker.env("PATH", format!("{}:/usr/bin:/bin", az.path().display())).stdout(Stdio::piped());
    let mut worker = worker.spawn().expect("started");
    let stdout = worker.stdout.take().expect("piped");
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        BufReader::new(stdout).lines().map_while(Result::ok).try_for_each(|line| tell.send(line))
    });
    let mut said = Vec::new();
    let led = loop {
        match told.recv_timeout(PATIENCE) {
            Ok(line) if line.contains(" elected ") => break true,
            // It would go on for ever.
            Ok(_) if said.len() > 50 => break false,
            Ok(line) => said.push(line),
            Err(_) => break false,
        }
    };
    worker.kill().and_then(|()| worker.wait()).expect("killed");
    assert!(led, "{said:#?}");
    assert!(said.iter().any(|line| line.contains("acquire failed: signing in has taken")), "{said:#?}");
}

#[test]
fn azure_client_id_names_the_identity_and_an_empty_one_none_for_the_command_and_the_samples() {
    let asked: Arc<Mutex<Vec<String>>> = Arc::default();
    let (listener, address) = listen();
    let threads = Threads::start("identity", 1);
    let note = Arc::clone(&asked);
    threads.serve(listener, move |head, _| {
        note.lock().expect("not poisoned").push(head.uri.to_string());
        async {
            Response::builder().status(400).body(Full::new("no such identity".into())).map_err(std::io::Error::other)
        }
    });
    let as_identity = |mut command: Command, id: &str| {
        command.env("AZURE_CLIENT_ID", id).env("IDENTITY_HEADER", "secret");
        command.env("IDENTITY_ENDPOINT", format!("http://{address}/msi/token"));
        command
    };
    for (id, sent) in [("11111111-2222-3333-4444-555555555555", true), ("", false)] {
        let mut command = run(STORE, "0s");
        command.args(["--credential", "managed-identity", "--", "true"]);
        let output = answer(as_identity(command, id), "");
        let said = stderr(&output);
        assert!(
            output.status.code() == Some(77) && said.contains("signing in failed: ManagedIdentityCredential"),
            "{said}"
        );
        check(&asked, id, sent);

        let mut worker = Command::new(samples().join("blob_worker"));
        worker.args(["--credential", "managed-identity", STORE]);
        let mut worker = as_identity(worker, id).stdout(Stdio::null()).spawn().expect("started");
        crate::rig::eventually("the sample asks", || !asked.lock().expect("not poisoned").is_empty());
        worker.kill().and_then(|()| worker.wait()).expect("killed");
        check(&asked, id, sent);
    }
}

#[track_caller]
fn check(asked: &Mutex<Vec<String>>, id: &str, sent: bool) {
    let asked = std::mem::take(&mut *asked.lock().expect("not poisoned"));
    assert!(!asked.is_empty(), "nobody was asked");
    for url in asked {
        assert_eq!(url.contains("client_id="), sent, "{url}");
        assert!(url.contains(id), "{url}");
    }
}

/// Before the store is reached there is nothing of the store's to look at.
#[test]
fn a_proxy_that_asks_for_a_sign_in_is_named_with_what_to_do() {
    let (listener, address) = listen();
    let threads = Threads::start("proxy", 1);
    threads.serve(listener, |_, _| async {
        Response::builder().status(407).body(Full::default()).map_err(std::io::Error::other)
    });
    let mut status = leader();
    let store = format!("{STORE}?sv=2025-01-01&sig=c2lnbmF0dXJl");
    status.args(["status", "--election", "nightly", "--store", &store]);
    status.env("HTTPS_PROXY", format!("http://{address}")).env_remove("NO_PROXY").env_remove("no_proxy");
    let output = answer(status, "");
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(69), "{said}");
    assert!(said.contains("asks for a sign-in (407)") && said.contains("HTTPS_PROXY"), "{said}");
    assert!(!said.contains("c2lnbmF0dXJl"), "{said}");
}
