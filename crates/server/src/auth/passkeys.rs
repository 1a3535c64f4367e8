//! Passkeys (WebAuthn Level 3): a key on a person's device, which the device uses after it has recognised them. So it is
//! something they have and something they know or are: both factors.

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

use super::{HalfDone, SecretToken};
use crate::error::Error;

/// How long a person and their device may take.
const GOOD_FOR: Duration = Duration::from_secs(5 * 60);

/// Asks devices for keys, and checks what they answer.
pub(crate) struct Passkeys {
    webauthn: Webauthn,
    adding: HalfDone<(UserId, PasskeyRegistration)>,
    signing_in: HalfDone<DiscoverableAuthentication>,
}

/// Why a passkey's answer lets nobody in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PasskeyFault {
    /// The signature is not this key's, or is for another question or another site.
    Proof,
    /// The counter of a key that cannot be copied has not risen: there may be a copy (WebAuthn Level 3, section 6.1.1).
    Counter,
    /// The device did not recognise its user.
    NotVerified,
}

impl PasskeyFault {
    /// The code in the audit log.
    pub(crate) const fn code(self) -> &'static str {
        match self {
            Self::Proof => "proof",
            Self::Counter => "counter",
            Self::NotVerified => "not_verified",
        }
    }
}

/// A key that has answered rightly, as it is from now on.
pub(crate) struct Answered {
    /// For the database.
    pub(crate) credential: String,
}

/// What the browser signed (WebAuthn Level 3, section 5.8.1).
#[derive(Deserialize)]
struct ClientData {
    challenge: String,
}

/// A question as the browser's answer names it.
fn question(challenge: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(challenge)
}

impl Passkeys {
    /// For the origin of our pages. `None`: it is an address of numbers, for which there are none.
    pub(crate) fn new(public_url: &str, host: &str, clinic: &str) -> Option<Self> {
        let origin = Url::parse(public_url).ok()?;
        let webauthn = WebauthnBuilder::new(host, &origin).ok()?.rp_name(clinic).timeout(GOOD_FOR).build().ok()?;
        Some(Self { webauthn, adding: HalfDone::new(GOOD_FOR), signing_in: HalfDone::new(GOOD_FOR) })
    }

    /// What a browser is to ask a device for, so that it makes a key that `known` are none of.
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
        // The device is to find it by itself: nobody types a name.
        if let Some(selection) = &mut asked.public_key.authenticator_selection {
            selection.resident_key = Some(ResidentKeyRequirement::Required);
            selection.require_resident_key = true;
        }
        Ok((asked, self.adding.begin((user, state), now)?))
    }

    /// The new key of `user`: its identifier, and what the database keeps. `None`: what came proves nothing.
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

    /// What a browser is to ask any device for that has a key of anybody's.
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
        // There is a button: it is not the form's field that offers the keys.
        asked.mediation = None;
        let question = question(asked.public_key.challenge.as_ref());
        let token = self.signing_in.begin_attempt(browser, &question, state, now)?;
        Ok((asked, token))
    }

    /// The question that a browser brings an answer to. It is answered once. Several tabs have one each.
    pub(crate) fn asked(
        &self,
        token: &SecretToken,
        answer: &PublicKeyCredential,
        now: Timestamp,
    ) -> Option<DiscoverableAuthentication> {
        let said: ClientData = serde_json::from_slice(answer.response.client_data_json.as_ref()).ok()?;
        self.signing_in.take_attempt(token, &said.challenge, now)
    }

    /// Whose key it says it is.
    pub(crate) fn named(&self, answer: &PublicKeyCredential) -> Option<UserId> {
        let (user, _): (Uuid, _) = self.webauthn.identify_discoverable_authentication(answer).ok()?;
        Some(UserId::new(user))
    }

    /// Checks that an answer is that of the key in the database.
    ///
    /// A key that may be backed up lives on several devices, and its counter says nothing: password managers send 0, or
    /// begin anew when it moves to another manager (WebAuthn Level 3, section 6.1.1 and 6.1.3).
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

    /// Forgets what was not answered.
    pub(crate) fn sweep(&self, now: Timestamp) {
        self.adding.sweep(now);
        self.signing_in.sweep(now);
    }
}
