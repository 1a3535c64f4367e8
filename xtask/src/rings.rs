//! The rings of tests. Each can be run alone.

use std::path::Path;

use crate::fuzz::ENGINE;
use crate::shell::{self, Outcome, cargo, cargo_test, complain, heading};
use crate::timing::stage;
use crate::{bench, contract, cost, fuzz, lab, needs, web};

/// All tests of all packages, with the same features in every call: cargo then compiles each dependency once. Not
/// `--all-targets`, which would run the fuzz targets as tests: they never end.
const EVERYTHING: [&str; 4] = ["--workspace", "--features", ENGINE, "--tests"];

/// Whole journeys are marked `ignore`. Two at a time: a journey often waits.
const BROWSER: [&str; 5] = ["--workspace", "--test", "browser", "--", "--ignored"];

/// All rings, or the one with this name.
pub(crate) fn run(ring: Option<&str>) -> Outcome {
    match ring {
        None => all(),
        Some("rust") => rust(),
        Some("acme") => acme(),
        Some("web") => web(),
        Some("browser") => browser(),
        Some("cometchat") => cometchat(),
        Some("lab") => stage("bad networks, in short (about 4 min)", lab::test),
        Some("api") => api(),
        Some("fuzz") => fuzz::replay(),
        Some("bench") => stage("the benchmark of media, in short", bench::test),
        Some("cost") => cost(),
        Some(other) => Err(format!(
            "there is no ring {other:?}: say rust, acme, web, browser, cometchat, lab, api, fuzz, bench or cost"
        )),
    }
}

fn all() -> Outcome {
    stage("installing what the tests need", || {
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

/// The API against its own description.
pub(crate) fn api() -> Outcome {
    stage("the API against its own description (about 2 min)", contract::test)
}

/// Instructions a forwarded packet.
pub(crate) fn cost() -> Outcome {
    stage("instructions a forwarded packet (about 5 min the first time)", cost::test)
}

fn rust() -> Outcome {
    needs::install(needs::FUZZ)?;
    stage("building the browser client", web::build)?;
    stage("building the server and its tests (about 7 min the first time)", || {
        cargo(&[&["test", "--no-run"], &EVERYTHING[..]].concat())
    })?;
    // The browser journeys are marked `ignore`: they are a ring of their own.
    stage("Rust: machines, store, server, fuzz corpora", || {
        cargo_test(&[], &EVERYTHING)?;
        cargo(&["test", "--workspace", "--features", ENGINE, "--doc"])
    })?;
    run(Some("bench"))
}

fn acme() -> Outcome {
    needs::install(needs::ACME)?;
    stage("certificates of a real authority", || {
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
    stage("browsers: whole journeys (about 7 min)", || {
        cargo_test(&[], &[&BROWSER[..], &["--test-threads=2", "--skip", "cometchat"]].concat())
    })
}

/// The same journeys over CometChat's own SDKs. What was built with them is not left behind.
fn cometchat() -> Outcome {
    needs::install(needs::BROWSER)?;
    if let Err(fault) = web::build_with(true) {
        heading("SKIPPED: the journeys over CometChat. Its SDKs cannot be had here");
        complain(&fault);
        return web::build();
    }
    let tested = stage("browsers: the same journeys over CometChat's own SDKs (about 2 min)", || {
        web::quietly(&["run", "check:cometchat"])?;
        cargo_test(&[], &[&BROWSER[..], &["--test-threads=2", "cometchat"]].concat())
    });
    tested.and(web::build())
}

/// Pictures of every page and state, into a folder.
pub(crate) fn shots(folder: &str) -> Outcome {
    needs::install(needs::BROWSER)?;
    web::build()?;
    std::fs::create_dir_all(folder).map_err(|error| format!("{folder}: {error}"))?;
    let folder = std::path::absolute(Path::new(folder)).map_err(|error| format!("{folder}: {error}"))?;
    let shots = [("BEDSIDE_SHOTS", &*folder.to_string_lossy())];
    shell::cargo_test(&shots, &[&BROWSER[..], &["gallery::", "ways_in::", "--skip", "cometchat"]].concat())
}

/// The figures of docs/performance.md, in release.
pub(crate) fn measure() -> Outcome {
    needs::install(needs::BROWSER)?;
    web::build()?;
    heading("measuring");
    let only = ["--", "--ignored", "--test-threads=1", "--nocapture"];
    cargo(&[&["test", "--release", "--package", "bedside-server", "--test", "measure"], &only[..]].concat())
}

/// Two rings side by side. The first one's output comes only if it fails.
fn beside(one: impl FnOnce() -> Outcome + Send, other: impl FnOnce() -> Outcome) -> Outcome {
    std::thread::scope(|scope| {
        let one = scope.spawn(one);
        let other = other();
        one.join().map_err(|_| "a ring ended with a panic".to_owned())?.and(other)
    })
}
