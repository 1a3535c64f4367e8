//! The API against its own description, with Schemathesis.

use std::path::PathBuf;
use std::process::Command;

use crate::needs;
use crate::shell::{Outcome, cargo_with, finish, heading, output, root};

/// Pinned: another version finds other things.
const VERSION: &str = "4.32.5";

/// Installs Schemathesis below `target`, and lets it make requests as each kind of caller: about a minute and a half.
pub(crate) fn test() -> Outcome {
    let program = schemathesis()?;
    heading("the API against its own description");
    let test = ["test", "--package", "bedside-server", "--test", "contract", "--", "--ignored"];
    cargo_with(&[("SCHEMATHESIS", &*program.to_string_lossy())], &test)
}

fn schemathesis() -> Result<PathBuf, String> {
    let folder = root().join("target/schemathesis");
    let program = folder.join("bin/st");
    let version = output(Command::new(&program).arg("--version")).unwrap_or_default();
    if version.contains(VERSION) {
        return Ok(program);
    }
    needs::python()?;
    heading("installing Schemathesis");
    let make = || {
        finish(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder))?;
        let package = format!("schemathesis=={VERSION}");
        finish(Command::new(folder.join("bin/pip")).args([
            "install",
            "--quiet",
            "--disable-pip-version-check",
            &package,
        ]))
    };
    make().map_err(|fault| {
        format!("{fault}\nthe API's test needs Python 3.10 or newer, and a package index that pip reaches")
    })?;
    Ok(program)
}
