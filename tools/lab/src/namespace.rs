//! Network namespaces.

use std::fs::{self, File};
use std::os::fd::AsFd as _;
use std::path::Path;
use std::process::Command;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::error::LabError;

/// Prefix of the lab's namespaces, followed by the process ID.
const PREFIX: &str = "bedside-lab-";

/// A network namespace. Dropping it kills the processes in it and removes it.
#[derive(Debug)]
pub(crate) struct Namespace {
    name: String,
}

impl Namespace {
    /// Creates a namespace for a part of the network.
    pub(crate) fn create(part: &str) -> Result<Self, LabError> {
        let name = format!("{PREFIX}{}-{part}", std::process::id());
        run(Command::new("ip").args(["netns", "add", &name]))
            .map_err(|error| LabError::Unavailable(format!("cannot create a network namespace: {error}")))?;
        let namespace = Self { name };
        namespace.ip("link set lo up")?;
        Ok(namespace)
    }

    /// Returns a handle for entering the namespace.
    pub(crate) fn door(&self) -> Result<Door, LabError> {
        File::open(format!("/run/netns/{}", self.name)).map(Door).map_err(LabError::system(self.name.as_str()))
    }

    /// Runs a function inside, on a separate thread.
    pub(crate) fn inside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T, LabError> {
        let door = self.door()?;
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| door.enter().map(|()| work()));
            thread.join().unwrap_or_else(|_| Err(LabError::Stuck(format!("a thread in {} panicked", self.name))))
        })
    }

    /// Returns a command that runs a program inside.
    pub(crate) fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name]).arg(program);
        command
    }

    /// Runs `ip` in the namespace. Arguments are split at spaces.
    pub(crate) fn ip(&self, words: &str) -> Result<String, LabError> {
        run(Command::new("ip").args(["-n", &self.name]).args(words.split_whitespace()))
    }

    /// Runs a program inside. Arguments are split at spaces.
    pub(crate) fn run(&self, program: &str, words: &str) -> Result<String, LabError> {
        run(self.command(program).args(words.split_whitespace()))
    }

    /// Returns the name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}

/// A handle for entering a namespace.
pub(crate) struct Door(File);

impl Door {
    /// Moves the calling thread into the namespace permanently. Processes it starts are inside as well.
    pub(crate) fn enter(&self) -> Result<(), LabError> {
        move_into_link_name_space(self.0.as_fd(), Some(LinkNameSpaceType::Network))
            .map_err(|error| LabError::system("entering a namespace")(error.into()))
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        remove(&self.name);
    }
}

/// Removes namespaces left behind by killed runs.
pub(crate) fn sweep() {
    let Ok(list) = run(Command::new("ip").args(["netns", "list"])) else { return };
    for name in list.lines().filter_map(|line| line.split_whitespace().next()) {
        let maker = name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next());
        if maker.is_some_and(|process| !Path::new("/proc").join(process).exists()) {
            remove(name);
        }
    }
}

/// Kills the processes in a namespace and removes it.
fn remove(name: &str) {
    let processes = run(Command::new("ip").args(["netns", "pids", name])).unwrap_or_default();
    let this = std::process::id().to_string();
    let inside: Vec<&str> = processes.split_whitespace().filter(|process| *process != this).collect();
    if !inside.is_empty() {
        let _ = run(Command::new("kill").arg("-KILL").args(inside));
    }
    let _ = run(Command::new("ip").args(["netns", "del", name]));
}

/// Runs a command to completion and returns its output.
pub(crate) fn run(command: &mut Command) -> Result<String, LabError> {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words = words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ");
    let output = command.output().map_err(LabError::system(words.as_str()))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        let why = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Err(LabError::Command { command: words, why })
    }
}

/// Returns whether this process may create namespaces and devices.
pub(crate) fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0)
}
