//! Passkeys (WebAuthn Level 3): a key on a person's device, which the device uses after it has recognised them. So it is
//! something they have and something they know or are: both factors.

use std::time::Duration;

use bedside_visit::{Timestamp, UserId};
use webauthn_rs::prelude::{
    CreationChallengeResponse, DiscoverableAuthentication, DiscoverableKey, Passkey, PasskeyRegistration,
    PublicKeyCredential, RegisterPublicKeyCredential, RequestChallengeResponse, Url, Uuid,
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

/// A key that has answered rightly, as it is from now on.
pub(crate) struct Answered {
    /// For the database.
    pub(crate) credential: String,
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
    pub(crate) fn begin_sign_in(&self, now: Timestamp) -> Result<(RequestChallengeResponse, SecretToken), Error> {
        let begun = self.webauthn.start_discoverable_authentication();
        let (mut asked, state) = begun.map_err(|_| Error::Internal)?;
        // There is a button: it is not the form's field that offers the keys.
        asked.mediation = None;
        Ok((asked, self.signing_in.begin(state, now)?))
    }

    /// The question that a browser brings an answer to. It is answered once.
    pub(crate) fn asked(&self, token: &SecretToken, now: Timestamp) -> Option<DiscoverableAuthentication> {
        self.signing_in.take(token, now)
    }

    /// Whose key it says it is.
    pub(crate) fn named(&self, answer: &PublicKeyCredential) -> Option<UserId> {
        let (user, _): (Uuid, _) = self.webauthn.identify_discoverable_authentication(answer).ok()?;
        Some(UserId::new(user))
    }

    /// Whether an answer is that of the key in the database. `None`: it is not, or somebody has a copy of the key: its
    /// counter has gone back.
    pub(crate) fn check(
        &self,
        asked: DiscoverableAuthentication,
        answer: &PublicKeyCredential,
        credential: &str,
    ) -> Option<Answered> {
        let mut passkey: Passkey = serde_json::from_str(credential).ok()?;
        let key = DiscoverableKey::from(&passkey);
        let result = self.webauthn.finish_discoverable_authentication_v2(answer, asked, &key).ok()?;
        passkey.update_credential(&result)?;
        result
            .user_verified()
            .then(|| serde_json::to_string(&passkey).ok())
            .flatten()
            .map(|credential| Answered { credential })
    }

    /// Forgets what was not answered.
    pub(crate) fn sweep(&self, now: Timestamp) {
        self.adding.sweep(now);
        self.signing_in.sweep(now);
    }
}
