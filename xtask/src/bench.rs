//! The benchmark of media: `crates/bench` against a release build.

use std::process::Command;

use crate::shell::{Outcome, built, cargo, finish, heading, root};
use crate::{needs, web};

/// Measures, prints, and leaves target/bench-media.json; with `--write-docs` also a chart and the table in a document.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    needs::bench()?;
    web::build()?;
    heading("building the server and the benchmark");
    // One after the other: together they would share features, and the server would be another than the one people run.
    cargo(&["build", "--release", "--package", "bedside-server"])?;
    cargo(&["build", "--release", "--package", "bedside-bench"])?;
    heading("the benchmark of media");
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

/// That it works: two visits whose people hear each other for two seconds. Nothing is asserted of how fast.
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
