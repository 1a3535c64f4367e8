//! Resource usage of a process (proc(5)).

use std::fs;
use std::ops::Sub;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::error::BenchError;

/// CPU time and context switches of all threads of a process since it started, or between two readings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    /// CPU time in nanoseconds, from the scheduler.
    pub(crate) cpu: u64,
    /// CPU time of media threads, if they are named.
    pub(crate) media_cpu: u64,
    /// Ticks in user mode and in the kernel. Their ratio divides the nanoseconds.
    pub(crate) user_ticks: u64,
    pub(crate) system_ticks: u64,
    /// Voluntary context switches.
    pub(crate) voluntary: u64,
    /// Involuntary context switches.
    pub(crate) involuntary: u64,
}

impl Usage {
    /// Reads the usage of a process.
    pub(crate) fn read(pid: u32) -> Result<Self, BenchError> {
        let file = |name: &str| {
            fs::read_to_string(format!("/proc/{pid}/{name}")).map_err(BenchError::system(format!("process {pid}")))
        };
        let mut usage = Self::default();
        (usage.user_ticks, usage.system_ticks) = ticks(&file("stat")?);
        let tasks = fs::read_dir(format!("/proc/{pid}/task")).map_err(BenchError::system(format!("process {pid}")))?;
        for task in tasks.flatten() {
            // A thread may end in the meantime.
            let part = |name: &str| fs::read_to_string(task.path().join(name)).unwrap_or_default();
            let cpu = scheduled(&part("schedstat"));
            usage.cpu += cpu;
            if part("comm").starts_with("bedside-media") {
                usage.media_cpu += cpu;
            }
            let status = part("status");
            usage.voluntary += field(&status, "voluntary_ctxt_switches");
            usage.involuntary += field(&status, "nonvoluntary_ctxt_switches");
        }
        Ok(usage)
    }

    /// Returns kernel time in nanoseconds.
    #[expect(clippy::cast_precision_loss, reason = "of a run")]
    pub(crate) fn kernel(&self) -> f64 {
        let ticks = (self.user_ticks + self.system_ticks).max(1);
        self.cpu as f64 * self.system_ticks as f64 / ticks as f64
    }
}

impl Sub for Usage {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self {
            cpu: self.cpu.saturating_sub(before.cpu),
            media_cpu: self.media_cpu.saturating_sub(before.media_cpu),
            user_ticks: self.user_ticks.saturating_sub(before.user_ticks),
            system_ticks: self.system_ticks.saturating_sub(before.system_ticks),
            voluntary: self.voluntary.saturating_sub(before.voluntary),
            involuntary: self.involuntary.saturating_sub(before.involuntary),
        }
    }
}

/// Raises the limit of open files to the maximum: every page needs one, here and in servers started from here.
pub(crate) fn allow_many_files() {
    let now = getrlimit(Resource::Nofile);
    // If that is not permitted, opening files fails later.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: now.maximum, maximum: now.maximum });
}

/// Returns the resident memory of a process in KiB.
pub(crate) fn resident(pid: u32) -> u64 {
    field(&fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default(), "VmRSS")
}

/// Returns the nanoseconds since boot in which a core was not idle, in ticks of 10 ms.
pub(crate) fn processor(number: usize) -> u64 {
    busy(&fs::read_to_string("/proc/stat").unwrap_or_default(), number)
}

/// Returns utime and stime: the 12th and 13th field after the name, which may contain any character.
fn ticks(stat: &str) -> (u64, u64) {
    let mut words = stat.rsplit(')').next().unwrap_or_default().split_whitespace().skip(11);
    let mut next = || words.next().and_then(|word| word.parse().ok()).unwrap_or(0);
    (next(), next())
}

/// Returns the first of `CPU time, run queue wait time, timeslices`.
fn scheduled(schedstat: &str) -> u64 {
    schedstat.split_whitespace().next().and_then(|word| word.parse().ok()).unwrap_or(0)
}

/// Returns a number from /proc/PID/status.
fn field(status: &str, name: &str) -> u64 {
    let value = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    value.and_then(|value| value.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

/// Parses `cpuN user nice system idle iowait irq softirq steal …`.
fn busy(stat: &str, number: usize) -> u64 {
    let name = format!("cpu{number}");
    let line = stat.lines().find(|line| line.split_whitespace().next() == Some(name.as_str())).unwrap_or_default();
    let ticks: Vec<u64> = line.split_whitespace().skip(1).take(8).filter_map(|word| word.parse().ok()).collect();
    let idle: u64 = ticks.iter().skip(3).take(2).sum();
    ticks.iter().sum::<u64>().saturating_sub(idle) * 10_000_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_of_proc_are_read() {
        let stat = "77 (a) b (c) S 1 77 77 0 -1 4194560 100 0 0 0 123 45 0 0 20 0 9 0 5 6 7";
        assert_eq!(ticks(stat), (123, 45));
        assert_eq!(scheduled("987654321 12 3\n"), 987_654_321);
        let status = "Name:\tx\nVmRSS:\t   2048 kB\nvoluntary_ctxt_switches:\t9\nnonvoluntary_ctxt_switches:\t4\n";
        assert_eq!(field(status, "VmRSS"), 2_048);
        assert_eq!(field(status, "voluntary_ctxt_switches"), 9);
        assert_eq!(field(status, "nonvoluntary_ctxt_switches"), 4);
        assert_eq!(field(status, "VmSwap"), 0);
        let stat = "cpu  9 9 9 9 9 9 9 9 0 0\ncpu0 1 2 3 100 50 4 5 6 7 8\ncpu1 0 0 0 7 0 0 0 0 0 0\n";
        assert_eq!(busy(stat, 0), 21 * 10_000_000);
        assert_eq!(busy(stat, 1), 0);
        assert_eq!(busy(stat, 2), 0);
    }

    #[test]
    fn kernel_time_is_a_share_of_what_the_scheduler_counted() {
        let usage = Usage { cpu: 1_000, user_ticks: 1, system_ticks: 3, ..Usage::default() };
        assert!((usage.kernel() - 750.0).abs() < 1e-9);
    }

    #[test]
    fn this_process_is_there() {
        let own = Usage::read(std::process::id()).expect("it runs");
        assert!(own.cpu > 0);
        assert!(resident(std::process::id()) > 0);
    }
}
