use std::time::Duration;

use serde::{Deserialize, Serialize};

/// `[sign_in]`: sign-in.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SignInConfig {
    /// Whether clinic staff must use two-factor authentication.
    pub second_factor: SecondFactor,
    /// Idle timeout of a session, in minutes. A visit counts as use.
    pub idle_minutes: u32,
    /// Absolute lifetime of a session, in hours.
    pub session_hours: u32,
    /// Number of concurrent password checks. Each takes 46 MiB of memory and about 50 ms of CPU time.
    pub password_workers: usize,
}

/// Two-factor authentication policy.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SecondFactor {
    /// Optional for all users: a code or a passkey.
    #[default]
    Offered,
    /// Required for clinic staff: a code or a passkey. Optional for patients.
    Required,
}

impl Default for SignInConfig {
    fn default() -> Self {
        Self { second_factor: SecondFactor::Offered, idle_minutes: 30, session_hours: 12, password_workers: 1 }
    }
}

impl SignInConfig {
    /// Returns the idle timeout of a session.
    #[must_use]
    pub fn idle(&self) -> Duration {
        Duration::from_secs(u64::from(self.idle_minutes) * 60)
    }

    /// Returns the absolute lifetime of a session.
    #[must_use]
    pub fn absolute(&self) -> Duration {
        Duration::from_secs(u64::from(self.session_hours) * 3600)
    }

    pub(super) fn validate(&self) -> Result<(), String> {
        if !(1..=24 * 60).contains(&self.idle_minutes) {
            return Err("sign_in.idle_minutes: must be 1 to 1440".to_owned());
        }
        if !(1..=24 * 30).contains(&self.session_hours) {
            return Err("sign_in.session_hours: must be 1 to 720".to_owned());
        }
        if !(1..=64).contains(&self.password_workers) {
            return Err("sign_in.password_workers: must be 1 to 64".to_owned());
        }
        Ok(())
    }
}
