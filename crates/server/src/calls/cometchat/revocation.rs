//! Revokes a user's CometChat tokens when they lose access. Each revocation is a job: it survives a restart, and is
//! retried while CometChat is unreachable.

use std::time::Duration;

use bedside_store::{Job, StoreError, Transaction};
use bedside_visit::{Timestamp, UserId};

use crate::app::App;
use crate::app::job::{Backoff as _, Outcome, new_job};

/// The kind of these jobs.
pub(crate) const REVOCATION: &str = "cometchat_revocation";
/// How long a revocation is retried. Auth tokens at CometChat are requested anew for each visit.
const IN_TIME: Duration = Duration::from_secs(24 * 60 * 60);

/// Queues the revocation of a user's tokens. It runs after the transaction is committed.
///
/// # Errors
/// If the database fails.
pub(crate) async fn revoke_later(
    transaction: &mut dyn Transaction,
    user: UserId,
    now: Timestamp,
) -> Result<(), StoreError> {
    transaction.insert_job(&new_job(Some(user), REVOCATION, now)).await
}

/// Revokes the tokens of a job's user.
pub(crate) async fn revoke_due(app: &App, job: &Job) -> Outcome {
    let (Some(directory), Some(user)) = (&app.cometchat, job.user) else { return Outcome::Done };
    let Err(error) = directory.revoke(user).await else { return Outcome::Done };
    if app.clock.now().since(job.created_at) >= IN_TIME {
        tracing::error!(%error, remedy = error.remedy(), job = %job.id, "CometChat tokens not revoked, giving up");
        return Outcome::Done;
    }
    let wait = job.wait().as_secs();
    tracing::warn!(%error, remedy = error.remedy(), job = %job.id, wait, "CometChat tokens not revoked, retrying");
    Outcome::Later
}
