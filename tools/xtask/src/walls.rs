//! Checks the dependency rules between crates. Each crate exists to forbid a dependency.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::shell::{Outcome, cargo, output, quietly};

/// A target with a standard library but without an operating system.
const BARE_TARGET: &str = "wasm32-unknown-unknown";

/// Crates that must not be among the direct or indirect dependencies.
const FORBIDDEN: [(&str, &[&str]); 5] = [
    ("bedside-visit", &["tokio", "mio", "socket2", "sqlx", "axum", "str0m", "getrandom"]),
    ("bedside-sfu", &["tokio", "mio", "sqlx", "axum", "bedside-store", "bedside-server"]),
    ("bedside-store", &["axum", "str0m", "bedside-sfu", "bedside-server"]),
    ("bedside-server", &["bedside-bench", "bedside-lab"]),
    // It measures from outside.
    ("bedside-bench", &["bedside-sfu", "bedside-store", "bedside-server"]),
];

/// Words that are only allowed in certain places of the server.
const CONFINED: [(&str, &str, &[&str]); 5] = [
    ("StatusCode", "crates/server/src", &["crates/server/src/http/error.rs"]),
    ("sqlx", "crates/server/src", &[]),
    // Elsewhere it could be mistaken for the client's address, which it is not behind a reverse proxy.
    ("ConnectInfo", "crates/server/src", &["crates/server/src/http/edge/client.rs"]),
    ("SystemTime::now", "crates", &["crates/server/src/app/clock.rs"]),
    // Reads patient data without a permission check.
    (
        "unseal_for",
        "crates/server/src",
        &[
            "crates/server/src/clinic/demo.rs",
            "crates/server/src/operator/mod.rs",
            "crates/server/src/signalling/hub.rs",
            "crates/server/src/signalling/visit_task.rs",
        ],
    ),
];

/// Checks all rules and reports every violation.
pub(crate) fn check(root: &Path) -> Outcome {
    if !output(Command::new("rustup").args(["target", "list", "--installed"]))?.contains(BARE_TARGET) {
        quietly(Command::new("rustup").args(["target", "add", BARE_TARGET]))?;
    }
    cargo(&["check", "--quiet", "--package", "bedside-visit", "--target", BARE_TARGET])?;
    let mut breaches = Vec::new();
    for (package, forbidden) in FORBIDDEN {
        let tree = ["tree", "--package", package, "--edges", "normal", "--prefix", "none", "--format", "{p}"];
        let tree = output(Command::new("cargo").current_dir(root).args(tree))?;
        let below: Vec<&str> = tree.lines().filter_map(|line| line.split(' ').next()).collect();
        breaches.extend(
            forbidden.iter().filter(|name| below.contains(name)).map(|name| format!("{package} depends on {name}")),
        );
    }
    for (word, folder, homes) in CONFINED {
        for file in rust_files(&root.join(folder)) {
            let place = file.strip_prefix(root).unwrap_or(&file).to_string_lossy().into_owned();
            let text = fs::read_to_string(&file).map_err(|error| format!("{place}: {error}"))?;
            if !homes.contains(&place.as_str()) && text.contains(word) {
                breaches.push(format!("{place} contains {word}, which is allowed only in {homes:?}"));
            }
        }
    }
    if breaches.is_empty() { Ok(()) } else { Err(breaches.join("\n")) }
}

/// Returns all Rust files in a folder and below.
pub(crate) fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .flat_map(|entry| {
            let path = entry.path();
            if path.is_dir() { rust_files(&path) } else { vec![path] }
        })
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .collect()
}
