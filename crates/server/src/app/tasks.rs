//! Supervised background tasks. A task that panics is restarted, and health checks report the state of each task.

use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

/// Delay before a task that panicked is restarted.
const PAUSE: Duration = Duration::from_secs(1);
/// How long a restarted task is reported as degraded, because a task that fails every few seconds is not healthy.
const PROBATION: Duration = Duration::from_secs(60);

/// All background tasks of the server. Clones share them. The tasks end when [`Tasks::stop`] is called or the last
/// clone is dropped.
#[derive(Clone, Default)]
pub(crate) struct Tasks(Arc<Inner>);

#[derive(Default)]
struct Inner {
    running: Mutex<JoinSet<()>>,
    known: Mutex<Vec<Arc<Known>>>,
}

struct Known {
    name: &'static str,
    /// Maximum interval between heartbeats. `None` for tasks that wait for events.
    beats_within: Option<Duration>,
    runs: AtomicBool,
    restarts: AtomicU64,
    last_beat: Mutex<Instant>,
    restarted_at: Mutex<Option<Instant>>,
}

/// Records the heartbeat of a task.
#[derive(Clone)]
pub(crate) struct Beat(Arc<Known>);

/// The state of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TaskReport {
    pub(crate) name: &'static str,
    pub(crate) state: TaskState,
    pub(crate) restarts: u64,
}

/// The state of a task; see [`TaskReport`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TaskState {
    Running,
    /// The task panicked within the last minute and was restarted.
    Restarted,
    /// The last heartbeat is too long ago.
    Stalled,
    /// The task is not running.
    Down,
}

impl TaskState {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Restarted => "restarted",
            Self::Stalled => "stalled",
            Self::Down => "down",
        }
    }
}

impl Beat {
    /// Records a heartbeat. Each task calls this once per iteration.
    pub(crate) fn beat(&self) {
        *self.0.last_beat.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }
}

impl Tasks {
    /// Starts a task, and restarts it whenever it panics. A task that returns is not restarted.
    pub(crate) fn run<F>(
        &self,
        name: &'static str,
        beats_within: Option<Duration>,
        work: impl Fn(Beat) -> F + Send + 'static,
    ) where
        F: Future<Output = ()> + Send + 'static,
    {
        let known = Arc::new(Known {
            name,
            beats_within,
            runs: AtomicBool::new(true),
            restarts: AtomicU64::new(0),
            last_beat: Mutex::new(Instant::now()),
            restarted_at: Mutex::new(None),
        });
        self.0.known.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&known));
        let supervised = async move {
            loop {
                // A `JoinSet` aborts its task when this future is dropped.
                let mut one = JoinSet::new();
                Beat(Arc::clone(&known)).beat();
                known.runs.store(true, Ordering::Relaxed);
                one.spawn(work(Beat(Arc::clone(&known))));
                let ended = one.join_next().await;
                known.runs.store(false, Ordering::Relaxed);
                if let Some(Ok(())) = ended {
                    tracing::debug!(task = known.name, "background task finished");
                    return;
                }
                tracing::error!(task = known.name, "background task panicked, restarting");
                sleep(PAUSE).await;
                known.restarts.fetch_add(1, Ordering::Relaxed);
                *known.restarted_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
            }
        };
        self.0.running.lock().unwrap_or_else(PoisonError::into_inner).spawn(supervised);
    }

    /// Returns the state of each task, in the order in which they were started.
    pub(crate) fn reports(&self) -> Vec<TaskReport> {
        self.reports_at(Instant::now())
    }

    fn reports_at(&self, now: Instant) -> Vec<TaskReport> {
        let known = self.0.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.iter().map(|known| known.report(now)).collect()
    }

    /// Aborts all tasks.
    pub(crate) fn stop(&self) {
        self.0.running.lock().unwrap_or_else(PoisonError::into_inner).abort_all();
    }
}

impl Known {
    fn report(&self, now: Instant) -> TaskReport {
        let since = |at: Instant| now.saturating_duration_since(at);
        let last_beat = *self.last_beat.lock().unwrap_or_else(PoisonError::into_inner);
        let restarted_at = *self.restarted_at.lock().unwrap_or_else(PoisonError::into_inner);
        let state = if !self.runs.load(Ordering::Relaxed) {
            TaskState::Down
        } else if self.beats_within.is_some_and(|within| since(last_beat) > within) {
            TaskState::Stalled
        } else if restarted_at.is_some_and(|at| since(at) < PROBATION) {
            TaskState::Restarted
        } else {
            TaskState::Running
        };
        TaskReport { name: self.name, state, restarts: self.restarts.load(Ordering::Relaxed) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn states(tasks: &Tasks, after: Duration) -> Vec<(TaskState, u64)> {
        tasks.reports_at(Instant::now() + after).into_iter().map(|task| (task.state, task.restarts)).collect()
    }

    async fn until(tasks: &Tasks, expected: (TaskState, u64)) {
        let reached = async {
            while states(tasks, Duration::ZERO) != [expected] {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), reached).await.expect("reached");
    }

    #[tokio::test]
    async fn a_task_that_panics_is_restarted_and_said_to_be_down_meanwhile() {
        let (tasks, rounds) = (Tasks::default(), Arc::new(AtomicU64::new(0)));
        let counted = Arc::clone(&rounds);
        tasks.run("watcher", None, move |_| {
            let rounds = Arc::clone(&counted);
            async move {
                assert_ne!(rounds.fetch_add(1, Ordering::Relaxed), 0, "on purpose");
                std::future::pending::<()>().await;
            }
        });
        until(&tasks, (TaskState::Down, 0)).await;
        until(&tasks, (TaskState::Restarted, 1)).await;
        assert_eq!(states(&tasks, PROBATION), [(TaskState::Running, 1)]);
        assert_eq!(rounds.load(Ordering::Relaxed), 2);
    }

    #[tokio::test]
    async fn a_task_that_hangs_is_said_to_be_stalled_and_one_that_returns_to_be_down() {
        let tasks = Tasks::default();
        tasks.run("returns", None, |_| async {});
        until(&tasks, (TaskState::Down, 0)).await;
        tasks.run("waits", None, |_| std::future::pending());
        tasks.run("hangs", Some(Duration::from_secs(60)), |_| std::future::pending());
        let (down, running, stalled) = ((TaskState::Down, 0), (TaskState::Running, 0), (TaskState::Stalled, 0));
        assert_eq!(states(&tasks, Duration::ZERO), [down, running, running]);
        assert_eq!(states(&tasks, Duration::from_secs(61)), [down, running, stalled]);
    }
}
