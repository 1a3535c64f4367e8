//! Work that follows a change and may fail for a while: mails, and revocations at CometChat. It waits in the database until it
//! is done, so that a restart loses nothing.

use std::collections::HashSet;
use std::time::Duration;

use bedside_store::{Job, StoreError};
use bedside_visit::{Timestamp, UserId};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use uuid::Uuid;

use crate::app::App;
use crate::clock::fresh_id;
use crate::tasks::Beat;
use crate::{cometchat, mail};

/// How often the database is asked for jobs that are due.
const EVERY: Duration = Duration::from_millis(500);
/// How many are done at once; others wait.
const AT_ONCE: usize = 8;
/// The wait before the second try. Each further one doubles it.
const FIRST_WAIT: Duration = Duration::from_secs(30);
const LONGEST_WAIT: Duration = Duration::from_secs(60 * 60);

/// What became of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It is done, was given up, or has lost its use.
    Done,
    /// It is tried again after its wait.
    Later,
}

/// How long a job waits for its next try.
pub(crate) trait Backoff {
    fn wait(&self) -> Duration;
}

impl Backoff for Job {
    fn wait(&self) -> Duration {
        FIRST_WAIT.saturating_mul(1 << self.tries.min(16)).min(LONGEST_WAIT)
    }
}

/// A job that is due now.
pub(crate) fn new_job(user: Option<UserId>, kind: &str, now: Timestamp) -> Job {
    Job { id: fresh_id(), user, kind: kind.to_owned(), created_at: now, tries: 0 }
}

/// Does what is due, for as long as the program runs.
pub(crate) async fn run_due(app: App, beat: Beat) {
    let mut every = tokio::time::interval(EVERY);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut running, mut under_way) = (JoinSet::new(), HashSet::new());
    loop {
        every.tick().await;
        while let Some(done) = running.try_join_next_with_id() {
            let id = done.map_or_else(|error| error.id(), |(id, ())| id);
            under_way.retain(|(task, _)| *task != id);
        }
        let room = AT_ONCE.saturating_sub(under_way.len());
        if room == 0 {
            beat.beat();
            continue;
        }
        // Those under way are due still.
        let wanted = u32::try_from(AT_ONCE + under_way.len()).unwrap_or(u32::MAX);
        match app.store.list_due_jobs(app.clock.now(), wanted).await {
            Ok(due) => {
                beat.beat();
                let known: HashSet<Uuid> = under_way.iter().map(|(_, job)| *job).collect();
                for job in due.into_iter().filter(|job| !known.contains(&job.id)).take(room) {
                    let id = job.id;
                    let task = running.spawn(run(app.clone(), job));
                    under_way.insert((task.id(), id));
                }
            }
            Err(error) => tracing::error!(%error, "cannot read the jobs that are due"),
        }
    }
}

async fn run(app: App, job: Job) {
    if let Err(error) = try_once(&app, &job).await {
        // It waits, and is tried again.
        tracing::error!(%error, job = %job.id, kind = job.kind, "database error on a job");
    }
}

async fn try_once(app: &App, job: &Job) -> Result<(), StoreError> {
    let outcome = match job.kind.as_str() {
        cometchat::REVOCATION => cometchat::revoke_due(app, job).await,
        _ => mail::send_due(app, job).await?,
    };
    let mut transaction = app.store.begin().await?;
    match outcome {
        Outcome::Done => transaction.delete_job(job.id).await?,
        Outcome::Later => transaction.postpone_job(job.id, app.clock.now() + job.wait()).await?,
    };
    transaction.commit().await
}
