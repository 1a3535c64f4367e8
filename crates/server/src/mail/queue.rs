//! The mail queue: mails are stored as jobs in the database until they are sent.

use std::time::Duration;

use bedside_store::{Job, StoreError, Transaction};
use bedside_visit::{EmailAddress, Timestamp, UserId};

use super::{Change, Letter, Link, MailError};
use crate::app::App;
use crate::app::job::{Backoff as _, Outcome, new_job};
use crate::clinic::resets::{GOOD_FOR, add_reset, reset_url};
use crate::telemetry::metrics::Mailed;

/// How long sending is retried. After this, a reset link is no longer useful, and other mails are out of date.
const LINK_IN_TIME: Duration = Duration::from_secs(60 * 60);
const NEWS_IN_TIME: Duration = Duration::from_secs(24 * 60 * 60);

const RESET: &str = "reset";

/// Queues a notification about a change of sign-in methods, if mail is configured and the user has an e-mail address.
///
/// # Errors
/// If the database fails.
pub(crate) async fn tell(
    app: &App,
    transaction: &mut dyn Transaction,
    (user, address): (UserId, Option<&EmailAddress>),
    change: Change,
) -> Result<(), StoreError> {
    if app.mailer.is_none() || address.is_none() {
        return Ok(());
    }
    transaction.insert_job(&new_job(Some(user), change.as_str(), app.clock.now())).await
}

/// Queues a password reset link. With `None`, for an unknown address, a job is queued too, so that the timing is the
/// same.
///
/// # Errors
/// If the database fails.
pub(crate) async fn send_reset(
    transaction: &mut dyn Transaction,
    user: Option<UserId>,
    now: Timestamp,
) -> Result<(), StoreError> {
    transaction.insert_job(&new_job(user, RESET, now)).await
}

/// Sends the mail of a job.
///
/// # Errors
/// If the database fails.
pub(crate) async fn send_due(app: &App, job: &Job) -> Result<Outcome, StoreError> {
    let Some(mailer) = &app.mailer else {
        // Mail may be configured again soon.
        return Ok(if is_in_time(job, app.clock.now()) { Outcome::Later } else { Outcome::Done });
    };
    let Some((address, letter)) = write(app, job).await? else { return Ok(Outcome::Done) };
    let sent = mailer.send(&address, &letter, app.clock.now()).await;
    let (mail, kind) = (job.id, &job.kind);
    match sent {
        Ok(()) => {
            app.metrics.mail(Mailed::Sent);
            Ok(Outcome::Done)
        }
        Err(error) if error.is_permanent() || !is_in_time(job, app.clock.now()) => {
            app.metrics.mail(Mailed::Failed);
            tracing::error!(%error, %mail, kind, tries = job.tries + 1, "mail not sent, giving up");
            Ok(Outcome::Done)
        }
        Err(error) => {
            app.metrics.mail(Mailed::Postponed);
            tracing::warn!(%error, %mail, kind, wait = job.wait().as_secs(), "mail not sent, retrying later");
            Ok(Outcome::Later)
        }
    }
}

fn is_in_time(job: &Job, now: Timestamp) -> bool {
    now.since(job.created_at) < if job.kind == RESET { LINK_IN_TIME } else { NEWS_IN_TIME }
}

/// Returns the recipient and the mail of a job. `None` if it must no longer be sent.
async fn write(app: &App, job: &Job) -> Result<Option<(EmailAddress, Letter)>, StoreError> {
    let Some(user) = job.user else { return Ok(None) };
    let Some(account) = app.store.get_account_of(user).await? else { return Ok(None) };
    let Some(address) = account.email else { return Ok(None) };
    if let Some(change) = Change::parse(&job.kind) {
        return Ok(Some((address, Letter::Changed(change))));
    }
    if job.kind != RESET || account.disabled_at.is_some() || account.password_hash.is_none() {
        return Ok(None);
    }
    let mut transaction = app.store.begin().await?;
    // The cause has been logged already.
    let token = add_reset(&mut *transaction, user, app.clock.now()).await.map_err(|_| StoreError::Busy)?;
    transaction.commit().await?;
    let link = Link(reset_url(&app.config.server.public_url, &token));
    Ok(Some((address, Letter::Reset { link, minutes: GOOD_FOR.as_secs() / 60 })))
}

impl MailError {
    /// Returns whether a retry cannot succeed.
    const fn is_permanent(self) -> bool {
        match self {
            Self::Refused(code) => code >= 500,
            Self::NoAddress => true,
            Self::Unreachable | Self::TooSlow | Self::Tls | Self::Unexpected => false,
        }
    }
}
