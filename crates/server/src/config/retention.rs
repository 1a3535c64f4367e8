use std::time::Duration;

use serde::{Deserialize, Serialize};

/// `[retention]`: data retention.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RetentionConfig {
    /// Days after an appointment until `bedside retention --apply` deletes its reason and the chat messages of its
    /// visits, 30 to 36500. Absent: nothing is deleted.
    pub days: Option<u32>,
}

impl RetentionConfig {
    /// Returns the retention period.
    #[must_use]
    pub fn keeps(&self) -> Option<Duration> {
        self.days.map(|days| Duration::from_secs(u64::from(days) * 24 * 60 * 60))
    }

    pub(super) fn validate(&self) -> Result<(), String> {
        if self.days.is_none_or(|days| (30..=36_500).contains(&days)) {
            Ok(())
        } else {
            Err("retention.days: must be 30 to 36500, or absent".to_owned())
        }
    }
}
