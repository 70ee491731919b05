//! What neither Docker nor GitHub was there to try: that the Dockerfile and the workflow keep to what is relied on.

#![allow(clippy::expect_used, clippy::unwrap_used)]

use std::path::{Path, PathBuf};

fn here() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn repository() -> PathBuf {
    here().join("../..").canonicalize().unwrap()
}

fn read(path: impl AsRef<Path>) -> String {
    std::fs::read_to_string(path.as_ref()).unwrap_or_else(|error| panic!("{}: {error}", path.as_ref().display()))
}

/// An instruction of a Dockerfile, such as `USER` and `1:1`.
#[derive(Debug, PartialEq, Eq)]
struct Instruction {
    name: String,
    rest: String,
}

/// Without comments, and each in one line.
fn instructions(dockerfile: &str) -> Vec<Instruction> {
    let lines = dockerfile.lines().filter(|line| !line.trim_start().starts_with('#'));
    let text = lines.collect::<Vec<_>>().join("\n").replace("\\\n", " ");
    let split = text.lines().filter_map(|line| line.trim().split_once(' '));
    split.map(|(name, rest)| Instruction { name: name.to_owned(), rest: rest.trim().to_owned() }).collect()
}

/// What is wrong with it.
fn faults(dockerfile: &str) -> Vec<&'static str> {
    let all = instructions(dockerfile);
    let last_stage = all.iter().rposition(|one| one.name == "FROM").map_or(&[][..], |from| &all[from..]);
    let of = |stage: &[Instruction], name: &str| -> Vec<String> {
        stage.iter().filter(|one| one.name == name).map(|one| one.rest.clone()).collect()
    };
    let is_user = |user: &String| {
        let mut ids = user.split(':').map(str::parse::<u32>);
        ids.next().is_some_and(|id| id.is_ok_and(|id| id > 0)) && ids.all(|id| id.is_ok())
    };
    let binary = "/src/target/release/container-apps-worker";
    let checks = [
        (of(&all, "FROM").len() >= 2, "several stages"),
        (
            of(&all, "RUN").iter().any(|run| run == "cargo build --locked --release -p container-apps-worker"),
            "the build",
        ),
        (of(last_stage, "COPY").iter().any(|copy| copy.contains(binary)), "the program"),
        (of(last_stage, "RUN").is_empty(), "nothing is built in the last stage"),
        (of(last_stage, "USER").last().is_some_and(is_user), "a user by number that is not root"),
        (of(last_stage, "EXPOSE") == ["8080"], "the port"),
        (of(last_stage, "ENTRYPOINT") == ["[\"/usr/local/bin/container-apps-worker\"]"], "no shell before the program"),
        (of(last_stage, "CMD").is_empty(), "no other command"),
    ];
    checks.into_iter().filter(|(is_so, _)| !is_so).map(|(_, what)| what).collect()
}

#[test]
fn the_image_runs_the_worker_itself_and_not_as_root() {
    let dockerfile = read(here().join("Dockerfile"));
    assert_eq!(faults(&dockerfile), [""; 0]);
    for (from, to, fault) in [
        ("USER 65532:65532", "USER nonroot", "a user by number that is not root"),
        ("USER 65532:65532", "USER 0", "a user by number that is not root"),
        ("USER 65532:65532\n", "", "a user by number that is not root"),
        (
            "[\"/usr/local/bin/container-apps-worker\"]",
            "/usr/local/bin/container-apps-worker",
            "no shell before the program",
        ),
        ("--locked ", "", "the build"),
    ] {
        let broken = dockerfile.replace(from, to);
        assert_ne!(broken, dockerfile, "{from}");
        assert_eq!(faults(&broken), [fault], "{broken}");
    }
}

#[test]
fn what_the_image_is_built_from_is_in_its_context() {
    let ignored = read(repository().join(".dockerignore"));
    let ignored: Vec<_> = ignored.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    for path in ["Cargo.toml", "Cargo.lock", "src", "docs", "README.md", "proof", "samples", "tests"] {
        assert!(repository().join(path).exists(), "{path}");
        assert!(!ignored.contains(&path), "{path} is needed by the build");
    }
    for path in [".git", ".azure", ".env", "**/target", "**/node_modules"] {
        assert!(ignored.contains(&path), "{path} belongs into no image");
    }
}

#[test]
fn azd_finds_the_dockerfile_and_the_workflow_names_what_is_there() {
    let azd = read(repository().join("azure.yaml"));
    assert!(azd.contains("project: samples/container-apps-worker") && azd.contains("context: ../.."), "{azd}");
    let workflow = read(here().join("workflows/worker.yml"));
    for part in ["samples/container-apps-worker/Dockerfile", "-p container-apps-worker", "http://127.0.0.1:8080/readyz"]
    {
        assert!(workflow.contains(part), "{part}");
    }
    let azurite = read(repository().join("crates/testbed/src/azurite/package.json"));
    let pinned = azurite.split("\"azurite\": \"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
    assert!(workflow.contains(&format!("azure-storage/azurite:{pinned}\n")), "Azurite {pinned}, as in the tests");
    let names = ["LEADER_STORE_URL", "LEADER_STATE_URL", "LEADER_ELECTION"];
    let documented = read(repository().join("infra/README.md"));
    for name in names {
        assert!(workflow.contains(&format!("--env {name}=")) && documented.contains(&format!("`{name}`")), "{name}");
    }
}

#[test]
fn the_alerts_look_for_lines_that_are_documented() {
    let alerts = read(repository().join("infra/modules/alerts.bicep"));
    let documented = read(repository().join("infra/README.md"));
    for (query, fields) in [
        ("tostring(entry.event) == 'leading'", ["`event`", "`leading`"]),
        ("tostring(entry.event) == 'ended' and tostring(entry.reason) == 'task_ended'", ["`reason`", "`task_ended`"]),
        ("tostring(entry.outcome) in ('failed', 'panicked')", ["`outcome`", "`ended`"]),
        ("dcount(tostring(entry.fencing_token))", ["`fencing_token`", "`holder`"]),
    ] {
        assert!(alerts.contains(query), "no {query}");
        assert!(fields.iter().all(|field| documented.contains(field)), "{fields:?}");
    }
}
