//! The browser client.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use crate::shell::{Outcome, finish, has, heading, root};

fn folder() -> PathBuf {
    root().join("web")
}

/// Builds `web/dist`.
pub(crate) fn build() -> Outcome {
    install()?;
    heading("building the browser client");
    npm(&["run", "build"])
}

/// Installs the npm packages of the lock file, unless that was done already.
pub(crate) fn install() -> Outcome {
    if !has("npm") {
        return Err("npm is not here: install Node.js 20 or newer".to_owned());
    }
    let installed = modified(&folder().join("node_modules/.package-lock.json"));
    if installed.is_some() && installed >= modified(&folder().join("package-lock.json")) {
        return Ok(());
    }
    heading("installing npm packages");
    npm(&["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
}

/// Runs npm in `web/`.
pub(crate) fn npm(arguments: &[&str]) -> Outcome {
    finish(Command::new("npm").current_dir(folder()).args(arguments))
}

fn modified(file: &Path) -> Option<SystemTime> {
    file.metadata().ok()?.modified().ok()
}
