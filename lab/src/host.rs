//! What the machine's own host takes away: a virtual machine does not always have the processors it sees.

use std::time::Duration;

use tokio::time::sleep;

use crate::clock::Deadline;

/// Before a trial the host takes away no more than this share of the processors' time.
const CALM: f64 = 0.05;
/// How long the host is watched before a trial, and how long a calm one is waited for.
const WATCHED: Duration = Duration::from_secs(2);
const CALM_WITHIN: Duration = Duration::from_secs(600);

/// A reading of the processors' time since the machine began, in ticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Processors {
    all: u64,
    stolen: u64,
}

impl Processors {
    pub(crate) fn read() -> Self {
        Self::parse(&std::fs::read_to_string("/proc/stat").unwrap_or_default())
    }

    /// The line `cpu user nice system idle iowait irq softirq steal guest guest_nice` (proc(5)); guests are within user.
    fn parse(text: &str) -> Self {
        let ticks: Vec<u64> = text
            .lines()
            .find_map(|line| line.strip_prefix("cpu "))
            .map(|line| line.split_whitespace().take(8).filter_map(|field| field.parse().ok()).collect())
            .unwrap_or_default();
        Self { all: ticks.iter().sum(), stolen: ticks.get(7).copied().unwrap_or_default() }
    }

    /// The share, 0 to 1, that was taken away from this reading until another.
    #[expect(clippy::cast_precision_loss, reason = "ticks of a run")]
    fn taken_until(self, later: Self) -> f64 {
        let all = later.all.saturating_sub(self.all).max(1);
        later.stolen.saturating_sub(self.stolen) as f64 / all as f64
    }

    /// The share, 0 to 1, that was taken away since.
    pub(crate) fn taken(self) -> f64 {
        self.taken_until(Self::read())
    }
}

/// Waits for a moment in which the host leaves the machine alone, but not for ever.
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
