//! What the command takes, refuses and says: settings that are empty, secrets in the wrong place, a store that is silent.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;

use crate::rig::{Election, Worker, answer, eventually, leader, stderr, stdout};

const KEY: &str = "Q2FuYXJ5S2V5T2ZUaGVBY2NvdW50MDEyMzQ1Njc4OWFiY2RlZg==";

#[test]
fn a_connection_string_is_refused_with_the_next_step_and_never_shown() {
    let blob = format!("DefaultEndpointsProtocol=https;AccountName=a;AccountKey={KEY};EndpointSuffix=core.windows.net");
    let cosmos = format!("AccountEndpoint=https://a.documents.azure.com:443/;AccountKey={KEY};");
    for (text, step) in [(blob, "--credential"), (cosmos, "COSMOS_KEY")] {
        for by_environment in [false, true] {
            for action in ["status", "watch", "break", "run"] {
                let mut command = leader();
                command.arg(action).args(["--election", "nightly", "--verbose"]);
                if by_environment {
                    command.env("LEADER_STORE_URL", &text);
                } else {
                    command.args(["--store", &text]);
                }
                if action == "run" {
                    command.args(["--", "true"]);
                }
                let output = answer(command, "");
                let said = format!("{}{}", stdout(&output), stderr(&output));
                assert_eq!(output.status.code(), Some(64), "{said}");
                assert!(said.contains(step) && said.contains("connection string") && !said.contains(KEY), "{said}");
            }
        }
    }
}

#[test]
fn a_connection_string_as_the_key_is_refused_and_never_shown() {
    let mut status = leader();
    status.args(["status", "--store", "https://a.documents.azure.com/workers/leaders", "--election", "nightly"]);
    status.env("COSMOS_KEY", format!("AccountEndpoint=https://a.documents.azure.com:443/;AccountKey={KEY};"));
    let output = answer(status, "");
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(78), "{said}");
    assert!(said.contains("COSMOS_KEY") && said.contains("is a connection string") && !said.contains(KEY), "{said}");
}

#[test]
fn what_signs_in_to_etcd_is_checked_before_anything_is_sent_and_never_shown() {
    for (variables, step) in [
        (&[("ETCD_CERT", "/nowhere/SECRET")][..], "ETCD_CERT names no file"),
        (&[("ETCD_PASSWORD", "SECRET")], "ETCD_USER and ETCD_PASSWORD"),
    ] {
        let status = |store: &str| {
            let mut status = leader();
            status.args(["status", "--store", store, "--election", "nightly"]).envs(variables.iter().copied());
            answer(status, "")
        };
        let output = status("etcd://127.0.0.1:1");
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(78), "{said}");
        assert!(said.contains(step) && !said.contains("SECRET"), "{said}");
        // They are none of another store's.
        assert!(!stderr(&status("file:/nowhere")).contains("ETCD"));
    }
}

#[test]
fn a_store_whose_option_was_forgotten_is_not_shown_by_the_refusal() {
    let url = "https://acct.blob.core.windows.net/leases?sv=1&sig=SECRET%2B";
    for arguments in [&["status", url][..], &[url], &["status", "--stoer", url], &["--store", url, "status"]] {
        let mut command = leader();
        command.args(arguments);
        let output = answer(command, "");
        assert_eq!(output.status.code(), Some(64));
        assert!(!stderr(&output).contains("SECRET"), "{}", stderr(&output));
    }
    let mut command = leader();
    command.args(["status", "--store=file:/tmp", "--election", "e", &format!("--credential={KEY}")]);
    assert!(!stderr(&answer(command, "")).contains(KEY));
    let mut command = leader();
    command.args(["status", "--store=file:/tmp", "--election", "e"]).env("LEADER_CREDENTIAL", KEY);
    assert!(!stderr(&answer(command, "")).contains(KEY));
}

#[test]
fn a_variable_that_is_set_to_nothing_is_not_set() {
    let election = Election::new();
    let mut status = leader();
    status.args(["status", "--store", &election.store(), "--election", "nightly"]);
    status.env("LEADER_STORE_URL", "").env("LEADER_ELECTION", "").env("LEADER_CREDENTIAL", "");
    let output = answer(status, "");
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    for (variable, option) in [("LEADER_STORE_URL", "--store"), ("LEADER_ELECTION", "--election")] {
        let mut status = leader();
        status
            .arg("status")
            .env("LEADER_STORE_URL", election.store())
            .env("LEADER_ELECTION", "nightly")
            .env(variable, "");
        let output = answer(status, "");
        assert_eq!(output.status.code(), Some(64));
        assert!(stderr(&output).contains(option) && stderr(&output).contains("required"), "{}", stderr(&output));
    }
}

#[test]
fn a_managed_identity_without_a_client_id_is_asked_for_without_one() {
    let identity = TcpListener::bind("127.0.0.1:0").expect("a port");
    let endpoint = format!("http://{}/token", identity.local_addr().expect("an address"));
    let (asked, questions) = channel();
    std::thread::spawn(move || {
        for mut stream in identity.incoming().map_while(Result::ok) {
            let mut line = String::new();
            let _ = BufReader::new(&stream).read_line(&mut line);
            let _ = stream.write_all(b"HTTP/1.1 400 Bad\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}");
            let _ = asked.send(line);
        }
    });
    for (client_id, expected) in [("", false), ("5b9e1d7c-0000-0000-0000-000000000000", true)] {
        let mut status = leader();
        status.args(["status", "--store", "https://acct.blob.core.windows.net/leases", "--election", "nightly"]);
        status.args(["--credential", "managed-identity"]);
        status.env("IDENTITY_ENDPOINT", &endpoint).env("IDENTITY_HEADER", "header").env("AZURE_CLIENT_ID", client_id);
        answer(status, "");
        let question = questions.recv().expect("it asks");
        assert_eq!(question.contains("client_id"), expected, "{question}");
        while questions.try_recv().is_ok() {}
    }
}

#[test]
fn a_worker_without_a_name_is_named_after_its_machine() {
    let election = Election::new();
    let mut run = leader();
    run.args(["run", "--store", &election.store(), "--election", "nightly", "--lease", "3s", "--once", "--json"]);
    run.args(["--", "true"]).env("HOSTNAME", "web-3");
    let holder = Worker::start(run).wait_for("elected")["holder"].as_str().expect("text").to_owned();
    assert!(holder.starts_with("web-3-pid"), "{holder}");
    let election = Election::new();
    let mut run = leader();
    run.args(["run", "--store", &election.store(), "--election", "nightly", "--lease", "3s", "--once", "--json"]);
    run.args(["--", "true"]).env("HOSTNAME", "web-3").env("CONTAINER_APP_REPLICA_NAME", "worker--abc-0");
    assert_eq!(Worker::start(run).wait_for("elected")["holder"], "worker--abc-0");
}

#[test]
fn status_and_watch_say_how_long_ago_they_saw_a_leader_once_the_store_is_silent() {
    let election = Election::new();
    let worker = election.run("worker-7", &["--lease", "1h"], "sleep 1000");
    eventually("it is on record", || stdout(&election.ask("status", &["--wait", "0s"])).contains("worker-7 leads"));
    let mut watch = Command::new(env!("CARGO_BIN_EXE_leader"));
    watch.args(["watch", "--every", "50ms", "--store", &election.store(), "--election", "nightly"]);
    let mut watch = watch.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("it starts");
    let mut lines = BufReader::new(watch.stdout.take().expect("piped")).lines();
    let first = lines.next().expect("a line").expect("text");
    assert!(first.contains("worker-7 leads"), "{first}");
    let mut status = leader();
    status.args(["status", "--store", &election.store(), "--election", "nightly", "--wait", "1h"]);
    let mut status = status.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    std::thread::sleep(std::time::Duration::from_millis(1500));
    // Where the directory was, there is a file now: an error, and no absence.
    std::fs::rename(election.store_directory(), election.file("away")).expect("moved");
    std::fs::write(election.store_directory(), "").expect("written");
    let next = lines.next().expect("a line").expect("text");
    assert!(next.contains("worker-7 led, with token") && next.contains("when last seen"), "{next}");
    let mut said = String::new();
    status.stderr.take().expect("piped").read_to_string(&mut said).expect("text");
    assert!(said.contains("worker-7 led, with token") && said.contains("when last seen"), "{said}");
    assert_ne!(status.wait().expect("its end").code(), Some(0));
    watch.kill().expect("killed");
    watch.wait().expect("reaped");
    drop(worker);
}

#[test]
fn a_failed_attempt_tells_its_cause_and_the_credentials_own_words() {
    let mut run = leader();
    run.args([
        "run",
        "--election",
        "nightly",
        "--json",
        "--store",
        "http://127.0.0.1:9/devstoreaccount1/leases",
        "--",
        "true",
    ]);
    let mut worker = Worker::start(run);
    let event = worker.wait_for("attempt_failed");
    assert!(event["causes"].as_array().is_some_and(|causes| !causes.is_empty()), "{event}");
    drop(worker);
    // In words; nobody has signed in, and there is no program by which to.
    for (store, part) in [
        ("http://127.0.0.1:9/devstoreaccount1/leases", "refused"),
        ("https://acct.blob.invalid/leases", "az not found"),
    ] {
        let mut run = leader();
        run.args(["run", "--election", "nightly", "--store", store, "--", "/bin/true"]).env("PATH", "/no/where");
        let mut worker = Worker::start(run);
        let said = worker.wait_for_text("acquire failed");
        assert!(said.contains(part), "{said}");
    }
}
