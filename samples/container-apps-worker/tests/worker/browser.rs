//! The status page in a real browser.
//!
//! `LEADER_SCREENSHOT=<file>.png` keeps what it looks like.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::channel;

use axum::Router;
use axum::extract::State;
use axum::http::Uri;
use axum::http::header::CONTENT_TYPE;
use axum::response::{Html, IntoResponse};
use axum::routing::get;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tempfile::TempDir;
use tokio::net::TcpListener;

use crate::rig::{Environment, PATIENCE, Worker, azurite, eventually, runtime};

#[test]
#[ignore = "needs a browser: LEADER_CHROMIUM=<path of chromium> cargo test -p container-apps-worker -- --ignored"]
fn a_person_sees_who_leads_at_any_width_and_the_page_keeps_itself_up_to_date() {
    let environment = Environment::on(azurite())
        .with("CONTAINER_APP_REVISION", "worker--0000042")
        .with("LEADER_ELECTION", "nightly-billing");
    let former = environment.clone().replica("worker--0000041-7c9f8d6b5-q8x2m");
    former.wait_for("elected");
    let leader = environment.clone().replica("worker--0000042-5d8f9c7b4-x2k4q");
    eventually("the standby sees the leader", || leader.status()["leader"].is_object());
    former.signal(Signal::SIGTERM);
    leader.wait_for("took_over");
    let standby = environment.replica("worker--0000042-5d8f9c7b4-zz7wd");
    eventually("the standby sees the leader", || standby.status()["leader"].is_object());
    eventually("some steps are done", || leader.status()["checkpoint"]["steps"].as_u64() >= Some(5));

    let token = leader.status()["leader"]["fencing_token"].to_string();
    let browser = Browser::new();
    let page = browser.dom(&leader.url("/"));
    for part in [
        "<h2 id=\"leader\">This worker leads</h2>",
        &token,
        "Elected: this worker leads",
        "worker--0000041-7c9f8d6b5-q8x2m leads",
    ] {
        assert!(page.contains(part), "no {part:?} in {page}");
    }
    // Set by the script alone.
    assert!(page.contains(r#"<button id="refreshing" type="button">Stop refreshing</button>"#), "{page}");
    assert!(browser.dom(&standby.url("/")).contains("worker--0000042-5d8f9c7b4-x2k4q leads"));

    for worker in [&leader, &standby] {
        let mirror = Mirror::of(worker);
        for width in [320, 360, 768, 1280] {
            let measured = browser.after_some_refreshes(&mirror.url(width));
            assert!(measured.contains(&format!("data-wide=\"{width} of {width}\"")), "at {width}: {measured}");
        }
        assert!(mirror.loads() > 4, "the page refreshes itself: {} loads", mirror.loads());
    }
    if let Ok(path) = std::env::var("LEADER_SCREENSHOT") {
        browser.screenshot(&leader.url("/"), Path::new(&path));
    }
}

/// Runs anew for each page.
struct Browser {
    program: String,
    profile: TempDir,
}

impl Browser {
    fn new() -> Self {
        let program = std::env::var("LEADER_CHROMIUM").expect("LEADER_CHROMIUM is the path of chromium");
        Self { program, profile: TempDir::new().expect("a folder") }
    }

    /// The page after its scripts have run; they must have had nothing to complain of.
    fn dom(&self, url: &str) -> String {
        self.run(&["--dump-dom", "--window-size=1280,900", url])
    }

    fn after_some_refreshes(&self, url: &str) -> String {
        self.run(&["--dump-dom", "--virtual-time-budget=8000", "--hide-scrollbars", "--window-size=1400,900", url])
    }

    fn screenshot(&self, url: &str, path: &Path) {
        self.run(&[&format!("--screenshot={}", path.display()), "--hide-scrollbars", "--window-size=860,980", url]);
    }

    fn run(&self, arguments: &[&str]) -> String {
        let mut command = Command::new(&self.program);
        command.args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]);
        command.args(["--disable-background-networking", "--disable-component-update", "--disable-sync"]);
        command.args(["--disable-dev-shm-usage", "--enable-logging=stderr"]);
        command.arg(format!("--user-data-dir={}", self.profile.path().display()));
        command.args(arguments);
        let output = bounded(command);
        let (page, said) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{}: {said}", output.status);
        let complaints: Vec<_> = said.lines().filter(|line| line.contains("CONSOLE")).collect();
        assert!(complaints.is_empty(), "{complaints:#?}");
        page.into_owned()
    }
}

/// Ends it with all that it has started when it takes too long.
fn bounded(mut command: Command) -> Output {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    let child = command.spawn().expect("the browser starts");
    let group = Pid::from_raw(i32::try_from(child.id()).expect("a process id"));
    let (ended, end) = channel::<()>();
    let watch = std::thread::spawn(move || {
        if end.recv_timeout(PATIENCE).is_err_and(|error| error == std::sync::mpsc::RecvTimeoutError::Timeout) {
            let _ = killpg(group, Signal::SIGKILL);
        }
    });
    let output = child.wait_with_output().expect("its output");
    drop(ended);
    watch.join().expect("it watches");
    output
}

/// A worker's page in a frame, as no window is as narrow as a phone; with a script that measures it. The worker itself would
/// let neither be.
struct Mirror {
    port: u16,
    state: Arc<Mirrored>,
}

struct Mirrored {
    origin: String,
    loads: AtomicU32,
}

impl Mirror {
    fn of(worker: &Worker) -> Self {
        let state = Arc::new(Mirrored { origin: worker.url(""), loads: AtomicU32::new(0) });
        let router =
            Router::new().route("/frame/{width}", get(framed)).fallback(mirrored).with_state(Arc::clone(&state));
        let listener = runtime().block_on(TcpListener::bind("127.0.0.1:0")).expect("a port");
        let port = listener.local_addr().expect("an address").port();
        runtime().spawn(async move { axum::serve(listener, router).await });
        Self { port, state }
    }

    fn url(&self, width: u32) -> String {
        format!("http://127.0.0.1:{}/frame/{width}", self.port)
    }

    /// How often the page was asked for.
    fn loads(&self) -> u32 {
        self.state.loads.load(Ordering::Relaxed)
    }
}

/// Tells how wide the page is, of how much there is.
async fn framed(axum::extract::Path(width): axum::extract::Path<u32>) -> Html<String> {
    Html(format!(
        "<!DOCTYPE html><html lang=en><title>frame</title><link rel=icon href='data:,'>\
         <iframe title=page src=/ width={width} height=800 style='border:0'></iframe>\
         <script>setInterval(() => {{\
           const page = document.querySelector('iframe').contentDocument.documentElement;\
           if (page === null) return;\
           document.documentElement.dataset.wide = `${{page.scrollWidth}} of ${{page.clientWidth}}`\
         }}, 50)</script>"
    ))
}

async fn mirrored(State(state): State<Arc<Mirrored>>, uri: Uri) -> impl IntoResponse {
    if uri.path() == "/" {
        state.loads.fetch_add(1, Ordering::Relaxed);
    }
    let answer = reqwest::get(format!("{}{}", state.origin, uri.path())).await.expect("it answers");
    let kind = answer.headers()[CONTENT_TYPE].to_str().expect("text").to_owned();
    ([(CONTENT_TYPE, kind)], answer.text().await.expect("text"))
}
