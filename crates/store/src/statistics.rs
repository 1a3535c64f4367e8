//! Latency statistics of the database.

/// Upper bounds of the histogram buckets in [`Latencies`], in microseconds. The count after the last bound is for all
/// longer latencies.
pub const LATENCY_BOUNDS: [u64; 11] = [100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 100_000, 500_000, 2_500_000];

/// A latency histogram.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Latencies {
    /// Counts per bucket of [`LATENCY_BOUNDS`].
    pub counts: [u64; LATENCY_BOUNDS.len() + 1],
    /// Sum of all latencies in microseconds.
    pub sum: u64,
}

/// Statistics of a store since it was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StoreStatistics {
    /// Time spent waiting for the write lock.
    pub waits: Latencies,
    /// Time spent committing, including the sync to disk.
    pub commits: Latencies,
    /// Transactions that could not begin or commit because the database was busy for too long.
    pub busy: u64,
    /// Connections closed and replaced because a rollback failed.
    pub replaced: u64,
}
