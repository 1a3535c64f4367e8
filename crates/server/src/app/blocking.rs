//! Runs blocking work on a separate thread with a time limit, so that a hanging disk or network mount blocks neither
//! the runtime nor shutdown.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, oneshot};
use tokio::time::{Instant, timeout, timeout_at};

/// A kind of blocking work. At most one task of a kind runs at a time, even if it hangs. Clones are of the same kind.
#[derive(Debug, Clone)]
pub(crate) struct BlockingThread {
    name: &'static str,
    limit: Duration,
    free: Arc<Semaphore>,
    /// When the present or last task was started.
    begun: Arc<Mutex<Instant>>,
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
        let (free, begun) = (Arc::new(Semaphore::new(1)), Arc::new(Mutex::new(Instant::now())));
        Self { name, limit, free, begun }
    }

    /// Runs a blocking closure. If an earlier one is still running, because its caller was dropped, waits for it within
    /// its time limit.
    ///
    /// # Errors
    /// [`BlockingError`].
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, BlockingError> {
        let late = *self.begun() + self.limit;
        let free = timeout_at(late, Arc::clone(&self.free).acquire_owned()).await.map_err(|_| BlockingError::Hangs)?;
        let free = free.map_err(|_| BlockingError::Failed)?;
        *self.begun() = Instant::now();
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

    fn begun(&self) -> std::sync::MutexGuard<'_, Instant> {
        self.begun.lock().unwrap_or_else(PoisonError::into_inner)
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

    /// As when the server stops while a task of the same kind is running.
    #[tokio::test]
    async fn work_whose_caller_is_gone_is_waited_for() {
        let blocking = BlockingThread::new("test", Duration::from_secs(10));
        let (release, waits) = channel::<()>();
        let abandoned = blocking.run(move || waits.recv().is_ok());
        assert!(timeout(Duration::from_millis(1), abandoned).await.is_err());
        let mut next = std::pin::pin!(blocking.run(|| 2));
        assert!(timeout(Duration::from_millis(1), &mut next).await.is_err(), "never two at a time");
        drop(release);
        assert_eq!(next.await, Ok(2));
    }

    #[tokio::test]
    async fn a_panic_ends_one_piece_of_work_alone() {
        let blocking = BlockingThread::new("test", Duration::from_secs(10));
        assert_eq!(blocking.run(|| panic!("on purpose")).await, Err::<(), _>(BlockingError::Failed));
        assert_eq!(blocking.run(|| 3).await, Ok(3));
    }
}
