//! Process metrics, under the standard Prometheus names.

use std::fs;
use std::time::Duration;

use rustix::process::{Resource, getrlimit};
use rustix::time::{ClockId, clock_gettime};

/// Resource usage of this process. `None` if the operating system does not report a value.
#[derive(Debug, Clone, Copy)]
pub(super) struct Process {
    /// User and system CPU time since the start.
    pub(super) cpu: Duration,
    /// Resident memory, in bytes.
    pub(super) resident: Option<u64>,
    pub(super) open_files: Option<u64>,
    pub(super) most_files: Option<u64>,
}

impl Process {
    /// Reads the current values. Blocks, because it reads files.
    pub(super) fn read() -> Self {
        let cpu = clock_gettime(ClockId::ProcessCPUTime);
        Self {
            cpu: Duration::new(u64::try_from(cpu.tv_sec).unwrap_or(0), u32::try_from(cpu.tv_nsec).unwrap_or(0)),
            resident: fs::read_to_string("/proc/self/status").ok().as_deref().and_then(resident),
            // The directory being read is itself an open file.
            open_files: fs::read_dir("/proc/self/fd").ok().map(|files| (files.count() as u64).saturating_sub(1)),
            most_files: getrlimit(Resource::Nofile).current,
        }
    }
}

/// Parses the resident set size, for example `VmRSS:     17420 kB` (proc_pid_status(5)).
fn resident(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_as_linux_writes_it() {
        assert_eq!(resident("Name:\tx\nVmRSS:\t   17420 kB\nThreads:\t3\n"), Some(17_420 * 1024));
        assert_eq!(resident("Name:\tx\n"), None);
    }
}
