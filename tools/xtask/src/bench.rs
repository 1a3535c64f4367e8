//! The media benchmark: runs `tools/bench` against a release build.

use std::process::Command;

use crate::shell::{Outcome, built, cargo, finish, root};
use crate::terminal::heading;
use crate::{needs, web};

/// Runs the benchmark, prints the results and writes target/bench-media.json. With `--write-docs`, also writes a chart
/// and the table in docs/performance.md.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    needs::bench()?;
    web::build()?;
    heading("building the server and the benchmark");
    // Built separately: together they would share features, and the server would differ from a normal build.
    cargo(&["build", "--release", "--package", "bedside-server"])?;
    cargo(&["build", "--release", "--package", "bedside-bench"])?;
    heading("running the media benchmark");
    let (flags, options): (Vec<&String>, Vec<&String>) = arguments.iter().partition(|word| *word == "--write-docs");
    let built = built()?;
    let mut command = Command::new(built.join("release/bedside-bench"));
    command.current_dir(root()).args(&options).env("XTASK_COMMAND", said(arguments));
    command.arg("--json").arg(built.join("bench-media.json"));
    if !flags.is_empty() {
        command.args(["--chart", "docs/images/bench-media.svg", "--document", "docs/performance.md"]);
    }
    finish(&mut command)
}

/// Checks that the benchmark works: two visits with media for two seconds, without performance targets.
pub(crate) fn test() -> Outcome {
    cargo(&["build", "--workspace", "--bin", "bedside", "--bin", "bedside-bench"])?;
    let short = ["--only", "bedside", "--visits", "2", "--seconds", "2", "--warm-up", "0", "--repetitions", "1"];
    finish(Command::new(built()?.join("debug/bedside-bench")).arg("--no-namespace").args(short))
}

fn said(arguments: &[String]) -> String {
    ["cargo", "xtask", "bench", "media"]
        .into_iter()
        .chain(arguments.iter().map(String::as_str))
        .collect::<Vec<_>>()
        .join(" ")
}
