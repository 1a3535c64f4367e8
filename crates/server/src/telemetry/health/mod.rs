//! Health of each component, for load balancers, monitoring and the log.
//!
//! `/livez` reports that the process responds, `/readyz` whether the instance accepts new visits, `/healthz` the
//! details.

mod checks;
mod page;

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::sync::Mutex;
use tokio::time::Instant;

pub(crate) use page::{live, ready, report};

use crate::app::App;
use crate::app::blocking::Aside;

/// How long a report is cached, so that frequent requests do not cause more frequent database writes and disk checks.
const FRESH_FOR: Duration = Duration::from_secs(1);
/// Interval of health checks without requests, so that changes are logged.
pub(crate) const LOOKED_AT_EVERY: Duration = Duration::from_secs(15);
/// Time limit for each check of the store or the disk.
const TIME_LIMIT: Duration = Duration::from_secs(2);

/// Status of a component.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Status {
    Ok,
    /// The component works, but needs an operator's attention.
    Degraded,
    /// The component does not work, and the instance does not accept new visits.
    Failing,
}

impl Status {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Degraded => "degraded",
            Self::Failing => "failing",
        }
    }
}

/// Result of one check.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Check {
    pub(crate) name: &'static str,
    pub(crate) status: Status,
    /// Description of the fault, for operators.
    pub(crate) detail: Option<String>,
    pub(crate) more: Vec<(&'static str, Value)>,
}

impl Check {
    fn new(name: &'static str, status: Status, detail: impl Into<Option<String>>) -> Self {
        Self { name, status, detail: detail.into(), more: vec![] }
    }

    fn with(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.more.push((name, value.into()));
        self
    }

    /// Returns a numeric value of the check by name.
    pub(crate) fn number(&self, name: &str) -> Option<f64> {
        self.more.iter().find(|(known, _)| *known == name).and_then(|(_, value)| value.as_f64())
    }
}

/// Results of all checks.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Report {
    pub(crate) checks: Vec<Check>,
}

impl Report {
    fn worst(&self) -> Status {
        self.checks.iter().map(|check| check.status).max().unwrap_or(Status::Ok)
    }

    pub(crate) fn check(&self, name: &str) -> Option<&Check> {
        self.checks.iter().find(|check| check.name == name)
    }

    fn to_json(&self, word: &str) -> Value {
        let checks = self.checks.iter().map(|check| {
            let mut entry = Map::new();
            entry.insert("status".to_owned(), check.status.as_str().into());
            if let Some(detail) = &check.detail {
                entry.insert("detail".to_owned(), detail.as_str().into());
            }
            entry.extend(check.more.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
            (check.name.to_owned(), Value::Object(entry))
        });
        json!({ "status": word, "checks": checks.collect::<Map<_, _>>() })
    }
}

/// Caches the latest report.
pub(crate) struct Health {
    latest: Mutex<Option<(Instant, Arc<Report>)>>,
    said: std::sync::Mutex<BTreeMap<&'static str, Status>>,
    disk: Aside,
}

impl Default for Health {
    fn default() -> Self {
        let disk = Aside::new("bedside-disk", TIME_LIMIT);
        Self { latest: Mutex::default(), said: std::sync::Mutex::default(), disk }
    }
}

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
