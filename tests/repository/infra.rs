//! The deployment in `infra/`: that it can be parsed, that its parts fit, and that it keeps what elections rely on.
//!
//! This is no Bicep compiler, and so no proof that it deploys.

mod bicep;
mod safety;

use std::collections::BTreeSet;
use std::path::PathBuf;

use bicep::Bicep;

fn infra() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("infra")
}

fn files() -> Vec<Bicep> {
    Bicep::read_all(&infra())
}

fn file(path: &str) -> Bicep {
    files().into_iter().find(|file| file.path == path).unwrap()
}

fn read(path: &str) -> String {
    bicep::read(&infra().join(path))
}

#[test]
fn every_bicep_file_can_be_parsed() {
    let files = files();
    assert!(files.len() > 5, "{} files found", files.len());
    let faults: Vec<String> = files.iter().flat_map(Bicep::faults).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn a_broken_bicep_file_is_found_with_its_line() {
    let whole = "param name string\n\nresource leases 'x@1' = {\n  name: name\n}\n";
    assert_eq!(Bicep::new("whole", whole.to_owned()).faults(), [""; 0]);
    for (broken, fault) in [
        (whole.replace("name: name", "name name"), "broken:4: cannot be parsed: "),
        (whole.replace("\n}\n", "\n"), "broken:4: missing }"),
        (whole.replace("param", "parm"), "broken:1: cannot be parsed: "),
    ] {
        let faults = Bicep::new("broken", broken.clone()).faults();
        assert!(faults.iter().any(|found| found.starts_with(fault)), "{broken}{faults:?}");
    }
}

#[test]
fn the_deployment_keeps_what_elections_rely_on() {
    assert_eq!(safety::violations(&files()), [""; 0]);
}

#[test]
fn each_safety_property_that_is_taken_away_is_missed() {
    for &(path, from, to) in safety::TAKEN_AWAY {
        let mut files = files();
        let file = files.iter_mut().find(|file| file.path == path).unwrap();
        let changed = file.text.replacen(from, to, 1);
        assert_ne!(changed, file.text, "{path} has no {from}");
        *file = Bicep::new(path, changed);
        assert_eq!(file.faults(), [""; 0]);
        assert_ne!(safety::violations(&files), [""; 0], "{path}: {from} -> {to}");
    }
}

#[test]
fn every_parameter_says_what_it_is() {
    for file in files() {
        for name in file.names("param") {
            assert!(file.parameter(name).contains("@description('"), "{}: {name}", file.path);
        }
    }
}

#[test]
fn no_module_comes_from_a_registry() {
    for file in files() {
        let distant = file.text.lines().find(|line| line.starts_with("module ") && line.contains("'br"));
        assert_eq!(distant, None, "{}", file.path);
    }
}

#[test]
fn the_parameter_file_of_main_gives_each_of_its_parameters() {
    let given: serde_json::Value = serde_json::from_str(&read("main.parameters.json")).unwrap();
    let given: BTreeSet<&str> = given["parameters"].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(given, file("main.bicep").names("param").into_iter().collect());
}

#[test]
fn the_parameter_file_of_the_worker_gives_its_parameters_from_what_azd_and_main_provide() {
    let worker = file("worker.bicep");
    let main = file("main.bicep");
    let mut provided = main.names("output");
    provided.extend(["AZURE_ENV_NAME", "SERVICE_WORKER_IMAGE_NAME"]);

    let given = read("worker.bicepparam");
    assert!(given.starts_with("using 'worker.bicep'\n"));
    let mut names = BTreeSet::from(["location"]); // that of the resource group
    for line in given.lines().skip(1).filter(|line| !line.is_empty() && !line.starts_with("//")) {
        let (name, value) = line.strip_prefix("param ").and_then(|rest| rest.split_once(" = ")).unwrap();
        assert!(names.insert(name), "{name} is given twice");
        let arguments = value.split_once("readEnvironmentVariable('").unwrap().1;
        let (variable, rest) = arguments.split_once('\'').unwrap();
        // Without a default the deployment fails if the variable is not set.
        assert!(rest.starts_with(", '") || provided.contains(&variable), "{variable}");
    }
    assert_eq!(names, worker.names("param").into_iter().collect());
}

#[test]
fn azd_finds_the_worker_by_its_tag_and_its_file() {
    let project = read("../azure.yaml");
    assert!(project.contains("\nservices:\n  worker:\n"), "worker.bicep is named for its service");
    let worker = file("worker.bicep");
    let app = worker.resources("Microsoft.App/containerApps");
    assert_eq!(worker.values(app[0], "'azd-service-name'"), ["'worker'"]);
}

#[test]
fn the_readme_tells_each_setting_of_the_worker() {
    let readme = read("README.md");
    let worker = file("worker.bicep");
    let settings = worker.text.lines().filter_map(|line| line.split_once("name: '")).filter_map(|(_, rest)| {
        let name = rest.split('\'').next()?;
        name.contains('_').then_some(name)
    });
    let settings: Vec<&str> = settings.collect();
    assert!(settings.len() > 5, "{settings:?}");
    for setting in settings {
        assert!(readme.contains(&format!("| `{setting}` |")), "{setting}");
    }
}

#[test]
fn the_readme_tells_of_each_store_what_it_costs_and_its_url() {
    let readme = read("README.md");
    let main = file("main.bicep");
    let declaration = main.parameter("store");
    let stores: Vec<&str> =
        declaration.lines().filter_map(|line| line.strip_prefix("  '")?.strip_suffix('\'')).collect();
    assert!(stores.len() > 2, "{stores:?}");
    for store in stores {
        let rows = readme.lines().filter(|line| line.starts_with(&format!("| `{store}` |"))).count();
        assert_eq!(rows, 2, "{store}");
        assert!(store == "blob" || main.text.contains(&format!("store == '{store}'")), "{store} deploys nothing");
    }
}
