//! The files of the repository that speak of invariants.

use std::fs;
use std::path::Path;

pub struct Text {
    /// Below the repository.
    pub path: String,
    pub text: String,
}

#[derive(Default)]
pub struct Repository {
    pub sources: Vec<Text>,
    pub tests: Vec<Text>,
    pub faults: Vec<Text>,
}

#[derive(Debug, PartialEq, Eq)]
enum Kind {
    Source,
    Test,
    Fault,
}

impl Repository {
    pub fn read() -> Self {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        // A member of a workspace has no lock file of its own.
        let root = here.ancestors().find(|folder| folder.join("Cargo.lock").is_file()).expect("a workspace");
        let mut repository = Self::default();
        repository.enter(root, root);
        repository
    }

    fn enter(&mut self, root: &Path, folder: &Path) {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("readable").path();
            if path.is_dir() {
                if !is_left_out(&path) {
                    self.enter(root, &path);
                }
                continue;
            }
            let below = path.strip_prefix(root).expect("below the root");
            let files = match kind(below) {
                Some(Kind::Source) => &mut self.sources,
                Some(Kind::Test) => &mut self.tests,
                Some(Kind::Fault) => &mut self.faults,
                None => continue,
            };
            files.push(Text { path: below.display().to_string(), text: fs::read_to_string(&path).expect("text") });
        }
    }
}

fn is_left_out(folder: &Path) -> bool {
    let hidden = folder.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
    // By the tag cargo marks what it has built.
    hidden || folder.is_symlink() || folder.ends_with("node_modules") || folder.join("CACHEDIR.TAG").is_file()
}

/// What a file is, by its name and by those of its folders.
fn kind(path: &Path) -> Option<Kind> {
    let is_below = |folders: &[&str]| {
        path.parent().is_some_and(|parent| parent.iter().any(|part| folders.iter().any(|folder| part == *folder)))
    };
    match path.extension()?.to_str()? {
        _ if is_below(&["samples", "fuzz"]) => None,
        "patch" if is_below(&["faults"]) => Some(Kind::Fault),
        // Members that serve the tests alone enforce nothing.
        "rs" if is_below(&["tests", "testkit", "proof"]) => Some(Kind::Test),
        "rs" if is_below(&["src"]) => Some(Kind::Source),
        _ => None,
    }
}

#[test]
fn a_file_is_known_by_the_names_of_its_folders_wherever_these_stand() {
    let kind = |path: &str| kind(Path::new(path));
    for member in ["", "crates/leader-election/"] {
        assert_eq!(kind(&format!("{member}src/election/term.rs")), Some(Kind::Source));
        assert_eq!(kind(&format!("{member}tests/election/term.rs")), Some(Kind::Test));
        assert_eq!(kind(&format!("{member}tests/faults/no-skew.patch")), Some(Kind::Fault));
    }
    for test in ["tests/src/lib.rs", "crates/testkit/src/lib.rs", "proof/tests/model.rs"] {
        assert_eq!(kind(test), Some(Kind::Test), "{test}");
    }
    for other in ["samples/worker/src/main.rs", "fuzz/src/lib.rs", "src/text.md", "build.rs", "tests/faults/README.md"]
    {
        assert_eq!(kind(other), None, "{other}");
    }
}
