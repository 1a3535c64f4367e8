//! Running programs.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Done, or a sentence.
pub(crate) type Outcome = Result<(), String>;

/// The repository's folder.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

/// Runs the `cargo` on the path, not the one that runs us: a toolchain file then holds for it too.
pub(crate) fn cargo(arguments: &[&str]) -> Outcome {
    cargo_with(&[], arguments)
}

/// The same, with environment variables.
pub(crate) fn cargo_with(environment: &[(&str, &str)], arguments: &[&str]) -> Outcome {
    let mut command = Command::new("cargo");
    command.current_dir(root()).args(arguments).envs(environment.iter().copied());
    finish(&mut command)
}

/// Runs to the end; a failure names the command.
pub(crate) fn finish(command: &mut Command) -> Outcome {
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{} ended with {status}", describe(command))),
        Err(error) => Err(format!("{} does not run: {error}", describe(command))),
    }
}

/// What a program prints.
pub(crate) fn output(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|error| format!("{} does not run: {error}", describe(command)))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(format!("{} ended with {}:\n{}", describe(command), output.status, String::from_utf8_lossy(&output.stderr)))
    }
}

/// Whether a program is on the path.
pub(crate) fn has(program: impl AsRef<OsStr>) -> bool {
    Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success())
}

/// A command, as one would type it.
pub(crate) fn describe(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
}

#[expect(clippy::print_stderr, reason = "the developer's terminal")]
pub(crate) fn heading(text: &str) {
    eprintln!("\n== {text}");
}

#[expect(clippy::print_stderr, reason = "the developer's terminal")]
pub(crate) fn complain(text: &str) {
    eprintln!("xtask: {text}");
}
