//! Programs required by the tests. Installed on Debian as root; elsewhere the error says what to install.

use std::path::Path;
use std::process::Command;

use crate::shell::{Outcome, has, output, quietly};
use crate::terminal::heading;

/// A program and its Debian packages.
pub(crate) struct Need {
    program: &'static str,
    /// An argument with which the program succeeds without side effects.
    probe: &'static str,
    /// An environment variable that may select another program.
    variable: Option<&'static str>,
    packages: &'static [&'static str],
    /// Whether tests work without it where it cannot be installed.
    is_optional: bool,
}

const CHROMIUM: Need = Need {
    program: "chromium",
    probe: "--version",
    variable: Some("CHROMIUM"),
    // Fonts for the scripts that pages are tested with.
    packages: &["chromium", "fonts-dejavu-core", "fonts-noto-core"],
    is_optional: false,
};
const HEADLESS_SHELL: Need = Need {
    program: "chromium-headless-shell",
    probe: "--version",
    variable: Some("CHROMIUM_HEADLESS_SHELL"),
    packages: &["chromium-headless-shell"],
    // The full browser works as well, but is slower.
    is_optional: true,
};
const CPP: Need =
    Need { program: "c++", probe: "--version", variable: Some("CXX"), packages: &["g++"], is_optional: false };
const PEBBLE: Need = Need::new("pebble", "-h", &["pebble"]);
const RESOLVER: Need = Need::new("pebble-challtestsrv", "-h", &["pebble"]);
const IP: Need = Need::new("ip", "-V", &["iproute2"]);
const NFT: Need = Need::new("nft", "--version", &["nftables"]);
const CONNTRACK: Need = Need::new("conntrack", "--version", &["conntrack"]);
const PING: Need = Need::new("ping", "-V", &["iputils-ping"]);
const JANUS: Need = Need::new("janus", "--help", &["janus"]);
const VALGRIND: Need = Need::new("valgrind", "--version", &["valgrind"]);

/// For the browser tests.
pub(crate) const BROWSER: &[Need] = &[CHROMIUM, HEADLESS_SHELL];
/// For the fuzz targets.
pub(crate) const FUZZ: &[Need] = &[CPP];
/// For tests with an ACME certificate authority.
pub(crate) const ACME: &[Need] = &[PEBBLE, RESOLVER];
/// For the network impairment lab.
pub(crate) const LAB: &[Need] = &[CHROMIUM, IP, NFT, CONNTRACK, PING];
/// For the media benchmark with Janus.
pub(crate) const BENCH: &[Need] = &[IP, JANUS];
/// For counting instructions.
pub(crate) const COST: &[Need] = &[VALGRIND];

impl Need {
    const fn new(program: &'static str, probe: &'static str, packages: &'static [&'static str]) -> Self {
        Self { program, probe, variable: None, packages, is_optional: false }
    }

    fn is_met(&self) -> bool {
        self.variable.is_some_and(|variable| std::env::var_os(variable).is_some())
            || Command::new(self.program).arg(self.probe).output().is_ok_and(|output| output.status.success())
    }
}

/// Installs missing programs with one call of the package manager.
pub(crate) fn install(needs: &[Need]) -> Outcome {
    let can_install = can_install();
    let is_missing = |need: &&Need| (can_install || !need.is_optional) && !need.is_met();
    let missing: Vec<&Need> = needs.iter().filter(is_missing).collect();
    let mut packages: Vec<&str> = missing.iter().flat_map(|need| need.packages).copied().collect();
    packages.sort_unstable();
    packages.dedup();
    if packages.is_empty() {
        return Ok(());
    }
    apt(&packages).unwrap_or_else(|| {
        let programs = missing.iter().map(|need| need.program).collect::<Vec<_>>().join(", ");
        Err(format!("missing programs: {programs} (on Debian: sudo apt-get install {})", packages.join(" ")))
    })
}

/// Installs the benchmark's programs where possible. Missing servers are skipped elsewhere.
pub(crate) fn bench() -> Outcome {
    if can_install() { install(BENCH) } else { Ok(()) }
}

/// Installs the Python modules required for virtual environments.
pub(crate) fn python() -> Outcome {
    if Command::new("python3").args(["-c", "import ensurepip, venv"]).output().is_ok_and(|o| o.status.success()) {
        return Ok(());
    }
    apt(&["python3-venv"]).unwrap_or_else(|| {
        Err("Python 3.10 or newer with venv is missing (on Debian: sudo apt-get install python3-venv)".to_owned())
    })
}

/// Returns whether this process runs as root.
pub(crate) fn is_root() -> bool {
    output(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0")
}

fn can_install() -> bool {
    Path::new("/etc/debian_version").exists() && has("apt-get") && is_root()
}

/// Installs packages; `None` if that is not possible here.
fn apt(packages: &[&str]) -> Option<Outcome> {
    if !can_install() {
        return None;
    }
    heading(&format!("installing {} (about a minute)", packages.join(", ")));
    let mut install = Command::new("apt-get");
    install.env("DEBIAN_FRONTEND", "noninteractive").args(["install", "-y", "-qq", "--no-install-recommends"]);
    Some(quietly(Command::new("apt-get").args(["update", "-qq"])).and_then(|()| quietly(install.args(packages))))
}
