//! Sign-in to the demo clinic.

use bedside_visit::AppointmentId;

use super::SecretToken;

/// Signs in as the demo's provider with the printed link. Exists in demo mode only.
#[derive(Debug, Clone)]
pub struct DemoSignIn {
    pub(crate) token: SecretToken,
    appointment: AppointmentId,
}

impl DemoSignIn {
    pub(crate) const fn new(token: SecretToken, appointment: AppointmentId) -> Self {
        Self { token, appointment }
    }

    /// Returns the demo's appointment if the token is valid. Compares hashes, so that timing reveals nothing about the
    /// secret.
    pub(crate) fn open(&self, token: &str) -> Option<AppointmentId> {
        let token = SecretToken::parse(token)?;
        (token.hash() == self.token.hash()).then_some(self.appointment)
    }
}
