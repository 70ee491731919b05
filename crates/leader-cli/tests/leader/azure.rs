//! The command on Azure's stores, in their emulators: what it says when something is missing, and that it leads and breaks.

use std::net::TcpListener;
use std::process::{Command, Output};

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::rig::{Worker, answer, leader, not_tested, stderr, stdout};
use testbed::azurite::Azurite;
use testbed::cosmos::{Emulator, EmulatorOptions, KEY};
use testbed::{names, operator, sas};

fn on(store: &str, action: &str, options: &[&str]) -> Command {
    let mut command = leader();
    command.args([action, "--store", store, "--election", "nightly"]).args(options);
    // Cosmos DB's client looks for Azure's metadata service otherwise.
    command.env("COSMOS_DISABLE_IMDS", "1");
    command
}

/// One clear sentence on standard error and none elsewhere, without a secret; returns it, with the exit code.
fn refusal(output: &Output) -> (i32, String) {
    assert_eq!(stdout(output), "");
    let said = stderr(output);
    assert_eq!(said.lines().count(), 1, "{said}");
    for secret in ["sig=", "Eby8vdM02x", "SECRET", KEY] {
        assert!(!said.contains(secret), "{secret} in: {said}");
    }
    (output.status.code().expect("a code"), said)
}

/// A port of this machine that nobody listens on: reserved, and given back at once.
fn deserted_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a port").port()
}

async fn ask(command: Command) -> Output {
    tokio::task::spawn_blocking(move || answer(command, "")).await.expect("it answers")
}

#[tokio::test(flavor = "multi_thread")]
async fn status_of_a_container_or_a_blob_that_nobody_has_created() {
    let azurite = Azurite::http().await;
    let container = names::unique("leader-status");
    let store = azurite.container_url(&container);
    let list = |json: &[&str]| {
        let mut list = leader();
        list.args(["list", "--store", &store]).args(json);
        list
    };
    // As of a directory: it may be mistyped, and then somebody leads elsewhere.
    for command in [on(&store, "status", &[]), list(&[])] {
        let (code, said) = refusal(&ask(command).await);
        assert!(code == 78 && said.contains(&container) && said.contains("does not exist"), "{said}");
    }
    operator::container_client(azurite, &container).create(None).await.expect("created");
    let output = ask(list(&[])).await;
    assert_eq!(
        (output.status.code(), stdout(&output)),
        (Some(1), format!("there is no election in {store} yet")),
        "{}",
        stderr(&output)
    );
    let output = ask(on(&store, "status", &[])).await;
    assert_eq!(output.status.code(), Some(1));
    let said = stdout(&output);
    assert_eq!(said, format!("nightly: nobody has ever led: there is no such election in {store} yet"));
    assert_eq!(stderr(&output), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn status_without_rights() {
    let azurite = Azurite::http().await;
    let container = names::unique("leader-status");
    operator::container_client(azurite, &container).create(None).await.expect("created");
    operator::blob_client(azurite, &container, "nightly")
        .upload(azure_core::http::RequestContent::from(Vec::new()), None)
        .await
        .expect("uploaded");
    // May write, but not read; and has run out.
    for signature in [sas::container_sas(&container, "w"), sas::account_sas(-1)] {
        let store = format!("{}?{signature}", azurite.container_url(&container));
        let (code, said) = refusal(&ask(on(&store, "status", &[])).await);
        assert_eq!(code, 77, "{said}");
        assert!(said.contains(&container) && said.contains("HTTP 403"), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn status_of_an_account_that_cannot_be_reached() {
    let port = deserted_port();
    let blob = format!("http://127.0.0.1:{port}/devstoreaccount1/leases");
    let (code, said) = refusal(&ask(on(&blob, "status", &[])).await);
    assert_eq!(code, 69, "{said}");
    assert!(said.contains("could not be reached"), "{said}");

    let mut cosmos = on(&format!("cosmos+http://127.0.0.1:{port}/workers/leaders"), "status", &[]);
    cosmos.env("COSMOS_KEY", KEY);
    let (code, said) = refusal(&ask(cosmos).await);
    assert_eq!(code, 69, "{said}");
    assert!(said.contains("127.0.0.1"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn status_of_a_store_that_never_answers() {
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let store = format!("http://{}/devstoreaccount1/leases", silent.local_addr().expect("a port"));
    let (code, said) = refusal(&ask(on(&store, "status", &["--timeout", "300ms"])).await);
    assert_eq!(code, 69, "{said}");
    assert!(said.contains("gave no answer within 300ms"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_gives_up_waiting_for_a_store_says_what_is_wrong_with_it() {
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    for (address, complaint) in [
        (format!("127.0.0.1:{}", deserted_port()), "could not be reached"),
        (silent.local_addr().expect("a port").to_string(), "no answer"),
    ] {
        for wait in ["0s", "5s"] {
            let store = format!("http://{address}/devstoreaccount1/leases");
            let run = on(&store, "run", &["--quiet", "--once", "--wait", wait, "--", "true"]);
            let (code, said) = refusal(&ask(run).await);
            assert_eq!(code, 69, "{said}");
            assert!(said.contains("gave up waiting") && said.contains(complaint), "{said}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_cannot_sign_in_says_so_when_it_gives_up_waiting() {
    // It takes a token before anything is sent, from programs that it does not find.
    let mut run = on("https://leases.blob.invalid/leases", "run", &["--quiet", "--wait", "0s", "--", "/bin/true"]);
    run.env("PATH", "");
    let (code, said) = refusal(&ask(run).await);
    assert_eq!(code, 77, "{said}");
    assert!(said.contains("gave up waiting") && said.contains("--credential"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_leads_on_a_blob_and_its_lead_is_broken() {
    let azurite = Azurite::http().await;
    let store = azurite.container_url(&names::unique("leader-run"));
    let output = tokio::task::spawn_blocking(move || {
        let mut worker = Worker::start(on(&store, "run", &["--json", "--holder", "worker-7", "--", "sleep", "1000"]));
        worker.wait_for_command();
        let status = answer(on(&store, "status", &["--json"]), "");
        let object: Value = serde_json::from_str(&stdout(&status)).expect("an object");
        assert_eq!((object["state"].as_str(), object["holder"].as_str()), (Some("leading"), Some("worker-7")));
        assert_eq!(object["lease_ms"], 15_000);

        let mut list = leader();
        list.args(["list", "--json", "--store", &store]);
        let object: Value = serde_json::from_str(&stdout(&answer(list, ""))).expect("an object");
        assert_eq!((object["election"].as_str(), object["holder"].as_str()), (Some("nightly"), Some("worker-7")));

        let asked = answer(on(&store, "break", &[]), "no\n");
        assert_eq!(asked.status.code(), Some(1));
        let output = answer(on(&store, "break", &["--yes", "--json", "--period", "60s"]), "");
        assert!(stderr(&output).contains("a longer period has no effect"), "{}", stderr(&output));
        assert_eq!(worker.wait_for("ended")["reason"], "lease_lost");
        output
    })
    .await
    .expect("it plays");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let object: Value = serde_json::from_str(&stdout(&output)).expect("an object");
    assert_eq!(object["broken"], true);
    // The time that the lease still ran, and not the period.
    assert!(object["free_in_ms"].as_u64().is_some_and(|ms| (1..=15_000).contains(&ms)), "{object}");
}

#[test]
fn a_worker_leads_in_cosmos_db_and_its_lead_is_broken() {
    let emulator = Emulator::start(EmulatorOptions::default());
    emulator.create_container("workers", "leaders");
    let store = format!("cosmos+{}workers/leaders", emulator.endpoint());
    let on = |action: &str, options: &[&str]| {
        let mut command = on(&store, action, options);
        command.env("COSMOS_KEY", KEY);
        command
    };
    let run = ["--json", "--holder", "worker-7", "--lease", "3s", "--", "sleep", "1000"];
    let mut worker = Worker::start(on("run", &run));
    worker.wait_for_command();
    let status = answer(on("status", &["--json"]), "");
    let object: Value = serde_json::from_str(&stdout(&status)).expect("an object");
    assert_eq!((object["state"].as_str(), object["holder"].as_str()), (Some("leading"), Some("worker-7")));

    let mut list = leader();
    list.args(["list", "--json", "--wait", "1h", "--store", &store]).env("COSMOS_KEY", KEY);
    let object: Value = serde_json::from_str(&stdout(&answer(list, ""))).expect("an object");
    assert_eq!((object["election"].as_str(), object["state"].as_str()), (Some("nightly"), Some("leading")));

    let output = answer(on("break", &["--json"]), "nightly\n");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(worker.wait_for("ended")["reason"], "lease_lost");
    drop(worker);

    let once = ["--json", "--lease", "3s", "--once", "--wait", "0s", "--"];
    let run = |command: &[&str]| Worker::start(on("run", &[&once, command].concat()));
    let mut dead = run(&["sleep", "1000"]);
    dead.wait_for_command();
    dead.signal(Signal::SIGKILL);
    dead.ended();
    assert_eq!(run(&["sh", "-c", "exit 7"]).exit_code(), 7);
}

/// A lease that another tool has taken, without end, as the portal's "Acquire lease" does; after a worker has led.
async fn endless_lease(azurite: &Azurite, container: &str) -> String {
    let store = azurite.container_url(container);
    let run = on(&store, "run", &["--quiet", "--once", "--holder", "worker-old", "--", "true"]);
    assert_eq!(ask(run).await.status.code(), Some(0));
    operator::blob_client(azurite, container, "nightly").acquire_lease(-1, None).await.expect("acquired");
    store
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_without_end_is_no_workers_and_breaking_it_frees_it_as_promised() {
    let azurite = Azurite::http().await;
    let store = endless_lease(azurite, &names::unique("leader-endless")).await;
    let output = ask(on(&store, "status", &[])).await;
    let said = stdout(&output);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("no worker leads") && said.contains("`leader break`"), "{said}");
    assert!(said.contains("worker-old led last"), "{said}");
    let output = ask(on(&store, "status", &["--json"])).await;
    assert!(stdout(&output).contains(r#""state":"foreign""#), "{}", stdout(&output));

    let output = tokio::task::spawn_blocking({
        let store = store.clone();
        move || {
            // In words, and as JSON.
            let mut worker = Worker::start(on(&store, "run", &["--holder", "worker-old", "--", "true"]));
            let standby = worker.wait_for_text("standby");
            assert!(!standby.contains("worker-old leads"), "{standby}");
            let said = worker.wait_for_text("without end");
            assert!(said.contains("`leader break`") && !said.contains("ForeignLease"), "{said}");
            let mut worker = Worker::start(on(&store, "run", &["--json", "--", "true"]));
            let event = worker.wait_for("foreign_lease");
            assert_eq!((&event["endless"], &event["lease_ms"]), (&Value::Bool(true), &Value::Null), "{event}");
            drop(worker);
            answer(on(&store, "break", &["--yes"]), "")
        }
    });
    let output = output.await.expect("it plays");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let announced = stderr(&output);
    assert!(
        announced.contains("without end") && announced.contains("at once") && !announced.contains("15s"),
        "{announced}"
    );
    assert!(stdout(&output).contains("another worker can lead now"), "{}", stdout(&output));
    let output = ask(on(&store, "run", &["--quiet", "--once", "--wait", "0s", "--", "true"])).await;
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lead_that_was_broken_is_shown_as_such_while_its_lease_runs_on() {
    let azurite = Azurite::http().await;
    let store = azurite.container_url(&names::unique("leader-breaking"));
    let run = on(&store, "run", &["--quiet", "--holder", "worker-7", "--", "sleep", "1000"]);
    let worker = tokio::task::spawn_blocking(move || Worker::start(run)).await.expect("it starts");
    loop {
        if ask(on(&store, "status", &[])).await.status.code() == Some(0) {
            break;
        }
    }
    // Its renewals are refused from now on, and the lease runs on for a while.
    assert_eq!(ask(on(&store, "break", &["--yes"])).await.status.code(), Some(0));
    let output = ask(on(&store, "status", &["--json"])).await;
    assert_eq!(output.status.code(), Some(1), "{}", stdout(&output));
    assert!(stdout(&output).contains(r#""state":"breaking""#), "{}", stdout(&output));
    let output = ask(on(&store, "status", &[])).await;
    assert!(
        stdout(&output).contains("the lead of worker-7") && stdout(&output).contains("broken"),
        "{}",
        stdout(&output)
    );
    drop(worker);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_emulator_on_another_host_takes_a_word_of_its_own() {
    let azurite = Azurite::http().await;
    // This machine by an address that is not its own alone: as another host, to the command. Nothing is sent by this.
    let socket = std::net::UdpSocket::bind("0.0.0.0:0").expect("a socket");
    let Ok(host) = socket.connect("192.0.2.1:9").and_then(|()| socket.local_addr()).map(|address| address.ip()) else {
        not_tested("an emulator on another host", "this machine has no network");
        return;
    };
    let relay = tokio::net::TcpListener::bind((host, 0)).await.expect("a port");
    let (port, emulator) = (relay.local_addr().expect("an address").port(), azurite.port());
    tokio::spawn(async move {
        while let Ok((mut client, _)) = relay.accept().await {
            tokio::spawn(async move {
                let mut server = tokio::net::TcpStream::connect(("127.0.0.1", emulator)).await.expect("it listens");
                let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    let elsewhere = format!("http://{host}:{port}/devstoreaccount1/{}", names::unique("leader-elsewhere"));
    let (code, said) = refusal(&ask(on(&format!("blob+{elsewhere}"), "status", &[])).await);
    assert!(code == 64 && said.contains("emulator+http://"), "{said}");
    let run = on(&format!("emulator+{elsewhere}"), "run", &["--quiet", "--once", "--", "true"]);
    let output = ask(run).await;
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
}
