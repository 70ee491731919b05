//! What `leader check` finds where, that it asks first, and that it leaves nothing behind.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Output, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::rig::{Election, answer, leader, stderr, stdout};
use testbed::azurite::Azurite;
use testbed::cosmos::{EmulatorOptions, KEY, VercelServer};
use testbed::oracle::server::Server;
use testbed::{names, operator, sas};
use testservers::etcd::Etcd;
use testservers::redis::Redis;

fn check(store: &str, options: &[&str]) -> Command {
    let mut command = leader();
    command.args(["check", "--store", store]).args(options);
    // Cosmos DB's client looks for Azure's metadata service otherwise.
    command.env("COSMOS_DISABLE_IMDS", "1").env("COSMOS_KEY", KEY);
    command
}

async fn ask(command: Command) -> Output {
    tokio::task::spawn_blocking(move || answer(command, "")).await.expect("it answers")
}

/// Of a check with `--json`.
struct Found {
    code: Option<i32>,
    findings: Vec<Value>,
    summary: Value,
    said: String,
}

impl Found {
    async fn at(store: &str, options: &[&str]) -> Self {
        let output = ask(check(store, &[&["--yes", "--json"], options].concat())).await;
        let said = format!("{}\n{}", stdout(&output), stderr(&output));
        let objects = stdout(&output);
        let mut findings: Vec<Value> =
            objects.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{said}"))).collect();
        let summary = findings.pop().unwrap_or_else(|| panic!("{said}"));
        Self { code: output.status.code(), findings, summary, said }
    }

    /// Nothing is wrong but, on a busy machine, how long requests take.
    fn assert_fit(&self) {
        let unfit = self.summary["unfit"].as_array().expect("a list");
        let is_slow = self.code == Some(78) && unfit.iter().all(|number| number == "P12");
        assert!(self.code == Some(0) || is_slow, "{:?}: {}", self.code, self.said);
        assert_eq!(self.differing(), [""; 0], "{}", self.said);
    }

    fn differing(&self) -> Vec<&str> {
        self.summary["differs"].as_array().expect("a list").iter().filter_map(Value::as_str).collect()
    }

    fn seen(&self, number: &str) -> &str {
        let found = self.findings.iter().find(|finding| finding["number"] == number);
        found.and_then(|finding| finding["seen"].as_str()).unwrap_or_else(|| panic!("no {number}: {}", self.said))
    }

    /// Each number that is printed is one of a claim.
    fn assert_that_all_numbers_are_of_claims(&self) {
        let claims = include_str!("../../../../docs/azure-claims.md");
        for finding in &self.findings {
            let number = finding["number"].as_str().expect("a number");
            assert!(claims.contains(&format!("| {number} |")), "no claim {number}");
        }
    }
}

/// Neither of the election's nor of a record beside it.
fn assert_that_nothing_is_left(names: &[String]) {
    let left: Vec<_> = names.iter().filter(|name| name.starts_with("leader-check")).collect();
    assert!(left.is_empty(), "{left:?}");
}

async fn blobs_in(store: &str) -> Vec<String> {
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let url = format!("{store}?restype=container&comp=list&{}", sas::account_sas(1));
    let listing = client.get(url).send().await.expect("an answer").text().await.expect("text");
    listing.split("<Name>").skip(1).filter_map(|rest| rest.split("</Name>").next()).map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_of_azurite_finds_where_it_differs_from_the_documentation() {
    let azurite = Azurite::http().await;
    let container = names::unique("leader-check");
    operator::container_client(azurite, &container).create(None).await.expect("created");
    let store = azurite.container_url(&container);
    let found = Found::at(&store, &[]).await;
    assert_eq!(found.code, Some(1), "{}", found.said);
    // As tests/azure/oracle/differences.rs lists them: a foreign id renews, forms of ids, no GUID, no duration, a duration while
    // breaking, no code, break periods, LeaseLost, tags beside an ETag, tags of Set Blob Tags, tags as a write. And it bounds no metadata.
    let known = ["B5", "B8", "B9", "B10", "B11", "B12", "B15", "B20", "B25", "B26", "B27", "B29"];
    assert_eq!(found.differing(), known, "{}", found.said);
    assert!(found.seen("B5").contains("200 A; leased fixed, and not 409 LeaseIdMismatch"), "{}", found.seen("B5"));
    assert!(!found.said.contains("sig=") && !stdout_of(&found).contains(&container), "{}", found.said);
    found.assert_that_all_numbers_are_of_claims();
    assert_that_nothing_is_left(&blobs_in(&store).await);
}

fn stdout_of(found: &Found) -> String {
    found.findings.iter().chain([&found.summary]).map(Value::to_string).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_of_a_service_that_keeps_to_the_documentation_finds_no_difference() {
    let oracle = Server::start();
    let store = oracle.container_url("leases");
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let created = client.put(format!("{store}?restype=container")).send().await.expect("an answer");
    assert_eq!(created.status(), 201);
    let found = Found::at(&store, &[]).await;
    found.assert_fit();
    let verdicts = found.findings.iter().filter(|finding| finding["verdict"] == "as documented").count();
    assert_eq!(verdicts + 2, found.findings.len(), "all but latency and clock: {}", found.said);
    assert_that_nothing_is_left(&blobs_in(&store).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_of_files_finds_no_difference_and_leaves_no_file() {
    let election = Election::new();
    let found = Found::at(&election.store(), &["--lease", "3s"]).await;
    found.assert_fit();
    assert!(found.findings.len() > 10, "{}", found.said);
    found.assert_that_all_numbers_are_of_claims();
    assert_eq!(fs::read_dir(election.store_directory()).expect("a directory").count(), 0);
}

#[test]
fn a_table_to_paste_names_neither_directory_nor_account_unless_asked() {
    let election = Election::new();
    let shown = stdout(&answer(check(&election.store(), &["--yes", "--lease", "3s"]), ""));
    let (_, table) = shown.split_once("#### leader check").unwrap_or_else(|| panic!("{shown}"));
    let rows = table.lines().filter(|line| line.starts_with("| P")).collect::<Vec<_>>();
    assert!(rows.len() > 10 && rows.iter().all(|row| row.matches(" | ").count() == 3), "{shown}");
    let directory = election.store_directory().display().to_string();
    assert!(!shown.contains(&directory), "{shown}");
    let named = stdout(&answer(check(&election.store(), &["--yes", "--lease", "3s", "--show-names"]), ""));
    assert!(named.contains(&format!("of file:{directory}")), "{named}");
}

#[test]
fn nothing_is_written_unless_it_is_confirmed() {
    let election = Election::new();
    for told in ["", "no\n", "leases\n"] {
        let output = answer(check(&election.store(), &[]), told);
        let said = stderr(&output);
        assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(1), ""), "{said}");
        assert!(said.contains("Type yes") && said.contains("nothing was written"), "{said}");
    }
    assert_eq!(fs::read_dir(election.store_directory()).expect("a directory").count(), 0);
    let output = answer(check(&election.store(), &["--lease", "3s"]), "yes\n");
    // Slow requests end it by 78.
    assert!(matches!(output.status.code(), Some(0 | 78)), "{}", stderr(&output));
    assert!(stdout(&output).contains("#### leader check"), "{}", stdout(&output));
}

/// A check that is told to end while it waits.
fn interrupted(store: &str, signal: Signal) -> (Child, String) {
    let mut child = check(store, &["--yes"]).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("it starts");
    let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines().map_while(Result::ok);
    let waits = lines.by_ref().find(|line| line.contains(" waits ") && line.contains("run out"));
    assert!(waits.is_some(), "it says what it waits for");
    kill(Pid::from_raw(i32::try_from(child.id()).expect("an id")), signal).expect("signalled");
    let rest = lines.collect::<Vec<_>>().join("\n");
    (child, rest)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_that_is_interrupted_leaves_nothing_behind() {
    let azurite = Azurite::http().await;
    for (signal, code) in [(Signal::SIGINT, 130), (Signal::SIGTERM, 143)] {
        let container = names::unique("leader-check");
        operator::container_client(azurite, &container).create(None).await.expect("created");
        let store = azurite.container_url(&container);
        let of_child = store.clone();
        let (mut child, said) =
            tokio::task::spawn_blocking(move || interrupted(&of_child, signal)).await.expect("it ends");
        assert_eq!(child.wait().expect("its end").code(), Some(code), "{said}");
        assert!(said.contains("interrupted"), "{said}");
        assert_that_nothing_is_left(&blobs_in(&store).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rights_that_are_missing_are_named() {
    let azurite = Azurite::http().await;
    let container = names::unique("leader-check");
    operator::container_client(azurite, &container).create(None).await.expect("created");
    // Neither to list nor to delete.
    let store = format!("{}?{}", azurite.container_url(&container), sas::container_sas(&container, "rcw"));
    let output = ask(check(&store, &["--yes"])).await;
    let (shown, said) = (stdout(&output), stderr(&output));
    let listing = shown.lines().find(|line| line.starts_with("P9 ")).unwrap_or_else(|| panic!("{shown}"));
    assert!(listing.contains("NO RIGHT"), "{listing}");
    assert!(shown.contains("1 take a right that is missing: P9"), "{shown}");
    assert!(said.contains("LEFT: the election leader-check-") && said.contains("right to delete"), "{said}");
    assert!(!shown.contains("sig=") && !said.contains("sig="), "{shown}{said}");

    // To read alone: it cannot contend.
    let store = format!("{}?{}", azurite.container_url(&container), sas::container_sas(&container, "rl"));
    let output = ask(check(&store, &["--yes"])).await;
    let shown = stdout(&output);
    assert_eq!(output.status.code(), Some(77), "{shown}");
    let contending = shown.lines().find(|line| line.starts_with("P1 ")).unwrap_or_else(|| panic!("{shown}"));
    assert!(contending.contains("NO RIGHT"), "{contending}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_of_what_is_not_there_ends_before_it_asks() {
    let azurite = Azurite::http().await;
    let output = ask(check(&azurite.container_url(&names::unique("leader-check")), &[])).await;
    let said = stderr(&output);
    assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(78), ""), "{said}");
    assert!(said.contains("does not exist") && !said.contains("Type yes"), "{said}");
}

#[test]
fn a_reader_that_goes_away_does_not_keep_a_check_from_cleaning_up() {
    let election = Election::new();
    let mut child = check(&election.store(), &["--yes", "--lease", "3s"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    drop(child.stdout.take());
    // Slow requests end it by 78; a panic would by another.
    assert!(matches!(child.wait().expect("its end").code(), Some(0 | 78)));
    assert_eq!(fs::read_dir(election.store_directory()).expect("a directory").count(), 0);
}

fn cosmos(endpoint: &str) -> String {
    format!("cosmos+{endpoint}workers/leaders")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_of_microsofts_cosmos_db_emulator_finds_what_it_does_not_do() {
    let emulator = testbed::cosmos::election::emulator(EmulatorOptions::default());
    let found = Found::at(&cosmos(&emulator.endpoint()), &[]).await;
    // It takes an id of any length.
    assert_eq!((found.code, found.differing()), (Some(1), vec!["C11"]), "{}", found.said);
    found.assert_that_all_numbers_are_of_claims();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_of_the_independent_cosmos_db_server_finds_what_it_does_not_do() {
    let store = cosmos(&VercelServer::shared().await.endpoint());
    let mut created = leader();
    created.args(["run", "--once", "--lease", "3s", "--election", "nightly", "--store", &store, "--", "true"]);
    created.env("COSMOS_DISABLE_IMDS", "1").env("COSMOS_KEY", KEY);
    let created = ask(created).await;
    assert_eq!(created.status.code(), Some(0), "{}", stderr(&created));
    let found = Found::at(&store, &[]).await;
    // It knows no batches, takes an id of any length, and charges 1 for whatever it does.
    assert_eq!((found.code, found.differing()), (Some(1), vec!["C10", "C11", "C12"]), "{}", found.said);
    found.assert_that_all_numbers_are_of_claims();
}

/// Older than the longest lease of the check and a second, before which it grants nothing.
fn redis(settings: &[&str]) -> Redis {
    let redis = Redis::start(settings);
    std::thread::sleep(std::time::Duration::from_secs(5));
    redis
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs redis-server: apt install redis-server"]
async fn a_check_of_redis_finds_no_difference_and_leaves_no_key() {
    let redis = redis(&[]);
    let found = Found::at(&redis.url(), &["--lease", "3s"]).await;
    found.assert_fit();
    assert!(found.seen("R1").contains("noeviction"), "{}", found.seen("R1"));
    found.assert_that_all_numbers_are_of_claims();
    let output = ask({
        let mut list = leader();
        list.args(["list", "--store", &redis.url()]);
        list
    });
    assert_eq!(output.await.status.code(), Some(1), "no election is left");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs redis-server: apt install redis-server"]
async fn a_redis_that_can_evict_the_record_is_unfit() {
    let redis = redis(&["--maxmemory", "50mb", "--maxmemory-policy", "allkeys-lru"]);
    let found = Found::at(&redis.url(), &["--lease", "3s"]).await;
    assert_eq!(found.code, Some(78), "{}", found.said);
    assert!(
        found.seen("R1").contains("allkeys-lru") && found.seen("R1").contains("two workers can lead"),
        "{}",
        found.said
    );
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs etcd: apt install etcd-server etcd-client"]
async fn a_check_of_etcd_finds_no_difference_and_leaves_no_key() {
    let etcd = Etcd::one();
    let found = Found::at(&etcd.url(), &["--lease", "3s"]).await;
    found.assert_fit();
    assert_eq!(etcd.etcdctl(&["get", "", "--prefix", "--keys-only"]).trim(), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_of_an_account_with_several_write_regions_says_that_it_elects_two() {
    let options = EmulatorOptions { regions: &["East US", "West US"], multi_write: true, ..EmulatorOptions::default() };
    let emulator = testbed::cosmos::election::emulator(options);
    let output = ask(check(&cosmos(&emulator.endpoint()), &["--yes"])).await;
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(78), "{said}");
    assert!(said.contains("several write regions"), "{said}");
}
