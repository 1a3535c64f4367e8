//! Runs programs.

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::timing;

/// Success, or an error message.
pub(crate) type Outcome = Result<(), String>;

/// Returns the repository's root folder.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_owned()
}

/// Runs the `cargo` found in the path, not the one that runs this program, so that a toolchain file applies.
pub(crate) fn cargo(arguments: &[&str]) -> Outcome {
    cargo_with(&[], arguments)
}

/// Runs `cargo` with environment variables.
pub(crate) fn cargo_with(environment: &[(&str, &str)], arguments: &[&str]) -> Outcome {
    let mut command = Command::new("cargo");
    command.current_dir(root()).args(arguments).envs(environment.iter().copied());
    finish(&mut command)
}

/// Runs `cargo test` with these arguments (those after `--` go to the test harness) and records the duration of each
/// test. The harness reports durations only on a nightly toolchain, or one that claims to be.
pub(crate) fn cargo_test(environment: &[(&str, &str)], arguments: &[&str]) -> Outcome {
    let split = arguments.iter().position(|argument| *argument == "--").unwrap_or(arguments.len());
    let (own, harness) = arguments.split_at(split);
    let mut command = Command::new("cargo");
    command.current_dir(root()).arg("test").args(own).arg("--").args(harness.get(1..).unwrap_or_default());
    command.args(["-Zunstable-options", "--report-time"]).envs(environment.iter().copied());
    command.env(runner_variable()?, "env RUSTC_BOOTSTRAP=1").stdout(Stdio::piped());
    let described = describe(&command);
    let fault = |error| format!("{described} could not be run: {error}");
    let mut child = command.spawn().map_err(fault)?;
    for line in child.stdout.take().into_iter().flat_map(|pipe| BufReader::new(pipe).lines()) {
        let line = line.map_err(fault)?;
        print(&line);
        timing::note(&line);
    }
    let status = child.wait().map_err(fault)?;
    if status.success() { Ok(()) } else { Err(format!("{described} ended with {status}")) }
}

/// Returns the name of the variable that selects the program with which cargo runs binaries.
pub(crate) fn runner_variable() -> Result<String, String> {
    let target = output(Command::new("rustc").args(["--print", "host-tuple"]))?;
    Ok(format!("CARGO_TARGET_{}_RUNNER", target.trim().to_uppercase().replace(['-', '.'], "_")))
}

/// Returns the target folder, where cargo puts this program and the others.
pub(crate) fn built() -> Result<PathBuf, String> {
    let own = std::env::current_exe().map_err(|error| format!("the path of this executable: {error}"))?;
    let folder = own.parent().and_then(Path::parent).ok_or("this executable has no parent folder")?;
    Ok(folder.to_owned())
}

/// Runs a command to completion. An error names the command.
pub(crate) fn finish(command: &mut Command) -> Outcome {
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{} ended with {status}", describe(command))),
        Err(error) => Err(format!("{} could not be run: {error}", describe(command))),
    }
}

/// Returns a program's output.
pub(crate) fn output(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|error| format!("{} could not be run: {error}", describe(command)))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(format!("{} ended with {}:\n{}", describe(command), output.status, String::from_utf8_lossy(&output.stderr)))
    }
}

/// Returns whether a program is in the path.
pub(crate) fn has(program: impl AsRef<OsStr>) -> bool {
    Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success())
}

/// Formats a command as typed in a shell.
pub(crate) fn describe(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
}

/// Runs a command to completion and shows its output only if it fails.
pub(crate) fn quietly(command: &mut Command) -> Outcome {
    let output = command.output().map_err(|error| format!("{} could not be run: {error}", describe(command)))?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    Err(format!("{} ended with {}:\n{said}", describe(command), output.status))
}

#[expect(clippy::print_stdout, reason = "the developer's terminal")]
fn print(line: &str) {
    println!("{line}");
}
