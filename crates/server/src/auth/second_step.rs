//! Two-factor authentication: time-based one-time passwords (TOTP, RFC 6238).

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bedside_store::SealedSecret;
use bedside_visit::{Timestamp, UserId};
use secrecy::zeroize::Zeroizing;
use totp_rs::{Builder, Secret, Totp};

use super::SecretToken;
use super::pending_flow::make_room;
use super::token::TokenHash;
use crate::http::error::Error;
use crate::keys::Sealer;
use crate::text::percent_encode;

/// Length of a TOTP secret, bytes (RFC 4226, section 4).
const SECRET: usize = 20;
/// How long a sign-in waits for its second factor, and how many attempts it allows.
const WAITS_FOR: Duration = Duration::from_secs(5 * 60);
/// How long a sign-in waits while the user sets up two-factor authentication, which may include installing an app.
const SETS_UP_FOR: Duration = Duration::from_secs(15 * 60);
const TRIES: u8 = 5;
/// Maximum number of pending sign-ins. Beyond it, the oldest must be restarted.
const WAITING: usize = 10_000;

/// Generates, seals and verifies TOTP secrets.
pub(crate) struct SecondStep {
    sealer: Sealer,
    waiting: Mutex<HashMap<TokenHash, Waiting>>,
}

#[derive(Debug, Clone)]
struct Waiting {
    waits: Waits,
    until: Timestamp,
    tries: u8,
}

/// A sign-in whose password was verified. The user is not authenticated until the second factor is verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Waits {
    pub(crate) user: UserId,
    /// Secret that the user must enrol first. `None` if the user already has a second factor.
    pub(crate) offered: Option<SealedSecret>,
}

/// A TOTP secret that is not enrolled yet.
pub(crate) struct Offered {
    /// The sealed secret, which the user confirms with a code.
    pub(crate) sealed: SealedSecret,
    /// The secret in base32, in groups of four, for manual entry into an app.
    pub(crate) typed: String,
    /// The `otpauth://` URI, for the QR code.
    pub(crate) address: String,
}

impl SecondStep {
    pub(crate) fn new(sealer: Sealer) -> Self {
        Self { sealer, waiting: Mutex::default() }
    }

    /// Generates a new secret for a user to enrol.
    ///
    /// # Errors
    /// [`Error::Internal`] if there is no randomness.
    pub(crate) fn offer(&self, user: UserId, account: &str, clinic: &str) -> Result<Offered, Error> {
        self.offer_again(user, self.draw(user)?, account, clinic).ok_or(Error::Internal)
    }

    fn draw(&self, user: UserId) -> Result<SealedSecret, Error> {
        let mut secret = Zeroizing::new([0_u8; SECRET]);
        getrandom::fill(&mut *secret)?;
        self.sealer.seal(&place(user), &*secret).map(SealedSecret).map_err(|_| Error::Internal)
    }

    /// Returns the same offer again. `None` if the secret was not offered to this user.
    pub(crate) fn offer_again(
        &self,
        user: UserId,
        sealed: SealedSecret,
        account: &str,
        clinic: &str,
    ) -> Option<Offered> {
        let secret = self.sealer.open(&place(user), &sealed.0)?;
        Some(offered(&secret, sealed, account, clinic))
    }

    /// Returns the time step for which `code` is valid, with one step of tolerance in each direction. `None` if it is
    /// invalid.
    pub(crate) fn check(&self, user: UserId, sealed: &SealedSecret, code: &str, now: Timestamp) -> Option<u64> {
        let secret = self.sealer.open(&place(user), &sealed.0)?;
        let code: String = code.chars().filter(char::is_ascii_digit).collect();
        totp(&secret)?.check(&code, u64::try_from(now.as_millis() / 1_000).ok()?)
    }

    /// Starts waiting for the code of a user whose password was verified.
    ///
    /// # Errors
    /// [`Error::Internal`] if there is no randomness.
    pub(crate) fn wait_for(&self, user: UserId, now: Timestamp) -> Result<SecretToken, Error> {
        self.wait(Waits { user, offered: None }, now + WAITS_FOR)
    }

    /// Starts waiting for a user whose password was verified to set up two-factor authentication. The secret is kept on
    /// the server, not in the browser.
    ///
    /// # Errors
    /// [`Error::Internal`] if there is no randomness.
    pub(crate) fn wait_to_set_up(&self, user: UserId, now: Timestamp) -> Result<SecretToken, Error> {
        let offered = Some(self.draw(user)?);
        self.wait(Waits { user, offered }, now + SETS_UP_FOR)
    }

    fn wait(&self, waits: Waits, until: Timestamp) -> Result<SecretToken, Error> {
        let token = SecretToken::draw()?;
        let mut waiting = self.lock();
        if waiting.len() >= WAITING {
            make_room(&mut waiting, |waiting| waiting.until);
        }
        waiting.insert(token.hash(), Waiting { waits, until, tries: 0 });
        Ok(token)
    }

    /// Returns the pending sign-in of this token. `None` if there is none, it has expired, or its attempts are used up.
    pub(crate) fn who_waits(&self, token: &SecretToken, now: Timestamp) -> Option<Waits> {
        let waiting = self.lock();
        let waiting = waiting.get(&token.hash()).filter(|waiting| now < waiting.until && waiting.tries < TRIES);
        waiting.map(|waiting| waiting.waits.clone())
    }

    /// Counts an attempt on the pending sign-in of this token.
    pub(crate) fn tries(&self, token: &SecretToken) {
        if let Some(waiting) = self.lock().get_mut(&token.hash()) {
            waiting.tries = waiting.tries.saturating_add(1);
        }
    }

    /// Removes the pending sign-in of this token.
    pub(crate) fn forget(&self, token: &SecretToken) {
        self.lock().remove(&token.hash());
    }

    /// Removes all pending sign-ins of a user whose password has changed.
    pub(crate) fn forget_all_of(&self, user: UserId) {
        self.lock().retain(|_, waiting| waiting.waits.user != user);
    }

    /// Removes expired pending sign-ins.
    pub(crate) fn sweep(&self, now: Timestamp) {
        self.lock().retain(|_, waiting| now < waiting.until);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<TokenHash, Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the associated data of a sealed secret, which binds it to its user.
pub(crate) fn place(user: UserId) -> String {
    format!("users totp_secret {user}")
}

fn offered(secret: &[u8], sealed: SealedSecret, account: &str, clinic: &str) -> Offered {
    let typed = Secret::from(secret.to_vec()).to_base32();
    let address = format!(
        "otpauth://totp/{issuer}:{account}?secret={typed}&issuer={issuer}",
        issuer = percent_encode(clinic, b""),
        account = percent_encode(account, b"")
    );
    let groups: Vec<_> = typed.as_bytes().chunks(4).map(String::from_utf8_lossy).collect();
    Offered { sealed, typed: groups.join(" "), address }
}

fn totp(secret: &[u8]) -> Option<Totp> {
    Builder::new().with_secret(secret.to_vec()).build().ok()
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::keys::RootKey;

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_015_000);

    fn second_step() -> SecondStep {
        let folder = tempfile::tempdir().expect("a folder");
        SecondStep::new(RootKey::open(&folder.path().join("key")).expect("a key").sealer().expect("a sealer"))
    }

    fn user(n: u128) -> UserId {
        UserId::new(Uuid::from_u128(n))
    }

    fn code(offered: &Offered, at: Timestamp) -> String {
        let secret = Secret::try_from_base32(offered.typed.replace(' ', "")).expect("base32");
        let at = u64::try_from(at.as_millis() / 1_000).expect("after 1970");
        totp(secret.as_bytes()).expect("a secret").generate(at).to_string()
    }

    #[test]
    fn a_code_of_now_is_right_for_its_person_and_no_other() {
        let step = second_step();
        let offered = step.offer(user(1), "ada@example.org", "Riverside: Clinic").expect("offered");
        assert!(offered.address.starts_with("otpauth://totp/Riverside%3A%20Clinic:ada%40example.org?secret="));
        let now = code(&offered, NOW);
        let spaced = format!("{} {}", &now[..3], &now[3..]);
        for written in [&now, &spaced] {
            assert!(step.check(user(1), &offered.sealed, written, NOW).is_some());
        }
        assert_eq!(step.check(user(2), &offered.sealed, &now, NOW), None);
        for (seconds, right) in [(30, true), (90, false)] {
            let later = NOW + Duration::from_secs(seconds);
            assert_eq!(step.check(user(1), &offered.sealed, &now, later).is_some(), right, "{seconds}");
        }
        assert_eq!(step.check(user(1), &offered.sealed, "", NOW), None);
    }

    #[test]
    fn a_right_password_waits_for_a_while_and_a_few_tries() {
        let step = second_step();
        let token = step.wait_for(user(1), NOW).expect("random");
        let waits = Waits { user: user(1), offered: None };
        assert_eq!(step.who_waits(&token, NOW), Some(waits.clone()));
        assert_eq!(step.who_waits(&token, NOW + WAITS_FOR), None);
        for _ in 0..TRIES {
            assert_eq!(step.who_waits(&token, NOW), Some(waits.clone()));
            step.tries(&token);
        }
        assert_eq!(step.who_waits(&token, NOW), None);
        let another = step.wait_for(user(1), NOW).expect("random");
        step.forget(&another);
        assert_eq!(step.who_waits(&another, NOW), None);
        step.sweep(NOW + WAITS_FOR);
        assert!(step.lock().is_empty());
    }

    #[test]
    fn an_offered_secret_is_kept_with_the_pending_sign_in() {
        let step = second_step();
        let tokens = [1, 1, 2].map(|n| step.wait_to_set_up(user(n), NOW).expect("random"));
        let offered = |token| step.who_waits(token, NOW + WAITS_FOR).and_then(|waits| waits.offered).expect("a secret");
        assert_eq!(offered(&tokens[0]), offered(&tokens[0]), "the same as long as they wait");
        assert_ne!(offered(&tokens[0]), offered(&tokens[1]));
        assert!(step.offer_again(user(2), offered(&tokens[0]), "", "").is_none(), "it is nobody else's");
        assert_eq!(step.who_waits(&tokens[0], NOW + SETS_UP_FOR), None);
        step.forget_all_of(user(1));
        let left = tokens.iter().filter(|token| step.who_waits(token, NOW).is_some()).count();
        assert_eq!(left, 1, "the other person");
    }
}
