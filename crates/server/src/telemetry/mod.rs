//! What operators see of the running server: logs, metrics, traces and health.

pub(crate) mod health;
pub(crate) mod log;
pub(crate) mod metrics;
pub(crate) mod traces;
