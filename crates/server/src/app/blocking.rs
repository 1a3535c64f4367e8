//! Runs blocking work on a separate thread with a time limit, so that a hanging disk or network mount blocks neither
//! the runtime nor shutdown.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::timeout;

/// A kind of blocking work. At most one task of a kind runs at a time, even if it hangs. Clones are of the same kind.
#[derive(Debug, Clone)]
pub(crate) struct BlockingThread {
    name: &'static str,
    limit: Duration,
    busy: Arc<AtomicBool>,
}

/// Reason that there is no result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BlockingError {
    /// The time limit was exceeded. The work may still be running.
    #[error("no response within {} seconds", limit.as_secs())]
    TooSlow {
        /// Time limit.
        limit: Duration,
    },
    /// An earlier task has not returned yet.
    #[error("an earlier attempt has not returned yet")]
    Hangs,
    /// The task panicked, or no thread could be created.
    #[error("the operation failed on its thread")]
    Failed,
}

impl BlockingThread {
    pub(crate) fn new(name: &'static str, limit: Duration) -> Self {
        Self { name, limit, busy: Arc::default() }
    }

    /// Runs a blocking closure.
    ///
    /// # Errors
    /// [`BlockingError`].
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, BlockingError> {
        if self.busy.swap(true, Ordering::AcqRel) {
            return Err(BlockingError::Hangs);
        }
        let free = Free(Arc::clone(&self.busy));
        let (done, answer) = oneshot::channel();
        let run = move || {
            let result = work();
            // Released before the result is sent, because the receiver may start the next task immediately.
            drop(free);
            let _ = done.send(result);
        };
        // Not on the runtime's blocking pool, because shutdown of the runtime would wait for it.
        std::thread::Builder::new().name(self.name.to_owned()).spawn(run).map_err(|_| BlockingError::Failed)?;
        match timeout(self.limit, answer).await {
            Ok(answer) => answer.map_err(|_| BlockingError::Failed),
            Err(_) => Err(BlockingError::TooSlow { limit: self.limit }),
        }
    }
}

/// Allows the next task to start, even after a panic.
struct Free(Arc<AtomicBool>);

impl Drop for Free {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[tokio::test]
    async fn what_hangs_is_given_up_and_not_begun_twice() {
        let blocking = BlockingThread::new("test", Duration::from_millis(20));
        let (release, hangs) = channel::<()>();
        let limit = Duration::from_millis(20);
        let given_up = blocking.run(move || hangs.recv().is_ok()).await;
        assert_eq!(given_up, Err(BlockingError::TooSlow { limit }));
        assert_eq!(blocking.run(|| 1).await, Err(BlockingError::Hangs));
        drop(release);
        let again = async {
            loop {
                if let Ok(result) = blocking.run(|| 2).await {
                    return result;
                }
                tokio::task::yield_now().await;
            }
        };
        assert_eq!(tokio::time::timeout(Duration::from_secs(10), again).await, Ok(2));
    }

    #[tokio::test]
    async fn a_panic_ends_one_piece_of_work_alone() {
        let blocking = BlockingThread::new("test", Duration::from_secs(10));
        assert_eq!(blocking.run(|| panic!("on purpose")).await, Err::<(), _>(BlockingError::Failed));
        assert_eq!(blocking.run(|| 3).await, Ok(3));
    }
}
