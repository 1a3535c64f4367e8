//! Makes a report, and logs changes.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::{Health, Report, Status, TIME_LIMIT, checks};
use crate::app::App;

/// How long a report is cached, so that frequent requests do not cause more frequent database writes and disk checks.
const FRESH_FOR: Duration = Duration::from_secs(1);

impl Health {
    /// Returns a report that is at most a second old. Concurrent callers wait for the same report.
    pub(crate) async fn report(&self, app: &App) -> Arc<Report> {
        let mut latest = self.latest.lock().await;
        if let Some((at, report)) = &*latest
            && at.elapsed() < FRESH_FOR
        {
            return Arc::clone(report);
        }
        let report = Arc::new(self.look(app).await);
        *latest = Some((Instant::now(), Arc::clone(&report)));
        drop(latest);
        self.say(app, &report);
        report
    }

    async fn look(&self, app: &App) -> Report {
        let (store, disk) = tokio::join!(checks::store(&*app.store, TIME_LIMIT), checks::disk(&self.disk, app));
        Report {
            checks: vec![
                store,
                disk,
                checks::media(&app.media),
                checks::tasks(&app.tasks.reports()),
                checks::audit_heads(&app.heads.state(), app.clock.now()),
                checks::certificate(&app.certificate, app.clock.now()),
            ],
        }
    }

    /// Logs status changes.
    fn say(&self, app: &App, report: &Report) {
        let file = app.config.database.path.display();
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        for check in &report.checks {
            let before = said.insert(check.name, check.status).unwrap_or(Status::Ok);
            let (name, detail) = (check.name, check.detail.as_deref().unwrap_or_default());
            match check.status {
                status if status == before => {}
                Status::Ok => tracing::info!(check = name, "health check passes again"),
                Status::Degraded => tracing::warn!(check = name, detail, database = %file, "health check degraded"),
                Status::Failing => tracing::error!(check = name, detail, database = %file, "health check failing"),
            }
        }
    }
}
