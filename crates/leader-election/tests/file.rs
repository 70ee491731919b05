//! The file store where things go wrong: races, killed writers, records that others wrote, directories without rights.

#![allow(clippy::expect_used, clippy::unwrap_used)]

#[path = "file/processes.rs"]
#[cfg(unix)]
mod processes;

use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use leader_election::{
    Acquire, AcquireRequest, CancellationToken, Claim, DistributedMutex, ErrorKind, FencingToken, FileMutex, Held,
    HolderId, LeaderData, LeaderHost, Loss, Observation, Renew, Result, SideName, SideRecord, Written, async_trait,
};

fn claim(holder: &str) -> Claim {
    Claim::new(HolderId::new(holder).unwrap(), Duration::from_secs(30))
}

fn open(directory: &Path) -> FileMutex {
    FileMutex::new(directory, "nightly").unwrap()
}

fn granted(acquire: Result<Acquire>) -> FencingToken {
    match acquire {
        Ok(Acquire::Granted(grant)) => grant.fencing_token,
        other => panic!("the lease is free and must be granted, not {other:?}"),
    }
}

#[tokio::test]
async fn an_election_that_nobody_contends_for_leaves_no_file() {
    let directory = tempfile::tempdir().unwrap();
    assert!(!open(directory.path()).observe().await.unwrap().is_held());
    let files = if cfg!(windows) { 1 } else { 0 };
    assert!(std::fs::read_dir(directory.path()).unwrap().count() <= files);
}

#[tokio::test]
async fn elections_in_one_directory_are_apart() {
    let directory = tempfile::tempdir().unwrap();
    for election in ["a", "a.json", "a.lock", "a.draft", "b"] {
        let mutex = FileMutex::new(directory.path(), election).unwrap();
        granted(mutex.try_acquire((&claim(election)).into()).await);
    }
    for election in ["a", "a.json", "a.lock", "a.draft", "b"] {
        let seen = FileMutex::new(directory.path(), election).unwrap().observe().await.unwrap();
        assert_eq!(seen.leader().expect("held").holder.as_str(), election);
    }
}

#[tokio::test]
async fn invariant_14_a_record_that_cannot_be_understood_is_refused_and_left_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let (path, mutex) = (directory.path().join("nightly.json"), open(directory.path()));
    granted(mutex.try_acquire((&claim("first")).into()).await);
    let sound = std::fs::read_to_string(&path).unwrap();
    let absurd = sound.replace("\"leaseMs\": 30000", "\"leaseMs\": 18446744073709551615");
    assert_ne!(absurd, sound);
    let oversized = format!("{}{sound}", " ".repeat(70_000));
    for bad in ["", "{", "no JSON at all", &sound[..sound.len() / 2], &absurd, &oversized] {
        std::fs::write(&path, bad).unwrap();
        let contender = claim("second");
        for outcome in [
            mutex.try_acquire((&contender).into()).await.map(drop),
            mutex.renew(&contender).await.map(drop),
            mutex.release(&contender).await,
            mutex.observe().await.map(drop),
        ] {
            let error = outcome.expect_err("must be refused");
            assert_eq!(error.kind(), ErrorKind::CorruptRecord, "{error}");
            assert!(error.to_string().contains("nightly.json"), "{error}");
        }
        assert_eq!(std::fs::read_to_string(&path).unwrap(), bad, "nothing was overwritten");
    }
}

#[tokio::test]
async fn invariant_14_a_leader_whose_record_was_spoilt_does_not_overwrite_it() {
    let directory = tempfile::tempdir().unwrap();
    let (path, mutex, leader) = (directory.path().join("nightly.json"), open(directory.path()), claim("first"));
    granted(mutex.try_acquire((&leader).into()).await);
    std::fs::write(&path, "spoilt").unwrap();
    assert_eq!(mutex.renew(&leader).await.unwrap_err().kind(), ErrorKind::CorruptRecord);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "spoilt");
}

#[tokio::test]
async fn what_is_no_file_is_no_record_and_is_not_waited_for() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir(directory.path().join("nightly.json")).unwrap();
    let error = open(directory.path()).try_acquire((&claim("first")).into()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::CorruptRecord, "{error}");
}

#[tokio::test]
async fn an_edit_by_hand_ends_the_lease_of_the_leader_even_if_it_leaves_the_number_of_the_write() {
    let directory = tempfile::tempdir().unwrap();
    let (path, mutex, leader) = (directory.path().join("nightly.json"), open(directory.path()), claim("first"));
    granted(mutex.try_acquire((&leader).into()).await);
    assert_eq!(mutex.renew(&leader).await.unwrap(), Renew::Renewed);
    let edited = std::fs::read_to_string(&path).unwrap().replace("\"holder\": \"first\"", "\"holder\": \"\"");
    std::fs::write(&path, edited).unwrap();
    assert_eq!(mutex.renew(&leader).await.unwrap(), Renew::Lost(Loss::Taken));
}

#[tokio::test]
async fn the_version_changes_with_each_renewal_and_only_then() {
    let directory = tempfile::tempdir().unwrap();
    let (mutex, leader) = (open(directory.path()), claim("leader"));
    let version = async || mutex.observe().await.unwrap().version;
    assert_eq!(version().await, None);
    granted(mutex.try_acquire((&leader).into()).await);
    let first = version().await;
    assert_eq!(version().await, first);
    assert_eq!(mutex.renew(&leader).await.unwrap(), Renew::Renewed);
    assert_ne!(version().await, first);
}

#[tokio::test]
async fn an_operator_sees_the_elections_of_the_directory_and_nothing_else_that_lies_there() {
    let directory = tempfile::tempdir().unwrap();
    for election in ["weekly", "nightly", "nightly.eu"] {
        let mutex = FileMutex::new(directory.path(), election).unwrap();
        granted(mutex.try_acquire((&claim("a")).into()).await);
    }
    let nightly = open(directory.path());
    assert!(matches!(side(&nightly).create("wanted").await.unwrap(), Written::Done(_)));
    for (file, content) in
        [("package.json", "{}"), ("spoilt.json", "{"), ("größe.json", "{}"), ("nightly.wish.json", "{}")]
    {
        std::fs::write(directory.path().join(file), content).unwrap();
    }
    std::fs::create_dir(directory.path().join("folder.json")).unwrap();
    let operator = nightly.operator().expect("a document store has one");
    assert_eq!(operator.elections().await.unwrap(), ["nightly", "nightly.eu", "weekly"]);
}

#[tokio::test]
async fn more_files_than_are_looked_at_are_refused_and_not_cut_off() {
    let directory = tempfile::tempdir().unwrap();
    for number in 0..=5_000 {
        std::fs::write(directory.path().join(format!("{number}.json")), "").unwrap();
    }
    let error = open(directory.path()).operator().unwrap().elections().await.expect_err("too many");
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert!(error.to_string().contains("5,000"), "{error}");
}

fn side(mutex: &FileMutex) -> Arc<dyn SideRecord> {
    mutex.side(SideName::new("wish").unwrap()).expect("files have side records")
}

#[tokio::test]
async fn a_side_record_is_a_file_that_no_election_has_and_changes_by_compare_and_swap() {
    let directory = tempfile::tempdir().unwrap();
    let (mutex, leader) = (open(&directory.path().join("new")), claim("a"));
    let wish = side(&mutex);
    let Written::Done(first) = wish.create("größer\n").await.expect("the directory is made") else {
        panic!("created")
    };
    assert!(directory.path().join("new").join("nightly.wish.side").exists());
    assert_eq!(wish.create("again").await.unwrap(), Written::Conflict);
    let read = wish.read().await.unwrap().expect("there is one");
    assert_eq!((read.version, read.text.as_str()), (first.clone(), "größer\n"));
    let same = wish.replace(&first, "größer\n").await.unwrap();
    assert!(matches!(&same, Written::Done(version) if *version != first), "each write is another version: {same:?}");
    assert_eq!(wish.replace(&first, "late").await.unwrap(), Written::Conflict);

    granted(mutex.try_acquire((&leader).into()).await);
    let before = mutex.observe().await.unwrap();
    let read = wish.read().await.unwrap().expect("there is one");
    wish.replace(&read.version, &"x".repeat(8_192)).await.unwrap();
    assert_eq!(mutex.observe().await.unwrap(), before, "no sign of life of the leader");
    assert_eq!(wish.create(&"x".repeat(8_193)).await.expect_err("too long").kind(), ErrorKind::InvalidSetting);
}

#[tokio::test]
async fn invariant_14_a_side_record_that_cannot_be_understood_is_refused_and_left_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("nightly.wish.side");
    let wish = side(&open(directory.path()));
    let (large, long) = ("x".repeat(70_000), format!(r#"{{"schemaVersion":1,"text":"{}"}}"#, "x".repeat(8_193)));
    for bad in ["", "{", "[]", r#"{"schemaVersion":2,"text":""}"#, r#"{"schemaVersion":1}"#, &large, &long] {
        std::fs::write(&path, bad).unwrap();
        let error = wish.read().await.expect_err("must be refused");
        assert_eq!(error.kind(), ErrorKind::CorruptRecord, "{error}");
        assert!(error.to_string().contains("nightly.wish.side"), "{error}");
        assert!(matches!(wish.create("x").await, Ok(Written::Conflict) | Err(_)));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), bad, "nothing was overwritten");
    }
}

#[tokio::test]
async fn what_a_leader_tells_others_is_kept_whole_whatever_text_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let (mutex, leader) = (open(directory.path()), claim("a"));
    let texts = ["\u{0}".repeat(4_096), "\u{1F600}".repeat(1_024), "\"\\/\r\n".to_owned(), " ".to_owned()];
    for text in texts {
        let data = LeaderData::new(&text).unwrap();
        granted(mutex.try_acquire(AcquireRequest::new(&leader).with_data(Some(&data))).await);
        assert_eq!(mutex.renew(&leader).await.unwrap(), Renew::Renewed);
        let seen = open(directory.path()).observe().await.unwrap();
        assert_eq!(seen.leader().unwrap().data.as_ref(), Some(&data));
        mutex.release(&leader).await.unwrap();
    }
}

#[tokio::test]
async fn the_token_of_a_deleted_election_goes_on_rising() {
    let directory = tempfile::tempdir().unwrap();
    let first = granted(open(directory.path()).try_acquire((&claim("first")).into()).await);
    for file in std::fs::read_dir(directory.path()).unwrap() {
        std::fs::remove_file(file.unwrap().path()).unwrap();
    }
    tokio::time::sleep(Duration::from_millis(20)).await;
    let second = granted(open(directory.path()).try_acquire((&claim("second")).into()).await);
    assert!(second > first, "{second} follows {first}");
}

/// Were it followed, nobody could lead after the next term; and a deleted record would begin below what fences have seen.
#[tokio::test]
async fn a_token_near_the_highest_is_refused_before_anybody_is_granted_one_above_it() {
    let directory = tempfile::tempdir().unwrap();
    let (path, mutex) = (directory.path().join("nightly.json"), open(directory.path()));
    let first = claim("first");
    let token = granted(mutex.try_acquire((&first).into()).await);
    mutex.release(&first).await.unwrap();
    let sound = std::fs::read_to_string(&path).unwrap();
    let said = |token: u64| format!("\"fencingToken\": {token}");
    for edited in [FencingToken::MAX - 1, FencingToken::MAX] {
        std::fs::write(&path, sound.replace(&said(token.get()), &said(edited))).unwrap();
        let error = mutex.try_acquire((&claim("second")).into()).await.expect_err("must be refused");
        assert_eq!(error.kind(), ErrorKind::CorruptRecord);
        assert!(
            error.to_string().contains("somebody has edited it") && error.to_string().contains("delete it"),
            "{error}"
        );
    }
    // What the sentence says.
    std::fs::remove_file(&path).unwrap();
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert!(granted(mutex.try_acquire((&claim("third")).into()).await) > token);
}

#[tokio::test]
async fn a_missing_directory_is_created_by_who_contends_and_not_by_who_looks() {
    let directory = tempfile::tempdir().unwrap();
    let leases = directory.path().join("leases");
    let error = open(&leases).observe().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("leases") && error.to_string().contains("create it"), "{error}");
    assert!(!leases.exists());
    granted(open(&leases).try_acquire((&claim("first")).into()).await);
    assert!(leases.join("nightly.json").exists());
}

#[tokio::test]
async fn a_directory_whose_parent_is_missing_too_is_named_and_not_created() {
    let directory = tempfile::tempdir().unwrap();
    let error = open(&directory.path().join("missing/leases")).try_acquire((&claim("first")).into()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("missing/leases nor the one above it exists: create it"), "{error}");
    assert!(!directory.path().join("missing").exists());
}

#[tokio::test]
async fn a_file_in_the_place_of_the_directory_is_named() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let error = open(file.path()).try_acquire((&claim("first")).into()).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::NotFound), "{error}");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_directory_without_the_right_to_write_is_named() {
    use std::os::unix::fs::PermissionsExt;

    let directory = tempfile::tempdir().unwrap();
    std::fs::set_permissions(directory.path(), PermissionsExt::from_mode(0o555)).unwrap();
    let root_writes_anyway = std::fs::write(directory.path().join("probe"), "").is_ok();
    // No user can make a file there.
    let closed = if root_writes_anyway { Path::new("/sys") } else { directory.path() };
    let error = open(closed).try_acquire((&claim("first")).into()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied, "{error}");
    assert!(error.to_string().contains("give this process the right"), "{error}");
}

/// A store whose calls wait on threads of the runtime that they run on, as the resolution of a name does when no server
/// answers.
#[derive(Debug, Clone, Default)]
struct Hanging {
    waiting: Arc<(Mutex<(usize, bool)>, Condvar)>,
}

impl Hanging {
    fn waiting(&self) -> usize {
        self.waiting.0.lock().unwrap().0
    }

    fn end(&self) {
        self.waiting.0.lock().unwrap().1 = true;
        self.waiting.1.notify_all();
    }
}

#[async_trait]
impl DistributedMutex for Hanging {
    async fn try_acquire(&self, request: AcquireRequest<'_>) -> Result<Acquire> {
        let (_, _) = (request.claim, request.lapsed);
        let waiting = Arc::clone(&self.waiting);
        let hung = tokio::task::spawn_blocking(move || {
            let mut state = waiting.0.lock().unwrap();
            state.0 += 1;
            drop(waiting.1.wait_while(state, |(_, ended)| !*ended).unwrap());
        });
        let _ = hung.await;
        Ok(Acquire::Held(Held::default()))
    }

    async fn renew(&self, _: &Claim) -> Result<Renew> {
        Ok(Renew::Lost(Loss::Taken))
    }

    async fn release(&self, _: &Claim) -> Result<()> {
        Ok(())
    }

    async fn observe(&self) -> Result<Observation> {
        Ok(Observation::default())
    }
}

/// 520 are more than the blocking threads of a runtime. Those of this store wait until the file store has answered.
#[tokio::test(flavor = "multi_thread")]
async fn calls_of_another_store_that_hang_do_not_stop_the_file_store() {
    let hanging = Hanging::default();
    let shutdown = CancellationToken::new();
    let mut hosts = tokio::task::JoinSet::new();
    for _ in 0..520 {
        let (host, shutdown) = (LeaderHost::new(hanging.clone()), shutdown.clone());
        hosts.spawn(async move {
            let run = host.run_task_when_mutex_acquired(shutdown, |_| async { Ok(()) });
            run.await.map_err(|error| error.to_string())
        });
    }
    while hanging.waiting() < 512 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let directory = tempfile::tempdir().unwrap();
    let (mutex, leader) = (open(directory.path()), claim("first"));
    let answer = tokio::time::timeout(Duration::from_secs(60), mutex.try_acquire((&leader).into())).await;
    let answer = answer.inspect_err(|_| hanging.end());
    granted(answer.expect("the file store waits for threads that another store has taken"));
    assert_eq!(mutex.renew(&leader).await.unwrap(), Renew::Renewed);
    shutdown.cancel();
    hanging.end();
    while hosts.join_next().await.is_some() {}
}
