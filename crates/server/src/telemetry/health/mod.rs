//! Health of each component, for load balancers, monitoring and the log.
//!
//! `/livez` reports that the process responds, `/readyz` whether the instance accepts new visits, `/healthz` the
//! details.

mod checks;
mod page;
mod report;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::sync::Mutex;
use tokio::time::Instant;

pub(crate) use page::{live, ready, report};

use crate::app::blocking::BlockingThread;

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
    disk: BlockingThread,
}

impl Default for Health {
    fn default() -> Self {
        let disk = BlockingThread::new("bedside-disk", TIME_LIMIT);
        Self { latest: Mutex::default(), said: std::sync::Mutex::default(), disk }
    }
}
