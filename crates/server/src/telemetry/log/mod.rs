//! Logging: filtering, and non-blocking output.

mod filter;
mod limit;
mod output;

pub use filter::log_filter;
pub use output::{LogOutput, LogWriter};
pub(crate) use output::{LogStatistics, statistics};
