//! Measures latencies.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::statistics::LATENCY_BOUNDS;
use crate::{Latencies, StoreError, StoreStatistics};

/// Counters of a store.
#[derive(Debug, Default)]
pub(super) struct Timing {
    pub(super) waits: Latency,
    pub(super) commits: Latency,
    busy: AtomicU64,
    replaced: AtomicU64,
}

impl Timing {
    /// Runs a future, and counts its latency if it succeeded or a busy database if it failed because of that.
    pub(super) async fn of<T>(
        &self,
        latency: &Latency,
        work: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let begun = now();
        let done = work.await;
        match &done {
            Ok(_) => latency.add(begun.elapsed()),
            Err(StoreError::Busy) => drop(self.busy.fetch_add(1, Ordering::Relaxed)),
            Err(_) => {}
        }
        done
    }

    /// Counts a connection that was closed because its transaction could not be rolled back.
    pub(super) fn replaced(&self) {
        self.replaced.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn statistics(&self) -> StoreStatistics {
        StoreStatistics {
            waits: self.waits.latencies(),
            commits: self.commits.latencies(),
            busy: self.busy.load(Ordering::Relaxed),
            replaced: self.replaced.load(Ordering::Relaxed),
        }
    }
}

/// A latency histogram with atomic counters.
#[derive(Debug, Default)]
pub(super) struct Latency {
    counts: [AtomicU64; LATENCY_BOUNDS.len() + 1],
    sum: AtomicU64,
}

impl Latency {
    fn add(&self, took: Duration) {
        let took = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.counts[LATENCY_BOUNDS.partition_point(|bound| *bound < took)].fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(took, Ordering::Relaxed);
    }

    fn latencies(&self) -> Latencies {
        let counts = std::array::from_fn(|at| self.counts[at].load(Ordering::Relaxed));
        Latencies { counts, sum: self.sum.load(Ordering::Relaxed) }
    }
}

#[expect(clippy::disallowed_methods, reason = "latencies are only reported, nothing depends on them")]
fn now() -> Instant {
    Instant::now()
}
