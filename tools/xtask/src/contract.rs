//! Tests the API against its OpenAPI description with Schemathesis.

use crate::python;
use crate::shell::{Outcome, cargo_test};

/// Pinned, because other versions report other findings.
const VERSION: &str = "4.32.5";

/// Installs Schemathesis below `target` and runs it as each kind of client. Takes about a minute and a half.
pub(crate) fn test() -> Outcome {
    let program = python::tool("schemathesis", VERSION, "st")?;
    let test = ["--workspace", "--test", "it", "--", "--ignored", "contract::"];
    cargo_test(&[("SCHEMATHESIS", &*program.to_string_lossy())], &test)
}
