//! Who runs on which core, and before whom.

use std::process::Command;
use std::sync::OnceLock;

use rustix::thread::{CpuSet, gettid, sched_getaffinity, sched_setaffinity};

use crate::error::BenchError;

/// Which cores are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cores {
    pub(crate) server: usize,
    /// Another one, if this process may use two.
    pub(crate) generator: usize,
}

/// The first two that this process might use when it was first asked.
pub(crate) fn cores() -> Cores {
    static CORES: OnceLock<Cores> = OnceLock::new();
    *CORES.get_or_init(|| {
        let allowed = sched_getaffinity(None).unwrap_or_default();
        let mut all = (0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core));
        let server = all.next().unwrap_or(0);
        Cores { server, generator: all.next().unwrap_or(server) }
    })
}

/// Keeps the calling thread on a core, and what it starts from now on.
pub(crate) fn stay_on(core: usize) -> Result<(), BenchError> {
    let mut set = CpuSet::new();
    set.set(core);
    sched_setaffinity(None, &set).map_err(BenchError::system(format!("staying on core {core}")))
}

/// Lets the calling thread go before everything else, and what it starts from now on.
pub(crate) fn go_first() -> Result<(), BenchError> {
    let thread = gettid().as_raw_nonzero().to_string();
    run(Command::new("chrt").args(["--rr", "--pid", "1", &thread])).map(drop)
}

/// How many there are.
pub(crate) fn count() -> usize {
    // What this process may use now says nothing of it: it may have moved to one of them already.
    let stat = std::fs::read_to_string("/proc/stat").unwrap_or_default();
    stat.lines().filter(|line| line.starts_with("cpu") && !line.starts_with("cpu ")).count()
}

/// Runs a program to its end, and gives what it prints.
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
