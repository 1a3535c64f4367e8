//! Mutation tests of the permission checks: breaks them in a copy of the repository, one place at a time, to verify
//! that the tests fail.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::shell::{Outcome, root};
use crate::terminal::{complain, heading};

const VISIT: &str = "crates/visit/src/permission.rs";
const DESK: &str = "crates/visit/src/permission/desk.rs";

/// File, description, original code, and mutated code.
const MUTATIONS: [(&str, &str, &str, &str); 22] = [
    (
        VISIT,
        "a stranger is treated as the patient",
        "role_of(principal.user).ok_or(Denial::NotFound)?",
        "role_of(principal.user).unwrap_or(Role::Patient)",
    ),
    (
        VISIT,
        "a link opens every appointment of its user",
        "if id == appointment.id && role == invited_as",
        "if id != AppointmentId::new(uuid::Uuid::nil()) && role == invited_as",
    ),
    (
        VISIT,
        "a link admits its user in any role",
        "if id == appointment.id && role == invited_as",
        "if id == appointment.id && (role == invited_as || role != invited_as)",
    ),
    (
        VISIT,
        "a link to another appointment learns that the window has closed",
        "Scope::Invite(..) | Scope::Token(_) => Err(Denial::NotFound)",
        "Scope::Invite(..) | Scope::Token(_) => Err(Denial::Closed)",
    ),
    (
        VISIT,
        "everyone opens every page",
        "Action::OpenPage(wanted) => only(wanted, role)",
        "Action::OpenPage(wanted) => Ok(wanted)",
    ),
    (
        VISIT,
        "a patient ends the visit for everyone",
        "Action::Finish => only(Role::Provider, role)",
        "Action::Finish => Ok(role)",
    ),
    (
        VISIT,
        "a patient starts the meeting",
        "open(appointment, only(Role::Provider, role)?, rules, now)",
        "open(appointment, role, rules, now)",
    ),
    (
        VISIT,
        "a provider declines in the patient's place",
        "open(appointment, only(Role::Patient, role)?, rules, now)",
        "open(appointment, role, rules, now)",
    ),
    (
        VISIT,
        "the join window is always open",
        "Action::Join => open(appointment, role, rules, now)",
        "Action::Join => Ok(role)",
    ),
    (VISIT, "a cancelled appointment lets people in", "appointment.status == AppointmentStatus::Cancelled", "false"),
    (
        VISIT,
        "a patient can join arbitrarily early",
        "(JoinWindow::Early(_), Role::Provider) => Ok",
        "(JoinWindow::Early(_), _) => Ok",
    ),
    (
        VISIT,
        "the join window never closes",
        "(JoinWindow::Closed, _) => Err(Denial::Closed)",
        "(JoinWindow::Closed, _) => Ok(role)",
    ),
    (
        DESK,
        "an integrator has access to all appointments",
        "Scope::Token(_) if appointment.booked_by != Some(principal.user)",
        "Scope::Token(_) if appointment.booked_by == Some(principal.user) && appointment.kind.is_empty()",
    ),
    (
        DESK,
        "a token without its scope reads",
        "Arrangement::Read => allowed(grants.read)",
        "Arrangement::Read => Ok(())",
    ),
    (
        DESK,
        "a token without its scope cancels",
        "Arrangement::CallOff => allowed(grants.write)",
        "Arrangement::CallOff => Ok(())",
    ),
    (
        DESK,
        "every participant of an appointment creates links",
        "(Arrangement::Link | Arrangement::Companion, Role::Provider) => Ok(())",
        "(Arrangement::Link | Arrangement::Companion, _) => Ok(())",
    ),
    (
        DESK,
        "an integrator that signs in belongs to the front desk",
        "Scope::Account(Some(ClinicRole::Staff | ClinicRole::Admin)) => Ok(())",
        "Scope::Account(Some(_)) => Ok(())",
    ),
    (
        DESK,
        "the front desk disables users",
        "(Scope::Account(Some(ClinicRole::Staff)), ClinicAction::ShutOut) => Err(Denial::NotAllowed)",
        "(Scope::Account(Some(ClinicRole::Staff)), ClinicAction::ShutOut) => Ok(())",
    ),
    (
        DESK,
        "everyone belongs to the front desk",
        "(Scope::Account(Some(ClinicRole::Integrator) | None) | Scope::Invite(..), _) => Err(Denial::NotAllowed)",
        "(Scope::Account(Some(ClinicRole::Integrator) | None) | Scope::Invite(..), _) => Ok(())",
    ),
    (
        DESK,
        "a token without its scope lists",
        "ListAppointments) => allowed(grants.read)",
        "ListAppointments) => Ok(())",
    ),
    (
        DESK,
        "a token without its scope books",
        "ClinicAction::Book) => allowed(grants.write)",
        "ClinicAction::Book) => Ok(())",
    ),
    (DESK, "a token without its scope adds people", "AddPerson) => allowed(grants.people)", "AddPerson) => Ok(())"),
];

/// The tests that must fail: the table of the pure function, and the matrix against the real server.
const TESTS: [(&str, &[&str]); 2] = [
    ("the table", &["test", "--quiet", "--package", "bedside-visit", "--lib", "permission::"]),
    ("the matrix", &["test", "--quiet", "--package", "bedside-server", "--test", "it", "matrix"]),
];

/// Applies each mutation in turn. Fails if one is caught by neither test.
pub(crate) fn run() -> Outcome {
    let tree = root().join("target/mutations/tree");
    copy_tree(&tree)?;
    for (name, test) in TESTS {
        if !passes(&tree, test)? {
            return Err(format!("{name} does not pass without a mutation"));
        }
    }
    let mut missed = Vec::new();
    for (file, what, from, to) in MUTATIONS {
        heading(what);
        let whole = fs::read_to_string(root().join(file)).map_err(|error| format!("{file}: {error}"))?;
        if whole.matches(from).count() != 1 {
            return Err(format!("{file} does not contain exactly once: {from}"));
        }
        write(&tree.join(file), &whole.replacen(from, to, 1))?;
        if !builds(&tree)? {
            return Err(format!("{what}: the mutation does not compile"));
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
        write(&tree.join(file), &whole)?;
        complain(&format!(
            "{what}: {}",
            if caught.is_empty() { "MISSED".to_owned() } else { format!("caught by {}", caught.join(" and ")) }
        ));
    }
    complain(&format!("{} of {} mutations caught", MUTATIONS.len() - missed.len(), MUTATIONS.len()));
    if missed.is_empty() { Ok(()) } else { Err(format!("not caught by any test: {}", missed.join("; "))) }
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

/// Copies the working tree without build outputs and downloads.
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
