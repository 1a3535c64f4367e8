//! CPU affinity and scheduling priority.

use std::process::Command;
use std::sync::OnceLock;

use rustix::thread::{CpuSet, gettid, sched_getaffinity, sched_setaffinity};

use crate::error::BenchError;

/// The cores in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cores {
    pub(crate) server: usize,
    /// A different core, if this process may use two.
    pub(crate) generator: usize,
}

/// Returns the first two cores this process was allowed to use when first called.
pub(crate) fn cores() -> Cores {
    static CORES: OnceLock<Cores> = OnceLock::new();
    *CORES.get_or_init(|| {
        let allowed = sched_getaffinity(None).unwrap_or_default();
        let mut all = (0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core));
        let server = all.next().unwrap_or(0);
        Cores { server, generator: all.next().unwrap_or(server) }
    })
}

/// Pins the calling thread, and processes it starts from now on, to a core.
pub(crate) fn stay_on(core: usize) -> Result<(), BenchError> {
    let mut set = CpuSet::new();
    set.set(core);
    sched_setaffinity(None, &set).map_err(BenchError::system(format!("pinning to core {core}")))
}

/// Gives the calling thread, and processes it starts from now on, real-time priority.
pub(crate) fn go_first() -> Result<(), BenchError> {
    let thread = gettid().as_raw_nonzero().to_string();
    run(Command::new("chrt").args(["--rr", "--pid", "1", &thread])).map(drop)
}

/// Returns the number of cores.
pub(crate) fn count() -> usize {
    // This process's affinity does not tell: it may already be pinned to one core.
    let stat = std::fs::read_to_string("/proc/stat").unwrap_or_default();
    stat.lines().filter(|line| line.starts_with("cpu") && !line.starts_with("cpu ")).count()
}

/// Runs a command to completion and returns its output.
pub(crate) fn run(command: &mut Command) -> Result<String, BenchError> {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words = words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ");
    let output = command.output().map_err(BenchError::system(words.as_str()))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        let why = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Err(BenchError::Command { command: words, why })
    }
}
