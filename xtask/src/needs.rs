//! What the tests need of the machine.

use std::path::Path;
use std::process::Command;

use crate::shell::{Outcome, finish, has, heading, output};

/// Debian's packages: the browser, and fonts for the scripts that pages are tested with.
const PACKAGES: [&str; 3] = ["chromium", "fonts-dejavu-core", "fonts-noto-core"];

/// Installs Chromium on Debian as root; elsewhere says what to install.
pub(crate) fn chromium() -> Outcome {
    if has("chromium") || std::env::var_os("CHROMIUM").is_some() {
        return Ok(());
    }
    install(
        "Chromium",
        &PACKAGES,
        "the browser tests need Chromium: install it (on Debian: sudo apt-get install chromium), or name its program \
         in the environment variable CHROMIUM",
    )
}

/// Installs a C++ compiler on Debian as root; elsewhere says what to install.
pub(crate) fn cpp() -> Outcome {
    if has("c++") || std::env::var_os("CXX").is_some() {
        return Ok(());
    }
    install("a C++ compiler", &["g++"], "the fuzz targets need a C++ compiler (on Debian: sudo apt-get install g++)")
}

fn install(what: &str, packages: &[&str], otherwise: &str) -> Outcome {
    let debian = Path::new("/etc/debian_version").exists() && has("apt-get");
    let is_root = output(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0");
    if !(debian && is_root) {
        return Err(otherwise.to_owned());
    }
    heading(&format!("installing {what}"));
    finish(Command::new("apt-get").args(["update", "-qq"]))?;
    let mut install = Command::new("apt-get");
    install.env("DEBIAN_FRONTEND", "noninteractive").args(["install", "-y", "-qq", "--no-install-recommends"]);
    finish(install.args(packages))
}
