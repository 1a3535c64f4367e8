//! The network impairment lab.

use std::process::Command;

use crate::shell::{Outcome, built, cargo, cargo_test, describe, finish, has, root};
use crate::terminal::{complain, heading};
use crate::{needs, web};

/// The lab's exit code if it cannot run on this machine.
const SKIPPED: i32 = 77;

/// Chromium without a window system.
const SHELL: &str = "chromium-headless-shell";

/// Runs the whole table, or what the arguments select.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    if arguments.iter().any(|argument| argument == "--list") {
        cargo(&["build", "--workspace", "--bin", "bedside-lab"])?;
        return finish(Command::new(built()?.join("debug/bedside-lab")).arg("--list"));
    }
    needs::install(needs::LAB)?;
    web::build()?;
    heading("building the server and the lab");
    cargo(&["build", "--workspace", "--bin", "bedside-lab"])?;
    cargo(&["build", "--release", "--package", "bedside-server"])?;
    heading("the lab");
    match start("release", None, &arguments.iter().map(String::as_str).collect::<Vec<_>>())? {
        Ending::Done => Ok(()),
        Ending::Skipped => Err("the lab cannot run on this machine".to_owned()),
    }
}

/// Tests the lab's network and runs its short form: two trials of each quick fault. Skipped if the lab cannot run.
pub(crate) fn test() -> Outcome {
    if !needs::is_root() {
        return skipped("root is required");
    }
    needs::install(needs::LAB)?;
    web::build()?;
    // No targets are checked, so a debug build is enough.
    cargo(&["build", "--workspace", "--bin", "bedside", "--bin", "bedside-lab"])?;
    // Connections behave the same in the headless shell, where pages use less CPU time.
    let shell = (has(SHELL) && std::env::var_os("CHROMIUM").is_none()).then_some(("CHROMIUM", SHELL));
    match start("debug", shell, &["--short"])? {
        Ending::Done => cargo_test(&[], &["--workspace", "--bin", "bedside-lab", "--", "--ignored"]),
        Ending::Skipped => skipped("see above"),
    }
}

fn skipped(reason: &str) -> Outcome {
    complain(&format!(
        "{0}\nTHE LAB WAS SKIPPED: nothing was tested on a bad network. It needs Linux, root, network namespaces and \
         /dev/net/tun.\n{reason}\n{0}",
        "!".repeat(100)
    ));
    Ok(())
}

enum Ending {
    Done,
    Skipped,
}

/// Runs the lab with the server of this build profile.
fn start(profile: &str, environment: Option<(&str, &str)>, arguments: &[&str]) -> Result<Ending, String> {
    let built = built()?;
    let mut command = Command::new(built.join("debug/bedside-lab"));
    command.current_dir(root()).env("BEDSIDE", built.join(profile).join("bedside")).args(arguments).envs(environment);
    let status = command.status().map_err(|error| format!("{} could not be run: {error}", describe(&command)))?;
    match status.code() {
        Some(0) => Ok(Ending::Done),
        Some(SKIPPED) => Ok(Ending::Skipped),
        _ => Err(format!("the lab ended with {status}")),
    }
}
