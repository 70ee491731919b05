//! Servers written for Node.js: npm installs the pinned packages once, and each server is a process of its own.

mod install;
mod launch;

use std::path::PathBuf;
use std::sync::OnceLock;

pub use install::temporary_folder;
pub use launch::Served;

/// A server that npm can install, and the script that serves it.
#[derive(Debug)]
pub struct NodeServer {
    /// In lower case; its installation and its work folders bear it.
    name: &'static str,
    package: &'static str,
    lock: &'static str,
    script: &'static str,
    // A failure is kept too: the tests of one process need not each wait for npm to fail.
    installed: OnceLock<Result<PathBuf, String>>,
}

impl NodeServer {
    /// From the texts of `package.json`, of `package-lock.json`, and of the module that exports `serve`.
    ///
    /// `serve(installation, options)` gets the folder with `node_modules` and what [`NodeServer::launch`] was given; it
    /// prints a line that ends in `listens on <url>` when it does.
    pub const fn new(name: &'static str, package: &'static str, lock: &'static str, script: &'static str) -> Self {
        Self { name, package, lock, script, installed: OnceLock::new() }
    }

    fn node_needed(&self) -> String {
        format!(
            "Node.js 20 or newer with npm is needed to run the server {} in these tests: \
             install it from https://nodejs.org, \
             or run only the tests that need none: cargo test --no-default-features --features contract",
            self.name
        )
    }
}
