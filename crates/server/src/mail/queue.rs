//! Mails wait in the database until they are sent: what was promised is kept across a restart.

use std::collections::HashSet;
use std::time::Duration;

use bedside_store::{MailJob, StoreError, Transaction};
use bedside_visit::{EmailAddress, Timestamp, UserId};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use uuid::Uuid;

use super::{Change, Letter, Link, MailError, Mailer};
use crate::app::App;
use crate::clock::fresh_id;
use crate::metrics::Mailed;
use crate::resets::{GOOD_FOR, add_reset, reset_url};
use crate::tasks::Beat;

/// How often is looked for mails that are due.
const EVERY: Duration = Duration::from_millis(500);
/// So many are sent at once; what is beyond waits.
const AT_ONCE: usize = 8;
/// The first wait of a mail that was not taken. Each further one doubles it.
const FIRST_WAIT: Duration = Duration::from_secs(30);
const LONGEST_WAIT: Duration = Duration::from_secs(60 * 60);
/// How long sending is tried: after this, a link has no use to its user, and other mails are out of date.
const LINK_IN_TIME: Duration = Duration::from_secs(60 * 60);
const NEWS_IN_TIME: Duration = Duration::from_secs(24 * 60 * 60);

const RESET: &str = "reset";

/// Has a person told that something about their signing in changes, if mail is sent at all and they have an address.
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
    transaction.insert_mail(&job(Some(user), change.as_str(), app.clock.now())).await
}

/// Has a link to set a new password sent. `None`: nobody has that address, and it takes as long.
///
/// # Errors
/// If the database fails.
pub(crate) async fn send_reset(
    transaction: &mut dyn Transaction,
    user: Option<UserId>,
    now: Timestamp,
) -> Result<(), StoreError> {
    transaction.insert_mail(&job(user, RESET, now)).await
}

fn job(user: Option<UserId>, kind: &str, now: Timestamp) -> MailJob {
    MailJob { id: fresh_id(), user, kind: kind.to_owned(), created_at: now, tries: 0 }
}

/// Sends what is due, for as long as the program runs.
pub(crate) async fn send_due(app: App, mailer: Mailer, beat: Beat) {
    let mut every = tokio::time::interval(EVERY);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut sending, mut under_way) = (JoinSet::new(), HashSet::new());
    loop {
        every.tick().await;
        while let Some(done) = sending.try_join_next_with_id() {
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
        match app.store.list_due_mails(app.clock.now(), wanted).await {
            Ok(due) => {
                beat.beat();
                let known: HashSet<Uuid> = under_way.iter().map(|(_, mail)| *mail).collect();
                for mail in due.into_iter().filter(|mail| !known.contains(&mail.id)).take(room) {
                    let id = mail.id;
                    let task = sending.spawn(deliver(app.clone(), mailer.clone(), mail));
                    under_way.insert((task.id(), id));
                }
            }
            Err(error) => tracing::error!(%error, "cannot read the mails to send"),
        }
    }
}

async fn deliver(app: App, mailer: Mailer, mail: MailJob) {
    if let Err(error) = try_once(&app, &mailer, &mail).await {
        // It waits, and is tried again.
        tracing::error!(%error, mail = %mail.id, "database error on sending a mail");
    }
}

async fn try_once(app: &App, mailer: &Mailer, mail: &MailJob) -> Result<(), StoreError> {
    let Some((address, letter)) = write(app, mail).await? else { return forget(app, mail).await };
    let outcome = mailer.send(&address, &letter, app.clock.now()).await;
    let now = app.clock.now();
    let in_time = if mail.kind == RESET { LINK_IN_TIME } else { NEWS_IN_TIME };
    match outcome {
        Ok(()) => {
            app.metrics.mail(Mailed::Sent);
            forget(app, mail).await
        }
        Err(error) if error.is_permanent() || now.since(mail.created_at) >= in_time => {
            app.metrics.mail(Mailed::Failed);
            tracing::error!(%error, mail = %mail.id, kind = mail.kind, tries = mail.tries + 1, "mail given up");
            forget(app, mail).await
        }
        Err(error) => {
            app.metrics.mail(Mailed::Postponed);
            let wait = FIRST_WAIT.saturating_mul(1 << mail.tries.min(16)).min(LONGEST_WAIT);
            tracing::warn!(%error, mail = %mail.id, kind = mail.kind, wait = wait.as_secs(), "mail not sent, trying later");
            let mut transaction = app.store.begin().await?;
            transaction.postpone_mail(mail.id, now + wait).await?;
            transaction.commit().await
        }
    }
}

async fn forget(app: &App, mail: &MailJob) -> Result<(), StoreError> {
    let mut transaction = app.store.begin().await?;
    transaction.delete_mail(mail.id).await?;
    transaction.commit().await
}

/// To whom, and what. `None`: nobody is to get it any more.
async fn write(app: &App, mail: &MailJob) -> Result<Option<(EmailAddress, Letter)>, StoreError> {
    let Some(user) = mail.user else { return Ok(None) };
    let Some(account) = app.store.get_account_of(user).await? else { return Ok(None) };
    let Some(address) = account.email else { return Ok(None) };
    if let Some(change) = Change::parse(&mail.kind) {
        return Ok(Some((address, Letter::Changed(change))));
    }
    if mail.kind != RESET || account.disabled_at.is_some() || account.password_hash.is_none() {
        return Ok(None);
    }
    let mut transaction = app.store.begin().await?;
    // The cause is in the log by then.
    let token = add_reset(&mut *transaction, user, app.clock.now()).await.map_err(|_| StoreError::Busy)?;
    transaction.commit().await?;
    let link = Link(reset_url(&app.config.server.public_url, &token));
    Ok(Some((address, Letter::Reset { link, minutes: GOOD_FOR.as_secs() / 60 })))
}

impl MailError {
    /// Whether trying again cannot help.
    const fn is_permanent(self) -> bool {
        match self {
            Self::Refused(code) => code >= 500,
            Self::NoAddress => true,
            Self::Unreachable | Self::TooSlow | Self::Tls | Self::Unexpected => false,
        }
    }
}
