//! How long the database takes, as values.

/// What [`Latencies`] tells apart, in microseconds: each count is of what took at most this long and longer than the
/// bound before; the count after the last is of everything longer.
pub const LATENCY_BOUNDS: [u64; 11] = [100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 100_000, 500_000, 2_500_000];

/// How long something took, each time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Latencies {
    /// By [`LATENCY_BOUNDS`].
    pub counts: [u64; LATENCY_BOUNDS.len() + 1],
    /// All together, in microseconds.
    pub sum: u64,
}

/// What a store did since it was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StoreStatistics {
    /// Waiting for the writer's turn.
    pub waits: Latencies,
    /// Committing, until it is on the disk.
    pub commits: Latencies,
    /// Transactions that did not begin, or were not committed, because the database was busy for too long.
    pub busy: u64,
    /// Connections that were closed and replaced because a rollback failed.
    pub replaced: u64,
}
