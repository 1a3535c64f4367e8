use std::time::Duration;

use serde::{Deserialize, Serialize};

/// `[sign_in]`: how people sign in.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SignInConfig {
    /// Whether those who work at the clinic must have a second factor.
    pub second_factor: SecondFactor,
    /// Minutes after which a session that nobody used ends. A visit counts as use.
    pub idle_minutes: u32,
    /// Hours after which a session ends in any case.
    pub session_hours: u32,
    /// Password checks at a time. Each takes 46 MiB and about 50 ms of a core.
    pub password_workers: usize,
}

/// What is asked for beside a password.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SecondFactor {
    /// A code or a passkey, from whoever wants to have one.
    #[default]
    Offered,
    /// A code or a passkey, from everybody who works at the clinic. Patients are asked for none.
    Required,
}

impl Default for SignInConfig {
    fn default() -> Self {
        Self { second_factor: SecondFactor::Offered, idle_minutes: 30, session_hours: 12, password_workers: 1 }
    }
}

impl SignInConfig {
    /// How long a session lives unused.
    #[must_use]
    pub fn idle(&self) -> Duration {
        Duration::from_secs(u64::from(self.idle_minutes) * 60)
    }

    /// How long a session lives.
    #[must_use]
    pub fn absolute(&self) -> Duration {
        Duration::from_secs(u64::from(self.session_hours) * 3600)
    }

    pub(super) fn validate(&self) -> Result<(), String> {
        if !(1..=24 * 60).contains(&self.idle_minutes) {
            return Err("sign_in.idle_minutes: give 1 to 1440 minutes".to_owned());
        }
        if !(1..=24 * 30).contains(&self.session_hours) {
            return Err("sign_in.session_hours: give 1 to 720 hours".to_owned());
        }
        if !(1..=64).contains(&self.password_workers) {
            return Err("sign_in.password_workers: give 1 to 64".to_owned());
        }
        Ok(())
    }
}
