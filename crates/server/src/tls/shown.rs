//! The expiry of the certificate that clients see.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use bedside_visit::Timestamp;

/// The expiry, for health checks and metrics. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Shown {
    wanted: bool,
    /// Milliseconds since the epoch; 0 if there is no certificate.
    not_after: Arc<AtomicI64>,
}

impl Shown {
    /// Creates an empty value. `wanted` is set if the configuration uses a certificate that needs renewal.
    pub(crate) fn new(wanted: bool) -> Self {
        Self { wanted, not_after: Arc::default() }
    }

    pub(crate) fn set(&self, not_after: Timestamp) {
        self.not_after.store(not_after.as_millis(), Ordering::Relaxed);
    }

    pub(crate) fn not_after(&self) -> Option<Timestamp> {
        Some(self.not_after.load(Ordering::Relaxed)).filter(|at| *at != 0).map(Timestamp::from_millis)
    }

    pub(crate) const fn wanted(&self) -> bool {
        self.wanted
    }
}
