//! The API against its own description, with Schemathesis.

use crate::python;
use crate::shell::{Outcome, cargo_test};

/// Pinned: another version finds other things.
const VERSION: &str = "4.32.5";

/// Installs Schemathesis below `target`, and lets it make requests as each kind of caller: about a minute and a half.
pub(crate) fn test() -> Outcome {
    let program = python::tool("schemathesis", VERSION, "st")?;
    let test = ["--workspace", "--test", "it", "--", "--ignored", "contract::"];
    cargo_test(&[("SCHEMATHESIS", &*program.to_string_lossy())], &test)
}
