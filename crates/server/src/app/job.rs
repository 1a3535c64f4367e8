//! One background job: its outcome, and when it is retried.

use std::time::Duration;

use bedside_store::Job;
use bedside_visit::{Timestamp, UserId};

use crate::app::clock::fresh_id;

/// Delay before the first retry. It doubles with each further retry.
const FIRST_WAIT: Duration = Duration::from_secs(30);
const LONGEST_WAIT: Duration = Duration::from_secs(60 * 60);

/// Outcome of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The job is done, was given up, or is obsolete.
    Done,
    /// The job is retried after its delay.
    Later,
}

/// Delay before the next retry of a job.
pub(crate) trait Backoff {
    fn wait(&self) -> Duration;
}

impl Backoff for Job {
    fn wait(&self) -> Duration {
        FIRST_WAIT.saturating_mul(1 << self.tries.min(16)).min(LONGEST_WAIT)
    }
}

/// Creates a job that is due now.
pub(crate) fn new_job(user: Option<UserId>, kind: &str, now: Timestamp) -> Job {
    Job { id: fresh_id(), user, kind: kind.to_owned(), created_at: now, tries: 0 }
}
