//! CPU time taken away by the host of a virtual machine (steal).

use std::time::Duration;

use tokio::time::sleep;

use crate::clock::Deadline;

/// Maximum share of CPU time the host may take away before a trial.
const CALM: f64 = 0.05;
/// How long steal is measured before a trial, and the maximum time to wait for a calm host.
const WATCHED: Duration = Duration::from_secs(2);
const CALM_WITHIN: Duration = Duration::from_secs(600);

/// CPU time since boot, in ticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Processors {
    all: u64,
    stolen: u64,
}

impl Processors {
    pub(crate) fn read() -> Self {
        Self::parse(&std::fs::read_to_string("/proc/stat").unwrap_or_default())
    }

    /// Parses `cpu user nice system idle iowait irq softirq steal guest guest_nice` (proc(5)); guest time is included
    /// in user time.
    fn parse(text: &str) -> Self {
        let ticks: Vec<u64> = text
            .lines()
            .find_map(|line| line.strip_prefix("cpu "))
            .map(|line| line.split_whitespace().take(8).filter_map(|field| field.parse().ok()).collect())
            .unwrap_or_default();
        Self { all: ticks.iter().sum(), stolen: ticks.get(7).copied().unwrap_or_default() }
    }

    /// Returns the share, 0 to 1, taken away between two readings.
    #[expect(clippy::cast_precision_loss, reason = "ticks of a run")]
    fn taken_until(self, later: Self) -> f64 {
        let all = later.all.saturating_sub(self.all).max(1);
        later.stolen.saturating_sub(self.stolen) as f64 / all as f64
    }

    /// Returns the share, 0 to 1, taken away since this reading.
    pub(crate) fn taken(self) -> f64 {
        self.taken_until(Self::read())
    }
}

/// Waits until the host takes away little CPU time, or the maximum time has passed.
pub(crate) async fn calm() {
    let deadline = Deadline::after(CALM_WITHIN);
    loop {
        let before = Processors::read();
        sleep(WATCHED).await;
        if before.taken() < CALM || deadline.is_past() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_is_a_share_of_all() {
        let before = Processors::parse("cpu  100 0 50 800 10 0 5 35 0 0\ncpu0 1 2 3 4 5 6 7 8 9 10\n");
        let after = Processors::parse("cpu  130 0 60 850 10 0 5 45 30 0\n");
        assert!((before.taken_until(after) - 0.1).abs() < 1e-9);
        assert!(Processors::parse("").taken_until(Processors::parse("")).abs() < 1e-9);
    }
}
