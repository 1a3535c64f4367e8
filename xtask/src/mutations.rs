//! Breaks the gate in a copy of the tree, one place at a time, to see whether the tests notice.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::shell::{Outcome, complain, heading, root};

const GATE: &str = "crates/visit/src/permission.rs";

/// What is broken: in words, what stands there, and what stands there instead.
const MUTATIONS: [(&str, &str, &str); 13] = [
    (
        "a stranger counts as the patient",
        "role_of(principal.user).ok_or(Denial::NotFound)?",
        "role_of(principal.user).unwrap_or(Role::Patient)",
    ),
    (
        "a link opens every appointment of its patient",
        "if id == appointment.id && role == Role::Patient",
        "if id != AppointmentId::new(uuid::Uuid::nil()) && role == Role::Patient",
    ),
    (
        "a link lets anyone of its appointment in",
        "if id == appointment.id && role == Role::Patient",
        "if id == appointment.id",
    ),
    (
        "a foreign link is told that the door has closed",
        "Scope::Invite(_) => return Err(Denial::NotFound)",
        "Scope::Invite(_) => return Err(Denial::Closed)",
    ),
    (
        "everyone opens every page",
        "Action::OpenPage(wanted) => only(wanted, role)",
        "Action::OpenPage(wanted) => Ok(wanted)",
    ),
    ("a patient makes links", "Action::Invite => only(Role::Provider, role)", "Action::Invite => Ok(role)"),
    ("a patient ends the visit for all", "Action::Finish => only(Role::Provider, role)", "Action::Finish => Ok(role)"),
    (
        "a patient starts the meeting",
        "open(appointment, only(Role::Provider, role)?, rules, now)",
        "open(appointment, role, rules, now)",
    ),
    (
        "a provider declines in the patient's place",
        "open(appointment, only(Role::Patient, role)?, rules, now)",
        "open(appointment, role, rules, now)",
    ),
    ("the door is always open", "Action::Join => open(appointment, role, rules, now)", "Action::Join => Ok(role)"),
    ("a cancelled appointment lets people in", "appointment.status == AppointmentStatus::Cancelled", "false"),
    (
        "a patient comes as early as they like",
        "(JoinWindow::Early(_), Role::Provider) => Ok",
        "(JoinWindow::Early(_), _) => Ok",
    ),
    ("the door never closes", "(JoinWindow::Closed, _) => Err(Denial::Closed)", "(JoinWindow::Closed, _) => Ok(role)"),
];

/// The tests that are to notice: the table of the pure function, and the matrix against the real server.
const TESTS: [(&str, &[&str]); 2] = [
    ("the table", &["test", "--quiet", "--package", "bedside-visit", "--lib", "permission::"]),
    ("the matrix", &["test", "--quiet", "--package", "bedside-server", "--test", "it", "matrix::"]),
];

/// Breaks it in every place, one after the other. Fails if there is one that neither notices.
pub(crate) fn run() -> Outcome {
    let whole = fs::read_to_string(root().join(GATE)).map_err(|error| format!("{GATE}: {error}"))?;
    let tree = root().join("target/mutations/tree");
    copy_tree(&tree)?;
    for (name, test) in TESTS {
        if !passes(&tree, test)? {
            return Err(format!("{name} does not pass on the unbroken gate"));
        }
    }
    let mut missed = Vec::new();
    for (what, from, to) in MUTATIONS {
        heading(what);
        if whole.matches(from).count() != 1 {
            return Err(format!("{GATE} does not have once: {from}"));
        }
        write(&tree.join(GATE), &whole.replacen(from, to, 1))?;
        if !builds(&tree)? {
            return Err(format!("{what}: that does not compile"));
        }
        let mut caught = Vec::new();
        for (name, test) in TESTS {
            if !passes(&tree, test)? {
                caught.push(name);
            }
        }
        if caught.is_empty() {
            missed.push(what);
        }
        complain(&format!(
            "{what}: {}",
            if caught.is_empty() { "MISSED".to_owned() } else { format!("caught by {}", caught.join(" and ")) }
        ));
    }
    complain(&format!("{} of {} places caught", MUTATIONS.len() - missed.len(), MUTATIONS.len()));
    if missed.is_empty() { Ok(()) } else { Err(format!("nothing notices: {}", missed.join("; "))) }
}

fn builds(tree: &Path) -> Result<bool, String> {
    cargo_in(tree, &["check", "--quiet", "--package", "bedside-visit"])
}

fn passes(tree: &Path, test: &[&str]) -> Result<bool, String> {
    cargo_in(tree, test)
}

fn cargo_in(tree: &Path, arguments: &[&str]) -> Result<bool, String> {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(arguments)
        .current_dir(tree)
        .env("CARGO_TARGET_DIR", root().join("target/mutations/build"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .map(|status| status.success())
        .map_err(|error| format!("cargo: {error}"))
}

/// The tree as it stands, without what was built or fetched.
fn copy_tree(to: &Path) -> Outcome {
    if to.exists() {
        fs::remove_dir_all(to).map_err(|error| format!("{}: {error}", to.display()))?;
    }
    copy_folder(&root(), to)
}

fn copy_folder(from: &Path, to: &Path) -> Outcome {
    const LEFT_OUT: [&str; 3] = ["target", "node_modules", ".git"];
    let said = |path: &Path| {
        let path = PathBuf::from(path);
        move |error: std::io::Error| format!("{}: {error}", path.display())
    };
    fs::create_dir_all(to).map_err(said(to))?;
    for entry in fs::read_dir(from).map_err(said(from))? {
        let entry = entry.map_err(said(from))?;
        let (source, name) = (entry.path(), entry.file_name());
        if LEFT_OUT.iter().any(|left_out| name == *left_out) {
            continue;
        }
        if source.is_dir() {
            copy_folder(&source, &to.join(&name))?;
        } else {
            fs::copy(&source, to.join(&name)).map_err(said(&source))?;
        }
    }
    Ok(())
}

fn write(file: &Path, text: &str) -> Outcome {
    fs::write(file, text).map_err(|error| format!("{}: {error}", file.display()))
}
