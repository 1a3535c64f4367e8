//! Test rings. Each can be run alone.

use std::path::Path;

use crate::fuzz::ENGINE;
use crate::shell::{self, Outcome, cargo, cargo_test};
use crate::terminal::{complain, heading};
use crate::timing::stage;
use crate::{bench, contract, cost, fuzz, lab, needs, web};

/// All tests of all packages, with the same features in every call, so that cargo compiles each dependency once. Not
/// `--all-targets`, which would run the fuzz targets as tests, and those never end.
const EVERYTHING: [&str; 4] = ["--workspace", "--features", ENGINE, "--tests"];

/// Browser tests are marked `ignore`. Two run at a time, because they often wait.
const BROWSER: [&str; 5] = ["--workspace", "--test", "browser", "--", "--ignored"];

/// Runs all rings, or one by name.
pub(crate) fn run(ring: Option<&str>) -> Outcome {
    match ring {
        None => all(),
        Some("rust") => rust(),
        Some("acme") => acme(),
        Some("web") => web(),
        Some("browser") => browser(),
        Some("cometchat") => cometchat(),
        Some("lab") => stage("network impairment lab, short run (about 4 min)", lab::test),
        Some("api") => api(),
        Some("fuzz") => fuzz::replay(),
        Some("bench") => stage("media benchmark, short run", bench::test),
        Some("cost") => cost(),
        Some(other) => Err(format!(
            "unknown ring {other:?}: use rust, acme, web, browser, cometchat, lab, api, fuzz, bench or cost"
        )),
    }
}

fn all() -> Outcome {
    stage("installing test requirements", || {
        needs::install(needs::BROWSER)?;
        needs::install(needs::FUZZ)?;
        needs::install(needs::ACME)?;
        web::install()
    })?;
    rust()?;
    // Pebble's tests mostly wait.
    beside(web, acme)?;
    browser()?;
    cometchat()?;
    run(Some("lab"))
}

/// Tests the API against its OpenAPI description.
pub(crate) fn api() -> Outcome {
    stage("the API against its OpenAPI description (about 2 min)", contract::test)
}

/// Counts instructions per forwarded packet.
pub(crate) fn cost() -> Outcome {
    stage("instructions per forwarded packet (about 5 min the first time)", cost::test)
}

fn rust() -> Outcome {
    needs::install(needs::FUZZ)?;
    stage("building the browser client", web::build)?;
    stage("building the server and its tests (about 7 min the first time)", || {
        cargo(&[&["test", "--no-run"], &EVERYTHING[..]].concat())
    })?;
    // The browser tests are marked `ignore`; they are a separate ring.
    stage("Rust: machines, store, server, fuzz corpora", || {
        cargo_test(&[], &EVERYTHING)?;
        cargo(&["test", "--workspace", "--features", ENGINE, "--doc"])
    })?;
    run(Some("bench"))
}

fn acme() -> Outcome {
    needs::install(needs::ACME)?;
    stage("certificates from an ACME authority", || {
        cargo_test(&[], &["--workspace", "--test", "it", "--", "--ignored", "acme::"])
    })
}

fn web() -> Outcome {
    web::install()?;
    stage("TypeScript: types and tests", || {
        web::quietly(&["run", "check"])?;
        web::quietly(&["test"])
    })
}

fn browser() -> Outcome {
    needs::install(needs::BROWSER)?;
    web::build()?;
    stage("browser tests (about 7 min)", || {
        cargo_test(&[], &[&BROWSER[..], &["--test-threads=2", "--skip", "cometchat"]].concat())
    })
}

/// Runs the browser tests with CometChat's own SDKs, and removes the build that contains them.
fn cometchat() -> Outcome {
    needs::install(needs::BROWSER)?;
    if let Err(fault) = web::build_with(true) {
        heading("SKIPPED: browser tests with CometChat, because its SDKs could not be installed");
        complain(&fault);
        return web::build();
    }
    let tested = stage("browser tests with CometChat's own SDKs (about 2 min)", || {
        web::quietly(&["run", "check:cometchat"])?;
        cargo_test(&[], &[&BROWSER[..], &["--test-threads=2", "cometchat"]].concat())
    });
    tested.and(web::build())
}

/// Saves screenshots of every page and state to a folder.
pub(crate) fn shots(folder: &str) -> Outcome {
    needs::install(needs::BROWSER)?;
    web::build()?;
    std::fs::create_dir_all(folder).map_err(|error| format!("{folder}: {error}"))?;
    let folder = std::path::absolute(Path::new(folder)).map_err(|error| format!("{folder}: {error}"))?;
    let shots = [("BEDSIDE_SHOTS", &*folder.to_string_lossy())];
    shell::cargo_test(&shots, &[&BROWSER[..], &["gallery::", "ways_in::", "--skip", "cometchat"]].concat())
}

/// Measures the figures of docs/performance.md in a release build.
pub(crate) fn measure() -> Outcome {
    needs::install(needs::BROWSER)?;
    web::build()?;
    heading("measuring");
    let only = ["--", "--ignored", "--test-threads=1", "--nocapture"];
    cargo(&[&["test", "--release", "--package", "bedside-server", "--test", "measure"], &only[..]].concat())
}

/// Runs two rings in parallel. The output of the first is shown only if it fails.
fn beside(one: impl FnOnce() -> Outcome + Send, other: impl FnOnce() -> Outcome) -> Outcome {
    std::thread::scope(|scope| {
        let one = scope.spawn(one);
        let other = other();
        one.join().map_err(|_| "a ring panicked".to_owned())?.and(other)
    })
}
