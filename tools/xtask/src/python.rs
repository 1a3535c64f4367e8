//! Tools distributed as Python packages, each in a virtual environment below `target`.

use std::path::PathBuf;
use std::process::Command;

use crate::needs;
use crate::shell::{output, quietly, root};
use crate::terminal::heading;

/// Returns the path of a package's program, installing the package if this version is missing.
pub(crate) fn tool(package: &str, version: &str, program: &str) -> Result<PathBuf, String> {
    let folder = root().join("target/python").join(package);
    let program = folder.join("bin").join(program);
    if output(Command::new(&program).arg("--version")).unwrap_or_default().contains(version) {
        return Ok(program);
    }
    needs::python()?;
    heading(&format!("installing {package} {version}"));
    let make = || {
        quietly(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder))?;
        let mut pip = Command::new(folder.join("bin/pip"));
        quietly(pip.args(["install", "--quiet", "--disable-pip-version-check", &format!("{package}=={version}")]))
    };
    make().map_err(|fault| {
        format!("{fault}\n{package} needs Python 3.10 or newer, and access to a Python package index")
    })?;
    Ok(program)
}
