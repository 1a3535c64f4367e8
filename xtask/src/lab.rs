//! The lab: bad networks on one machine, and what they do to a visit.

use std::path::Path;
use std::process::Command;

use crate::shell::{Outcome, cargo, complain, describe, heading, root};
use crate::{needs, web};

/// What the lab's program ends with where it cannot be.
const SKIPPED: i32 = 77;

/// The whole table, or what the arguments say.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    if arguments.iter().any(|argument| argument == "--list") {
        return cargo(&["run", "--quiet", "--package", "bedside-lab", "--", "--list"]);
    }
    prepare(&["--release"])?;
    heading("the lab");
    match start("release", &arguments.iter().map(String::as_str).collect::<Vec<_>>())? {
        Ending::Done => Ok(()),
        Ending::Skipped => Err("there can be no lab on this machine".to_owned()),
    }
}

/// Its network, and its short form: two trials of each quick fault. Where there can be no lab it says so, and passes.
pub(crate) fn test() -> Outcome {
    if !needs::is_root() {
        return skipped("this is not root");
    }
    // No figure is asserted, so that the program need not be fast.
    prepare(&[])?;
    match start("debug", &["--short"])? {
        Ending::Done => cargo(&["test", "--package", "bedside-lab", "--", "--ignored"]),
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

/// Programs it needs, and the server.
fn prepare(profile: &[&str]) -> Outcome {
    needs::network_tools()?;
    needs::chromium()?;
    web::build()?;
    heading("building the server and the lab");
    cargo(&["build", "--package", "bedside-lab"])?;
    cargo(&[&["build", "--package", "bedside-server"], profile].concat())
}

enum Ending {
    Done,
    Skipped,
}

/// Runs the lab on the server of this profile. Programs are where cargo has put this one, wherever that is.
fn start(profile: &str, arguments: &[&str]) -> Result<Ending, String> {
    let own = std::env::current_exe().map_err(|error| format!("this program's own place: {error}"))?;
    let built = own.parent().and_then(Path::parent).ok_or("this program has no folder")?;
    let mut command = Command::new(built.join("debug/bedside-lab"));
    command.current_dir(root()).env("BEDSIDE", built.join(profile).join("bedside")).args(arguments);
    let status = command.status().map_err(|error| format!("{} does not run: {error}", describe(&command)))?;
    match status.code() {
        Some(0) => Ok(Ending::Done),
        Some(SKIPPED) => Ok(Ending::Skipped),
        _ => Err(format!("the lab ended with {status}")),
    }
}
