//! The log: what is filtered out of it, and its output, which never makes a caller wait.

mod filter;
mod limit;
mod output;

pub use filter::log_filter;
pub use output::{LogOutput, LogWriter};
pub(crate) use output::{LogStatistics, statistics};
