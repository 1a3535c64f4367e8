//! What the tests need of the machine.

use std::path::Path;
use std::process::Command;

use crate::shell::{Outcome, finish, has, heading, output};

/// Installs Chromium on Debian as root, with fonts for the scripts that pages are tested with; elsewhere says what to
/// install.
pub(crate) fn chromium() -> Outcome {
    if has("chromium") || std::env::var_os("CHROMIUM").is_some() {
        return Ok(());
    }
    install(&["chromium", "fonts-dejavu-core", "fonts-noto-core"]).unwrap_or_else(|| {
        Err("the browser tests need Chromium: install it (on Debian: sudo apt-get install chromium), or name its \
             program in the environment variable CHROMIUM"
            .to_owned())
    })
}

/// Installs a C++ compiler on Debian as root; elsewhere says what to install.
pub(crate) fn cpp() -> Outcome {
    if has("c++") || std::env::var_os("CXX").is_some() {
        return Ok(());
    }
    install(&["g++"])
        .unwrap_or_else(|| Err("the fuzz targets need a C++ compiler (on Debian: sudo apt-get install g++)".to_owned()))
}

/// Installs what the lab makes networks with on Debian as root; elsewhere says what to install.
pub(crate) fn network_tools() -> Outcome {
    if !is_root() {
        return Err("the lab makes network namespaces, for which it must be root".to_owned());
    }
    // `ip` has no --version, and `nft` may be out of the path of people.
    if has_word("ip", "-V") && has("nft") && has("conntrack") && has_word("ping", "-V") {
        return Ok(());
    }
    install(&["iproute2", "nftables", "conntrack", "iputils-ping"]).unwrap_or_else(|| {
        Err("the lab needs the programs ip, nft, conntrack and ping (on Debian: sudo apt-get install iproute2 nftables \
             conntrack iputils-ping)"
            .to_owned())
    })
}

/// Installs what servers are measured with, and Janus to measure beside ours, on Debian as root. What is missing elsewhere
/// is left out.
pub(crate) fn bench() -> Outcome {
    if is_root() && !(has_word("ip", "-V") && has_word("janus", "--help")) {
        return install(&["iproute2", "janus"]).unwrap_or(Ok(()));
    }
    Ok(())
}

/// Installs Pebble, a small authority for certificates, on Debian as root; elsewhere says what to install.
pub(crate) fn pebble() -> Outcome {
    // Neither has --version.
    if has_word("pebble", "-h") && has_word("pebble-challtestsrv", "-h") {
        return Ok(());
    }
    install(&["pebble"]).unwrap_or_else(|| {
        Err("fetching certificates is tested with the programs pebble and pebble-challtestsrv (on Debian: sudo apt-get \
             install pebble)"
            .to_owned())
    })
}

/// Installs valgrind on Debian as root; elsewhere says what to install.
pub(crate) fn valgrind() -> Outcome {
    if has("valgrind") {
        return Ok(());
    }
    install(&["valgrind"]).unwrap_or_else(|| {
        Err("counting instructions needs valgrind (on Debian: sudo apt-get install valgrind)".to_owned())
    })
}

/// Installs what Python makes environments with on Debian as root; elsewhere says what to install.
pub(crate) fn python() -> Outcome {
    if Command::new("python3").args(["-c", "import ensurepip, venv"]).output().is_ok_and(|o| o.status.success()) {
        return Ok(());
    }
    install(&["python3-venv"]).unwrap_or_else(|| {
        Err("the API's test needs Python 3.10 or newer with venv (on Debian: sudo apt-get install python3-venv)"
            .to_owned())
    })
}

/// Whether this is root.
pub(crate) fn is_root() -> bool {
    output(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0")
}

fn has_word(program: &str, version: &str) -> bool {
    Command::new(program).arg(version).output().is_ok_and(|output| output.status.success())
}

/// Installs packages; `None` where that cannot be done.
fn install(packages: &[&str]) -> Option<Outcome> {
    let debian = Path::new("/etc/debian_version").exists() && has("apt-get");
    if !debian || !is_root() {
        return None;
    }
    heading(&format!("installing {}", packages.join(", ")));
    let mut install = Command::new("apt-get");
    install.env("DEBIAN_FRONTEND", "noninteractive").args(["install", "-y", "-qq", "--no-install-recommends"]);
    Some(finish(Command::new("apt-get").args(["update", "-qq"])).and_then(|()| finish(install.args(packages))))
}
