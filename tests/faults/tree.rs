//! A copy of this crate, in which faults are planted, and its tests.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::net::Net;

/// How long a test may take; without a fault the longest take some ten seconds.
const LIMIT: Duration = Duration::from_secs(300);

pub struct Tree {
    folder: TempDir,
}

/// A test that is built, and not started yet.
pub struct Ready {
    net: Net,
    command: Command,
    output: PathBuf,
}

/// How a test ended.
pub struct Outcome {
    pub net: Net,
    /// `None`: its time was up.
    pub status: Option<ExitStatus>,
    /// All that it printed.
    pub text: String,
}

impl Tree {
    /// Of what is tracked, and what is about to be.
    pub fn copy() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let listed = Command::new("git")
            .args(["ls-files", "--cached", "--others", "--exclude-standard"])
            .current_dir(root)
            .output()
            .expect("git lists the files");
        assert!(listed.status.success(), "not a git checkout: {}", String::from_utf8_lossy(&listed.stderr));
        for file in String::from_utf8(listed.stdout).expect("names in UTF-8").lines() {
            let (from, to) = (root.join(file), folder.path().join(file));
            if from.is_file() {
                fs::create_dir_all(to.parent().expect("below the folder")).expect("a folder");
                fs::copy(from, to).expect("copied");
            }
        }
        Self { folder }
    }

    pub fn apply(&self, patch: &Path, reverse: bool) {
        let mut apply = Command::new("git");
        apply.arg("apply").args(reverse.then_some("--reverse")).arg(patch).current_dir(self.folder.path());
        let output = apply.output().expect("git applies");
        let refused = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{} does not fit the source any more: {refused}", patch.display());
    }

    /// Builds these tests. A fault that does not build is none.
    pub fn build<'a>(&self, nets: impl IntoIterator<Item = &'a Net>, schedules: u32) -> Vec<Ready> {
        let nets: Vec<_> = nets.into_iter().collect();
        let mut ready = Vec::new();
        // Not in one go: the features of the one would be those of the other.
        for package in ["proof", env!("CARGO_PKG_NAME")] {
            let nets: Vec<_> = nets.iter().filter(|net| net.package() == package).collect();
            if nets.is_empty() {
                continue;
            }
            let mut targets: Vec<_> = nets.iter().map(|net| net.arguments()).collect();
            targets.dedup();
            let output = self.cargo(package).args(targets.concat()).output().expect("cargo runs");
            assert!(output.status.success(), "it does not build:\n{}", tail(&String::from_utf8_lossy(&output.stderr)));
            ready.extend(nets.into_iter().map(|net| self.ready(net, &executable(&output, net), schedules)));
        }
        ready
    }

    /// In the target folder of this very build, which has the dependencies from the second run on.
    fn cargo(&self, package: &str) -> Command {
        let test = std::env::current_exe().expect("this test has a path");
        let target = test.ancestors().nth(3).expect("a cargo target folder");
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["test", "--no-run", "--quiet", "--locked", "--message-format=json", "-p", package]);
        cargo.current_dir(self.folder.path()).env("CARGO_TARGET_DIR", target);
        // A setting of no account, by which what is built here has names of its own in that folder: to cargo this copy is the same
        // package, and the next build there would take the library with the fault in it for its own.
        let profile = if cfg!(debug_assertions) { "dev" } else { "release" };
        for package in ["proof", "testkit", env!("CARGO_PKG_NAME")] {
            cargo.arg("--config").arg(format!("profile.{profile}.package.{package}.codegen-units=15"));
        }
        if !cfg!(debug_assertions) {
            cargo.arg("--release");
        }
        cargo
    }

    fn ready(&self, net: &Net, executable: &Path, schedules: u32) -> Ready {
        let package =
            if net.package() == "proof" { self.folder.path().join("proof") } else { self.folder.path().into() };
        let mut command = Command::new(executable);
        command.args(&net.filter).current_dir(&package).env("CARGO_MANIFEST_DIR", package);
        command.envs([("SIM_SEEDS", schedules.to_string().as_str()), ("SIM_ENOUGH", "10"), ("MODEL_TIER", "quick")]);
        Ready { net: net.clone(), command, output: self.folder.path().join("output") }
    }
}

/// Where cargo says that it has built the test.
fn executable(output: &Output, net: &Net) -> PathBuf {
    let messages = String::from_utf8_lossy(&output.stdout);
    let built = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()).find_map(|message| {
        let (target, is_test) = (&message["target"], message["profile"]["test"] == true);
        let kind = target["kind"][0].as_str().unwrap_or_default();
        let wanted = is_test && net.is_target(target["name"].as_str().unwrap_or_default(), kind);
        message["executable"].as_str().filter(|_| wanted).map(PathBuf::from)
    });
    built.unwrap_or_else(|| panic!("there is no test {net}"))
}

impl Ready {
    /// Runs it to its end, or to the end of its time.
    pub fn finish(mut self) -> Outcome {
        let output = File::create(&self.output).expect("a file");
        self.command.stdin(Stdio::null()).stderr(output.try_clone().expect("a file")).stdout(output);
        let mut child = self.command.spawn().expect("a test that was built runs");
        let status = within(LIMIT, &mut child);
        let text = fs::read(&self.output).expect("its output");
        Outcome { net: self.net, status, text: String::from_utf8_lossy(&text).into_owned() }
    }
}

fn within(limit: Duration, child: &mut Child) -> Option<ExitStatus> {
    let until = Instant::now() + limit;
    loop {
        if let Some(status) = child.try_wait().expect("a child of this process") {
            return Some(status);
        }
        if Instant::now() >= until {
            child.kill().expect("a child of this process");
            child.wait().expect("a child of this process");
            return None;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

impl Outcome {
    pub fn passed(&self) -> bool {
        self.status.is_some_and(|status| status.success())
    }

    pub fn tail(&self) -> String {
        tail(&self.text)
    }
}

fn tail(text: &str) -> String {
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(40)..].join("\n")
}
