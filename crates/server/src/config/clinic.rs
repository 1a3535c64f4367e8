use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

/// `[clinic]`: the clinic that runs this server.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ClinicConfig {
    /// Name of the clinic, shown on every page.
    pub name: String,
    /// IANA time zone of the clinic, such as `Europe/Vienna`. `system` uses the time zone of the machine.
    pub time_zone: String,
}

impl Default for ClinicConfig {
    fn default() -> Self {
        Self { name: "Bedside".to_owned(), time_zone: "system".to_owned() }
    }
}

impl ClinicConfig {
    /// Returns the time zone in which times are formatted if the reader's is unknown.
    #[must_use]
    pub fn zone(&self) -> TimeZone {
        self.find_zone().unwrap_or(TimeZone::UTC)
    }

    fn find_zone(&self) -> Option<TimeZone> {
        match self.time_zone.as_str() {
            "system" => Some(TimeZone::try_system().unwrap_or(TimeZone::UTC)),
            name => TimeZone::get(name).ok(),
        }
    }

    pub(super) fn validate(&self) -> Result<(), String> {
        if self.name.trim().is_empty() || self.name.len() > 100 {
            return Err("clinic.name: must have 1 to 100 characters".to_owned());
        }
        if self.find_zone().is_none() {
            return Err(format!(
                "clinic.time_zone: unknown time zone {:?}; use an IANA name such as \"Europe/Vienna\"",
                self.time_zone
            ));
        }
        Ok(())
    }
}
