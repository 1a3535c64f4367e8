use std::time::Duration;

use bedside_store::Terms;
use bedside_visit::{CallBackend, TermsId, VisitRules};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// `[visits]`: visits.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct VisitsConfig {
    /// Minutes before the start at which a patient may enter the waiting room.
    pub early_minutes: u32,
    /// Minutes after the planned end until which participants may still join.
    pub late_minutes: u32,
    /// Seconds for which an absent patient is called before the provider is asked what to do.
    pub ring_seconds: u32,
    /// Seconds for which the place of a disconnected participant is held.
    pub seat_held_seconds: u32,
    /// Call backend of new appointments: `embedded`, or `cometchat` if an account is configured. A provider can move a
    /// call to the other backend at any time.
    pub call_backend: CallBackend,
    /// Terms for video visits to which patients are asked to consent in the waiting room, at most 2,000 characters.
    /// Absent: patients are not asked. A patient who does not consent can still use everything: the provider is
    /// informed and decides. After a change of the text, patients are asked again.
    pub consent_text: Option<String>,
    /// Language of `consent_text` (BCP 47).
    pub consent_language: String,
}

impl Default for VisitsConfig {
    fn default() -> Self {
        Self {
            early_minutes: 60,
            late_minutes: 240,
            ring_seconds: 45,
            seat_held_seconds: 600,
            call_backend: CallBackend::Embedded,
            consent_text: None,
            consent_language: "en".to_owned(),
        }
    }
}

impl VisitsConfig {
    /// Returns the rules for the visit state machine.
    #[must_use]
    pub fn rules(&self, cometchat: bool) -> VisitRules {
        VisitRules {
            early: Duration::from_secs(u64::from(self.early_minutes) * 60),
            late: Duration::from_secs(u64::from(self.late_minutes) * 60),
            ring: Duration::from_secs(self.ring_seconds.into()),
            seat_held: Duration::from_secs(self.seat_held_seconds.into()),
            cometchat,
            terms: self.terms().map(|terms| terms.id),
        }
    }

    /// Returns the terms that patients are asked to consent to.
    #[must_use]
    pub fn terms(&self) -> Option<Terms> {
        let text = self.consent_text.as_ref()?.trim().to_owned();
        let language = self.consent_language.clone();
        let hash: [u8; 32] = Sha256::digest(format!("{language}\n{text}")).into();
        let (half, _) = hash.split_first_chunk::<16>()?;
        Some(Terms { id: TermsId::new(*half), language, text })
    }

    pub(super) fn validate(&self) -> Result<(), String> {
        let week = 7 * 24 * 60;
        if self.early_minutes > week || self.late_minutes > week {
            return Err("visits.early_minutes, visits.late_minutes: must be at most a week (10080)".to_owned());
        }
        if !(1..=3600).contains(&self.ring_seconds) {
            return Err("visits.ring_seconds: must be 1 to 3600".to_owned());
        }
        if !(30..=86_400).contains(&self.seat_held_seconds) {
            return Err("visits.seat_held_seconds: must be 30 to 86400".to_owned());
        }
        if self.consent_text.as_ref().is_some_and(|text| text.trim().is_empty() || text.chars().count() > 2_000) {
            return Err("visits.consent_text: must have 1 to 2000 characters, or be absent".to_owned());
        }
        let tag = |c: char| c.is_ascii_alphanumeric() || c == '-';
        if self.consent_language.len() < 2
            || self.consent_language.len() > 35
            || !self.consent_language.chars().all(tag)
        {
            return Err("visits.consent_language: must be a language tag such as \"en\" or \"es-MX\"".to_owned());
        }
        Ok(())
    }
}
