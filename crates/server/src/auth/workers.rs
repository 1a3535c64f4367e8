//! Threads for work that takes long and may wait: what else the program does goes before it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;

/// How far they stand back (`nice`): on a core that others want too they get a quarter of it. At 19 they would get
/// next to nothing, and on a busy machine nobody could sign in.
const BACK: i32 = 5;

type Job = Box<dyn FnOnce() + Send>;

/// A number of threads. They end with the last clone of this value, once what was begun is done.
#[derive(Clone)]
pub(crate) struct Workers(Sender<Job>);

impl Workers {
    /// # Errors
    /// If the system gives no thread.
    pub(crate) fn new(name: &str, count: usize) -> std::io::Result<Self> {
        let (jobs, waiting) = channel();
        let waiting = Arc::new(Mutex::new(waiting));
        for _ in 0..count {
            let waiting = Arc::clone(&waiting);
            std::thread::Builder::new().name(name.to_owned()).spawn(move || work(&waiting))?;
        }
        Ok(Self(jobs))
    }

    /// What `work` gives. `None` if it panicked.
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
        // Whoever waits for it hears of it: their channel closes.
        let _ = catch_unwind(AssertUnwindSafe(job));
    }
}

/// Linux alone has priorities of threads.
fn step_back() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(None, BACK) {
        tracing::warn!(%error, "password checks run at the priority of everything else");
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
