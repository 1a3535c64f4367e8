//! Passkeys (WebAuthn Level 3): a key that the device uses only after user verification. A passkey therefore counts as
//! both factors: something the user has, and something the user knows or is.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bedside_visit::{Timestamp, UserId};
use serde::Deserialize;
use webauthn_rs::prelude::{
    CreationChallengeResponse, DiscoverableAuthentication, DiscoverableKey, Passkey, PasskeyRegistration,
    PublicKeyCredential, RegisterPublicKeyCredential, RequestChallengeResponse, Url, Uuid, WebauthnError,
};
use webauthn_rs::{Webauthn, WebauthnBuilder};
use webauthn_rs_proto::ResidentKeyRequirement;

use super::{PendingFlows, SecretToken};
use crate::http::error::Error;

/// Time limit for a WebAuthn ceremony.
const GOOD_FOR: Duration = Duration::from_secs(5 * 60);

/// Creates WebAuthn challenges and verifies the responses.
pub(crate) struct Passkeys {
    webauthn: Webauthn,
    adding: PendingFlows<(UserId, PasskeyRegistration)>,
    signing_in: PendingFlows<DiscoverableAuthentication>,
}

/// Reason that a passkey assertion is rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PasskeyFault {
    /// The signature is not from this key, or is for another challenge or another origin.
    Proof,
    /// The signature counter of a key that cannot be backed up did not increase, so the key may have been cloned
    /// (WebAuthn Level 3, section 6.1.1).
    Counter,
    /// The device did not verify its user.
    NotVerified,
}

impl PasskeyFault {
    /// Returns the code for the audit log.
    pub(crate) const fn code(self) -> &'static str {
        match self {
            Self::Proof => "proof",
            Self::Counter => "counter",
            Self::NotVerified => "not_verified",
        }
    }
}

/// A verified passkey with its updated state.
pub(crate) struct Answered {
    /// Serialized credential, to be stored in the database.
    pub(crate) credential: String,
}

/// Collected client data (WebAuthn Level 3, section 5.8.1).
#[derive(Deserialize)]
struct ClientData {
    challenge: String,
}

/// Encodes a challenge as it appears in the browser's response.
fn question(challenge: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(challenge)
}

impl Passkeys {
    /// Creates the relying party for the public origin. `None` for IP-address hosts, which WebAuthn does not allow.
    pub(crate) fn new(public_url: &str, host: &str, clinic: &str) -> Option<Self> {
        let origin = Url::parse(public_url).ok()?;
        let webauthn = WebauthnBuilder::new(host, &origin).ok()?.rp_name(clinic).timeout(GOOD_FOR).build().ok()?;
        Some(Self { webauthn, adding: PendingFlows::new(GOOD_FOR), signing_in: PendingFlows::new(GOOD_FOR) })
    }

    /// Begins the registration of a new passkey. Authenticators that hold one of the `known` credentials are excluded.
    ///
    /// # Errors
    /// [`Error::Internal`] if there is no randomness.
    pub(crate) fn begin_adding(
        &self,
        user: UserId,
        account: &str,
        name: &str,
        known: &[Vec<u8>],
        now: Timestamp,
    ) -> Result<(CreationChallengeResponse, SecretToken), Error> {
        let known = known.to_vec();
        let begun = self.webauthn.start_passkey_registration(user.uuid(), account, name, Some(known));
        let (mut asked, state) = begun.map_err(|_| Error::Internal)?;
        // Requires a discoverable credential, because the sign-in has no user name.
        if let Some(selection) = &mut asked.public_key.authenticator_selection {
            selection.resident_key = Some(ResidentKeyRequirement::Required);
            selection.require_resident_key = true;
        }
        Ok((asked, self.adding.begin((user, state), now)?))
    }

    /// Finishes the registration and returns the credential's identifier and its serialized form. `None` if the
    /// response is invalid.
    pub(crate) fn finish_adding(
        &self,
        token: &SecretToken,
        user: UserId,
        answer: &RegisterPublicKeyCredential,
        now: Timestamp,
    ) -> Option<(Vec<u8>, String)> {
        let (asked, state) = self.adding.take(token, now)?;
        let passkey = self.webauthn.finish_passkey_registration(answer, &state).ok().filter(|_| asked == user)?;
        Some((passkey.cred_id().to_vec(), serde_json::to_string(&passkey).ok()?))
    }

    /// Begins a sign-in with any discoverable credential.
    ///
    /// # Errors
    /// [`Error::Internal`] if there is no randomness.
    pub(crate) fn begin_sign_in(
        &self,
        browser: Option<SecretToken>,
        now: Timestamp,
    ) -> Result<(RequestChallengeResponse, SecretToken), Error> {
        let begun = self.webauthn.start_discoverable_authentication();
        let (mut asked, state) = begun.map_err(|_| Error::Internal)?;
        // The sign-in has its own button and does not use conditional mediation (form autofill).
        asked.mediation = None;
        let question = question(asked.public_key.challenge.as_ref());
        let token = self.signing_in.begin_attempt(browser, &question, state, now)?;
        Ok((asked, token))
    }

    /// Takes the pending challenge that a response answers. Each challenge can be answered once. Each browser tab has
    /// its own.
    pub(crate) fn asked(
        &self,
        token: &SecretToken,
        answer: &PublicKeyCredential,
        now: Timestamp,
    ) -> Option<DiscoverableAuthentication> {
        let said: ClientData = serde_json::from_slice(answer.response.client_data_json.as_ref()).ok()?;
        self.signing_in.take_attempt(token, &said.challenge, now)
    }

    /// Returns the user that the response claims to identify.
    pub(crate) fn named(&self, answer: &PublicKeyCredential) -> Option<UserId> {
        let (user, _): (Uuid, _) = self.webauthn.identify_discoverable_authentication(answer).ok()?;
        Some(UserId::new(user))
    }

    /// Verifies an assertion against the stored credential.
    ///
    /// The counter of a credential that is eligible for backup is ignored: password managers send 0, or restart it when
    /// the credential moves to another manager (WebAuthn Level 3, sections 6.1.1 and 6.1.3).
    ///
    /// # Errors
    /// [`PasskeyFault`].
    pub(crate) fn check(
        &self,
        asked: DiscoverableAuthentication,
        answer: &PublicKeyCredential,
        credential: &str,
    ) -> Result<Answered, PasskeyFault> {
        let mut stored: serde_json::Value = serde_json::from_str(credential).map_err(|_| PasskeyFault::Proof)?;
        if stored["cred"]["backup_eligible"] == true {
            stored["cred"]["counter"] = 0.into();
        }
        let mut passkey: Passkey = serde_json::from_value(stored).map_err(|_| PasskeyFault::Proof)?;
        let key = DiscoverableKey::from(&passkey);
        let result = match self.webauthn.finish_discoverable_authentication_v2(answer, asked, &key) {
            Ok(result) => result,
            Err(WebauthnError::CredentialPossibleCompromise) => return Err(PasskeyFault::Counter),
            Err(_) => return Err(PasskeyFault::Proof),
        };
        if !result.user_verified() {
            return Err(PasskeyFault::NotVerified);
        }
        passkey.update_credential(&result).ok_or(PasskeyFault::Proof)?;
        let credential = serde_json::to_string(&passkey).map_err(|_| PasskeyFault::Proof)?;
        Ok(Answered { credential })
    }

    /// Removes expired challenges.
    pub(crate) fn sweep(&self, now: Timestamp) {
        self.adding.sweep(now);
        self.signing_in.sweep(now);
    }
}
