//! Individual health checks.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bedside_store::{Store, StoreError};
use bedside_visit::Timestamp;
use tokio::time::timeout;

use super::{Check, Status};
use crate::app::App;
use crate::app::blocking::BlockingThread;
use crate::app::tasks::{TaskReport, TaskState};
use crate::audit::HeadState;
use crate::media::Media;
use crate::text::rfc3339_exact;
use crate::tls::Shown;

/// Free disk space in bytes below which the status is degraded.
const LITTLE_SPACE: u64 = 256 * 1024 * 1024;
/// Free disk space in bytes below which the database cannot be relied on to accept writes.
const NO_SPACE: u64 = 1024 * 1024;
/// How long writing audit log heads may fail before it is reported. They are written once a minute.
const HEADS_LATE_AFTER: Duration = Duration::from_secs(150);
/// How long before its expiry a certificate should have been renewed.
const RENEW_BEFORE: Duration = Duration::from_secs(7 * 24 * 3600);

/// Checks the store with an actual write.
pub(super) async fn store(store: &dyn Store, limit: Duration) -> Check {
    let failing = |detail: String| Check::new("store", Status::Failing, detail);
    match timeout(limit, store.check_writable()).await {
        Ok(Ok(())) => Check::new("store", Status::Ok, None),
        Ok(Err(StoreError::Busy)) => failing("the database is locked by another process".to_owned()),
        Ok(Err(error)) => failing(error.to_string()),
        Err(_) => failing(format!("the database did not complete a write within {} seconds", limit.as_secs())),
    }
}

/// Checks the free disk space for the database.
pub(super) async fn disk(blocking: &BlockingThread, app: &App) -> Check {
    let folder = app.config.database.path.parent().filter(|folder| *folder != Path::new("")).map(Path::to_owned);
    let folder = folder.unwrap_or_else(|| PathBuf::from("."));
    let free = blocking.run(move || rustix::fs::statvfs(&folder).map(|disk| disk.f_bavail * disk.f_frsize)).await;
    match free {
        Ok(Ok(free)) => of_space(free),
        Ok(Err(error)) => Check::new("disk", Status::Degraded, format!("free space is unknown: {error}")),
        Err(error) => Check::new("disk", Status::Failing, format!("the disk does not respond: {error}")),
    }
}

fn of_space(free: u64) -> Check {
    let (status, detail) = match free {
        ..NO_SPACE => (Status::Failing, Some("no disk space left for the database".to_owned())),
        NO_SPACE..LITTLE_SPACE => (Status::Degraded, Some("disk space for the database is low".to_owned())),
        LITTLE_SPACE.. => (Status::Ok, None),
    };
    Check::new("disk", status, detail).with("free_bytes", free)
}

pub(super) fn media(media: &Media) -> Check {
    let workers = media.workers();
    let running = workers.iter().filter(|worker| worker.runs).count();
    let down = workers.len() - running;
    let detail =
        (down > 0).then(|| format!("{down} of {} media workers have failed: restart the server", workers.len()));
    let status = if down > 0 { Status::Failing } else { Status::Ok };
    Check::new("media", status, detail).with("workers", workers.len()).with("running", running)
}

pub(super) fn tasks(tasks: &[TaskReport]) -> Check {
    let status = |state: TaskState| match state {
        TaskState::Running => Status::Ok,
        TaskState::Restarted => Status::Degraded,
        TaskState::Stalled | TaskState::Down => Status::Failing,
    };
    let worst = tasks.iter().map(|task| status(task.state)).max().unwrap_or(Status::Ok);
    let wrong: Vec<String> = tasks
        .iter()
        .filter(|task| status(task.state) != Status::Ok)
        .map(|task| format!("background task {}: {}", task.name, task.state.as_str()))
        .collect();
    let restarts: u64 = tasks.iter().map(|task| task.restarts).sum();
    let detail = (!wrong.is_empty()).then(|| wrong.join(", "));
    Check::new("tasks", worst, detail).with("restarts", restarts)
}

pub(super) fn audit_heads(state: &HeadState, now: Timestamp) -> Check {
    let late = state.failing_for.is_some_and(|failing| failing > HEADS_LATE_AFTER);
    let detail = match (&state.fault, state.missing) {
        (Some(fault), _) if late => Some(format!("audit log heads are not being written: {fault}")),
        (_, Some(missing)) => Some(format!(
            "{missing} lines of the audit log are signed but missing from the database: run `bedside audit verify`"
        )),
        (Some(_) | None, None) => None,
    };
    let status = if detail.is_some() { Status::Degraded } else { Status::Ok };
    let check = Check::new("audit_heads", status, detail);
    match state.kept_at {
        Some(at) => check.with("last_kept", rfc3339_exact(at)).with("age_seconds", now.since(at).as_secs()),
        None => check,
    }
}

pub(super) fn certificate(shown: &Shown, now: Timestamp) -> Check {
    let Some(not_after) = shown.not_after() else {
        return match shown.wanted() {
            true => Check::new("certificate", Status::Failing, "there is no certificate yet".to_owned()),
            false => Check::new("certificate", Status::Ok, None),
        };
    };
    let left = not_after.since(now);
    let (status, detail) = if left.is_zero() {
        (Status::Failing, Some(format!("the certificate expired on {}", rfc3339_exact(not_after))))
    } else if left < RENEW_BEFORE {
        (Status::Degraded, Some(format!("the certificate expires on {}", rfc3339_exact(not_after))))
    } else {
        (Status::Ok, None)
    };
    Check::new("certificate", status, detail)
        .with("not_after", rfc3339_exact(not_after))
        .with("not_after_seconds", not_after.as_millis() / 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn space_that_runs_out_is_said_before_it_is_gone() {
        for (free, status) in [
            (0, Status::Failing),
            (NO_SPACE - 1, Status::Failing),
            (NO_SPACE, Status::Degraded),
            (LITTLE_SPACE - 1, Status::Degraded),
            (LITTLE_SPACE, Status::Ok),
        ] {
            assert_eq!(of_space(free).status, status, "{free}");
        }
    }

    #[test]
    fn a_task_that_is_down_is_named() {
        let task = |state| TaskReport { name: "rights", state, restarts: 1 };
        for (state, status) in [
            (TaskState::Running, Status::Ok),
            (TaskState::Restarted, Status::Degraded),
            (TaskState::Stalled, Status::Failing),
            (TaskState::Down, Status::Failing),
        ] {
            let check = tasks(&[task(TaskState::Running), task(state)]);
            assert_eq!(check.status, status);
            assert_eq!(check.detail.is_some_and(|detail| detail.contains("rights")), status != Status::Ok);
        }
    }

    #[test]
    fn a_certificate_is_announced_before_it_expires() {
        let (now, day) = (Timestamp::from_millis(1_790_000_000_000), Duration::from_secs(24 * 3600));
        let of = |not_after: Option<Timestamp>, wanted| {
            let shown = Shown::new(wanted);
            if let Some(at) = not_after {
                shown.set(at);
            }
            certificate(&shown, now).status
        };
        assert_eq!(of(None, false), Status::Ok);
        assert_eq!(of(None, true), Status::Failing);
        assert_eq!(of(Some(now + day * 30), true), Status::Ok);
        assert_eq!(of(Some(now + day * 6), true), Status::Degraded);
        assert_eq!(of(Some(now), true), Status::Failing);
    }

    #[test]
    fn heads_that_are_not_kept_are_said_after_a_while() {
        let (now, minute) = (Timestamp::from_millis(1_790_000_000_000), Duration::from_secs(60));
        let state = |failing_for, missing| HeadState {
            kept_at: Some(now),
            failing_for,
            fault: failing_for.map(|_| "no answer".to_owned()),
            missing,
        };
        assert_eq!(audit_heads(&state(None, None), now).status, Status::Ok);
        assert_eq!(audit_heads(&state(Some(minute), None), now).status, Status::Ok);
        assert_eq!(audit_heads(&state(Some(minute * 3), None), now).status, Status::Degraded);
        assert_eq!(audit_heads(&state(None, Some(7)), now).status, Status::Degraded);
    }
}
