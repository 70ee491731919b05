//! A test that is to find a fault.

use std::fmt;
use std::path::Path;

/// The members that have the tests.
pub const PACKAGES: [&str; 3] = ["proof", "leader-election", env!("CARGO_PKG_NAME")];

const CORE: &str = "crates/leader-election";

/// A test target, and which of its tests.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Net {
    pub target: String,
    pub filter: Option<String>,
}

impl Net {
    pub fn parse(text: &str) -> Self {
        let (target, filter) = text.split_once(' ').map_or((text, None), |(target, filter)| (target, Some(filter)));
        Self { target: target.to_owned(), filter: filter.map(|filter| filter.trim().to_owned()) }
    }

    /// The member that builds it: the one that builds in no time, if it has it.
    pub fn package(&self) -> &'static str {
        match self.target.as_str() {
            "election" | "model" | "quorum" | "simulation" => "proof",
            test if has_test(CORE, test) => "leader-election",
            _ => env!("CARGO_PKG_NAME"),
        }
    }

    /// Where that member is.
    pub fn folder(&self) -> &'static str {
        match self.package() {
            "proof" => "proof",
            "leader-election" => CORE,
            _ => "",
        }
    }

    pub fn arguments(&self) -> Vec<&str> {
        if self.target == "lib" { vec!["--lib"] } else { vec!["--test", &self.target] }
    }

    /// Whether that is the target of this name and kind in cargo's words.
    pub fn is_target(&self, name: &str, kind: &str) -> bool {
        if self.target == "lib" { kind == "lib" } else { kind == "test" && name == self.target }
    }
}

/// Whether the package in that folder has an integration test of that name.
fn has_test(folder: &str, test: &str) -> bool {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder).join("tests");
    tests.join(test).with_extension("rs").is_file() || tests.join(test).join("main.rs").is_file()
}

impl fmt::Display for Net {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let filter = self.filter.as_ref().map(|filter| format!(" {filter}")).unwrap_or_default();
        write!(f, "{}{filter}", self.target)
    }
}
