//! The browser client.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use crate::shell::{self, Outcome, has, heading, root};

fn folder() -> PathBuf {
    root().join("web")
}

/// Builds `web/dist`, without anything of CometChat's.
pub(crate) fn build() -> Outcome {
    build_with(false)
}

/// Builds `web/dist`. CometChat's SDKs have a licence of their own: they are installed and built in only when that is
/// asked for.
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

/// Installs the npm packages of the lock file, unless that was done already.
pub(crate) fn install() -> Outcome {
    if !has("npm") {
        return Err("npm is not here: install Node.js 20 or newer".to_owned());
    }
    ci(&folder())
}

/// Of the lock file in `folder`, unless that was done already.
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
