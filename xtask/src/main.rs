//! The repository's own commands: `cargo xtask run`, `test`, `check`, `build`, and more.

mod bench;
mod contract;
mod cost;
mod fuzz;
mod lab;
mod mutations;
mod needs;
mod shell;
mod walls;
mod web;

use std::process::ExitCode;

use shell::{Outcome, cargo, heading, root};

const HELP: &str = "\
cargo xtask COMMAND

  run [--release] [ARGUMENT …]   build client and server, and start a demo clinic on http://localhost:8080
                                 (arguments go to `bedside serve`: --tls self-signed tries a phone)
  test [rust | acme | web | browser | cometchat | lab]
                                 install what the tests need, and run them: all, or one ring
  test api                       the API against its own description, with Schemathesis, which is installed with pip
  test fuzz                      build the fuzz targets and replay their corpora (a part of `test rust`)
  test cost                      instructions that forwarding a packet takes, against the agreed number, with valgrind
  test bench                     two visits in the benchmark of media, for two seconds (a part of `test rust`)
  fuzz TARGET|all [--minutes N]  look for inputs that break something: docs/fuzzing.md
  mutate-permissions             break the gate in many places, and see that the tests notice each
  check                          formatting, lints, type check, documentation, and the walls between crates
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
    let outcome = match arguments.split_first().map(|(command, rest)| (command.as_str(), rest)) {
        Some(("run", rest)) => run(rest),
        Some(("test", [])) => {
            let rings = [test_rust, test_acme, test_web, test_browser, test_cometchat, test_lab];
            rings.into_iter().try_for_each(|ring| ring())
        }
        Some(("test", [ring])) => match ring.as_str() {
            "rust" => test_rust(),
            "acme" => test_acme(),
            "web" => test_web(),
            "browser" => test_browser(),
            "cometchat" => test_cometchat(),
            "api" => contract::test(),
            "fuzz" => fuzz::replay(),
            "bench" => bench::test(),
            "cost" => cost::test(),
            "lab" => test_lab(),
            other => Err(format!(
                "there is no ring {other:?}: say rust, acme, web, browser, cometchat, lab, api, fuzz, bench or cost"
            )),
        },
        Some(("fuzz", rest)) => fuzz::run(rest),
        Some(("mutate-permissions", [])) => mutations::run(),
        Some(("check", [])) => check(),
        Some(("shots", [folder])) => shots(folder),
        Some(("measure", [])) => measure(),
        Some(("bench", [what, rest @ ..])) if what == "media" => bench::run(rest),
        Some(("lab", rest)) => lab::run(rest),
        Some(("build", rest)) => {
            let asked = |wanted: &str| rest.iter().any(|argument| argument == wanted);
            build(asked("--release"), asked("--cometchat"))
        }
        _ => Err(HELP.to_owned()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            shell::complain(&fault);
            ExitCode::FAILURE
        }
    }
}

fn build(release: bool, cometchat: bool) -> Outcome {
    web::build_with(cometchat)?;
    heading("building the server");
    cargo(&with_profile(&["build", "--package", "bedside-server"], release))
}

fn run(arguments: &[String]) -> Outcome {
    let release = arguments.iter().any(|argument| argument == "--release");
    build(release, false)?;
    let mut command = with_profile(&["run", "--quiet", "--package", "bedside-server"], release);
    command.extend(["--", "serve", "--demo"]);
    command.extend(arguments.iter().map(String::as_str).filter(|argument| *argument != "--release"));
    cargo(&command)
}

fn test_rust() -> Outcome {
    web::build()?;
    heading("Rust: machines, store, server");
    // The browser journeys are marked `ignore`: they are the third ring.
    cargo(&["test", "--workspace", "--exclude", "bedside-fuzz"])?;
    fuzz::replay()?;
    bench::test()?;
    heading("Rust: the server's time-outs, waited for in earnest");
    cargo(&["test", "--package", "bedside-server", "--test", "it", "--", "--ignored", "--skip", "acme::"])
}

fn test_acme() -> Outcome {
    needs::pebble()?;
    heading("Certificates of a real authority");
    cargo(&["test", "--package", "bedside-server", "--test", "it", "--", "--ignored", "acme::"])
}

fn test_web() -> Outcome {
    web::build()?;
    heading("TypeScript");
    web::npm(&["run", "check"])?;
    web::npm(&["test"])
}

fn test_browser() -> Outcome {
    needs::chromium()?;
    web::build()?;
    heading("Browsers: whole journeys");
    cargo(&[&BROWSER[..], &["--skip", "cometchat"]].concat())
}

/// The same journeys over CometChat's own SDKs. What was built with them is not left behind.
fn test_cometchat() -> Outcome {
    needs::chromium()?;
    if let Err(fault) = web::build_with(true) {
        heading("SKIPPED: the journeys over CometChat. Its SDKs cannot be had here");
        shell::complain(&fault);
        return web::build();
    }
    heading("Browsers: the same journeys over CometChat's own SDKs");
    let tested = web::npm(&["run", "check:cometchat"]).and_then(|()| cargo(&[&BROWSER[..], &["cometchat"]].concat()));
    tested.and(web::build())
}

/// Whole journeys are marked `ignore`, and go one after the other.
const BROWSER: [&str; 8] =
    ["test", "--package", "bedside-server", "--test", "browser", "--", "--ignored", "--test-threads=1"];

fn test_lab() -> Outcome {
    heading("The lab: what bad networks do to a visit");
    lab::test()
}

fn shots(folder: &str) -> Outcome {
    needs::chromium()?;
    web::build()?;
    std::fs::create_dir_all(folder).map_err(|error| format!("{folder}: {error}"))?;
    let folder = std::path::absolute(folder).map_err(|error| format!("{folder}: {error}"))?;
    let shots = [("BEDSIDE_SHOTS", &*folder.to_string_lossy())];
    let only = ["--", "--ignored", "--test-threads=1", "gallery::", "ways_in::", "--skip", "cometchat"];
    shell::cargo_with(&shots, &[&["test", "--package", "bedside-server", "--test", "browser"], &only[..]].concat())
}

fn measure() -> Outcome {
    needs::chromium()?;
    web::build()?;
    heading("measuring");
    let only = ["--", "--ignored", "--test-threads=1", "--nocapture"];
    cargo(&[&["test", "--release", "--package", "bedside-server", "--test", "measure"], &only[..]].concat())
}

fn check() -> Outcome {
    heading("formatting");
    cargo(&["fmt", "--all", "--check"])?;
    heading("lints");
    cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"])?;
    heading("TypeScript's type check");
    web::install()?;
    web::npm(&["run", "check"])?;
    heading("documentation");
    shell::cargo_with(
        &[("RUSTDOCFLAGS", "-D warnings")],
        &["doc", "--workspace", "--no-deps", "--document-private-items"],
    )?;
    heading("walls");
    walls::check(&root())
}

fn with_profile<'a>(command: &[&'a str], release: bool) -> Vec<&'a str> {
    let mut command = command.to_vec();
    if release {
        command.push("--release");
    }
    command
}
