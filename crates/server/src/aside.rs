//! Blocking work on a thread of its own, with a time limit: a disk or a network mount that hangs stops neither the runtime
//! nor the end of the program.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::timeout;

/// One kind of blocking work. While one piece of it hangs, no other is begun. Clones are the same kind.
#[derive(Debug, Clone)]
pub(crate) struct Aside {
    name: &'static str,
    limit: Duration,
    busy: Arc<AtomicBool>,
}

/// Why there is no result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AsideError {
    /// It takes too long, and may go on.
    #[error("no answer within {} seconds", limit.as_secs())]
    TooSlow {
        /// The limit.
        limit: Duration,
    },
    /// What was begun earlier has not come back yet.
    #[error("an earlier attempt still hangs")]
    Hangs,
    /// It panicked, or there was no thread for it.
    #[error("it could not be run")]
    Failed,
}

impl Aside {
    pub(crate) fn new(name: &'static str, limit: Duration) -> Self {
        Self { name, limit, busy: Arc::default() }
    }

    /// Runs something that may block.
    ///
    /// # Errors
    /// [`AsideError`].
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, AsideError> {
        if self.busy.swap(true, Ordering::AcqRel) {
            return Err(AsideError::Hangs);
        }
        let free = Free(Arc::clone(&self.busy));
        let (done, answer) = oneshot::channel();
        let run = move || {
            let result = work();
            // Before the answer: its receiver may begin the next piece at once.
            drop(free);
            let _ = done.send(result);
        };
        // Not the runtime's own pool: the end of the runtime would wait for it.
        std::thread::Builder::new().name(self.name.to_owned()).spawn(run).map_err(|_| AsideError::Failed)?;
        match timeout(self.limit, answer).await {
            Ok(answer) => answer.map_err(|_| AsideError::Failed),
            Err(_) => Err(AsideError::TooSlow { limit: self.limit }),
        }
    }
}

/// Lets the next piece of work begin, also after a panic.
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
        let aside = Aside::new("test", Duration::from_millis(20));
        let (release, hangs) = channel::<()>();
        let limit = Duration::from_millis(20);
        let given_up = aside.run(move || hangs.recv().is_ok()).await;
        assert_eq!(given_up, Err(AsideError::TooSlow { limit }));
        assert_eq!(aside.run(|| 1).await, Err(AsideError::Hangs));
        drop(release);
        let again = async {
            loop {
                if let Ok(result) = aside.run(|| 2).await {
                    return result;
                }
                tokio::task::yield_now().await;
            }
        };
        assert_eq!(tokio::time::timeout(Duration::from_secs(10), again).await, Ok(2));
    }

    #[tokio::test]
    async fn a_panic_ends_one_piece_of_work_alone() {
        let aside = Aside::new("test", Duration::from_secs(10));
        assert_eq!(aside.run(|| panic!("on purpose")).await, Err::<(), _>(AsideError::Failed));
        assert_eq!(aside.run(|| 3).await, Ok(3));
    }
}
