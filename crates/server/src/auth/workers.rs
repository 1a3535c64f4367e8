//! Low-priority thread pool for CPU-heavy work (password hashing).

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;

/// Thread niceness: with 5, the threads get about a quarter of a contended core. With 19 they would get almost nothing,
/// and nobody could sign in on a busy machine.
const BACK: i32 = 5;

type Job = Box<dyn FnOnce() + Send>;

/// Handle to the pool. The threads end after the last clone is dropped and running work is finished.
#[derive(Clone)]
pub(crate) struct Workers(Sender<Job>);

impl Workers {
    /// Starts `count` threads.
    ///
    /// # Errors
    /// If the operating system cannot create a thread.
    pub(crate) fn new(name: &str, count: usize) -> std::io::Result<Self> {
        let (jobs, waiting) = channel();
        let waiting = Arc::new(Mutex::new(waiting));
        for _ in 0..count {
            let waiting = Arc::clone(&waiting);
            std::thread::Builder::new().name(name.to_owned()).spawn(move || work(&waiting))?;
        }
        Ok(Self(jobs))
    }

    /// Runs `work` on the pool and returns its result. `None` if it panicked.
    pub(crate) async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        let (done, answer) = oneshot::channel();
        self.0.send(Box::new(move || drop(done.send(work())))).ok()?;
        answer.await.ok()
    }
}

fn work(waiting: &Mutex<Receiver<Job>>) {
    step_back();
    loop {
        let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = next else { return };
        // After a panic, the caller's channel closes.
        let _ = catch_unwind(AssertUnwindSafe(job));
    }
}

/// Lowers the priority of the current thread. Only Linux supports priorities for individual threads.
fn step_back() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(None, BACK) {
        tracing::warn!(%error, "cannot lower the thread priority of password checks");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_job_that_panics_ends_alone() {
        let workers = Workers::new("test", 1).expect("a thread");
        let failed = workers.run(|| panic!("on purpose")).await;
        assert_eq!(failed, None::<()>);
        assert_eq!(workers.run(|| 2 + 2).await, Some(4));
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn everything_else_goes_first() {
        let workers = Workers::new("test", 1).expect("a thread");
        let priority = || rustix::process::getpriority_process(None).expect("a priority");
        let before = priority();
        assert_eq!(workers.run(priority).await, Some(BACK));
        assert_eq!(priority(), before, "of this thread alone");
    }
}
