//! Background jobs with retries: mails, and revocations at CometChat. Jobs are stored in the database until they are
//! done, so that a restart loses none.

use std::collections::HashSet;
use std::time::Duration;

use bedside_store::{Job, StoreError};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use uuid::Uuid;

use crate::app::App;
use crate::app::job::{Backoff as _, Outcome};
use crate::app::tasks::Beat;
use crate::calls::cometchat;
use crate::mail;

/// Polling interval for due jobs.
const EVERY: Duration = Duration::from_millis(500);
/// Maximum number of concurrent jobs.
const AT_ONCE: usize = 8;
/// Runs due jobs for as long as the server runs.
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
        // Jobs in progress are still listed as due.
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
            Err(error) => tracing::error!(%error, "cannot read due jobs"),
        }
    }
}

async fn run(app: App, job: Job) {
    if let Err(error) = try_once(&app, &job).await {
        // The job stays in the database and is retried.
        tracing::error!(%error, job = %job.id, kind = job.kind, "database error on job");
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
