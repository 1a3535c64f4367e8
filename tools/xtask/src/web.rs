//! The browser client.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use crate::shell::{self, Outcome, has, root};
use crate::terminal::heading;

fn folder() -> PathBuf {
    root().join("web")
}

/// Builds `web/dist` without CometChat.
pub(crate) fn build() -> Outcome {
    build_with(false)
}

/// Builds `web/dist`. CometChat's SDKs have a separate licence, so they are installed and included only on request.
pub(crate) fn build_with(cometchat: bool) -> Outcome {
    install()?;
    if cometchat {
        heading("installing CometChat's SDKs, under CometChat's own licence");
        ci(&folder().join("cometchat"))?;
    }
    let mut build = Command::new("npm");
    build.current_dir(folder()).args(["run", "build"]);
    shell::quietly(build.env("BEDSIDE_COMETCHAT", if cometchat { "1" } else { "0" }))
}

/// Installs the npm packages of the lock file unless they are current.
pub(crate) fn install() -> Outcome {
    if !has("npm") {
        return Err("npm is missing: install Node.js 20 or newer".to_owned());
    }
    ci(&folder())
}

/// Installs the packages of the lock file in `folder` unless they are current.
fn ci(folder: &Path) -> Outcome {
    let installed = modified(&folder.join("node_modules/.package-lock.json"));
    if installed.is_some() && installed >= modified(&folder.join("package-lock.json")) {
        return Ok(());
    }
    heading("installing npm packages");
    let install = ["ci", "--ignore-scripts", "--no-audit", "--no-fund"];
    shell::quietly(Command::new("npm").current_dir(folder).args(install))
}

/// Runs npm in `web/`. Its output is shown if it fails.
pub(crate) fn quietly(arguments: &[&str]) -> Outcome {
    shell::quietly(Command::new("npm").current_dir(folder()).args(arguments))
}

fn modified(file: &Path) -> Option<SystemTime> {
    file.metadata().ok()?.modified().ok()
}
