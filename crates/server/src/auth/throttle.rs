//! Slows down the guessing of passwords, and what costs at somebody else's.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bedside_visit::{EmailAddress, Timestamp, UserId};
use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultDirectRateLimiter, DefaultKeyedRateLimiter, Quota, RateLimiter};

use uuid::Uuid;

use super::delay::{Delays, Rule};
use crate::edge::network;
use crate::error::Error;

/// For one e-mail address, known or not.
const ACCOUNT: Rule = Rule { free: 9, first: Duration::from_secs(5), longest: Duration::from_secs(15 * 60) };
/// Links for a new password, for one e-mail address, known or not.
const RESETS: Rule = Rule { free: 3, first: Duration::from_secs(60), longest: Duration::from_secs(60 * 60) };
const PER_ADDRESS: NonZeroU32 = NonZeroU32::new(60).expect("60 is not zero");
const TOGETHER: NonZeroU32 = NonZeroU32::new(10).expect("10 is not zero");
const TOGETHER_AT_ONCE: NonZeroU32 = NonZeroU32::new(100).expect("100 is not zero");
const TOKENS: NonZeroU32 = NonZeroU32::new(20).expect("20 is not zero");
const CONFIRMATIONS: NonZeroU32 = NonZeroU32::new(5).expect("5 is not zero");

/// Sign-in tries: for an e-mail address, known or not, ever longer delays from the tenth wrong one on; 60 a minute for a
/// network (an IPv4 address, or the /64 of an IPv6 address); 10 a second for all together, and 100 at once. Tokens of
/// another service: 20 a minute for a person; access tokens: 20 a minute for a client key. Passwords given by somebody who is
/// signed in: 5 a minute. Links for a new password: as sign-in tries, with delays of their own from the fourth on.
pub(crate) struct Throttle {
    accounts: Mutex<Delays<EmailAddress>>,
    resets: Mutex<Delays<EmailAddress>>,
    networks: DefaultKeyedRateLimiter<IpAddr>,
    together: DefaultDirectRateLimiter,
    tokens: DefaultKeyedRateLimiter<UserId>,
    confirmations: DefaultKeyedRateLimiter<UserId>,
    clients: DefaultKeyedRateLimiter<Uuid>,
}

impl Throttle {
    pub(crate) fn new() -> Self {
        Self {
            accounts: Mutex::new(Delays::new(ACCOUNT)),
            resets: Mutex::new(Delays::new(RESETS)),
            networks: RateLimiter::keyed(Quota::per_minute(PER_ADDRESS)),
            together: RateLimiter::direct(Quota::per_second(TOGETHER).allow_burst(TOGETHER_AT_ONCE)),
            tokens: RateLimiter::keyed(Quota::per_minute(TOKENS)),
            confirmations: RateLimiter::keyed(Quota::per_minute(CONFIRMATIONS)),
            clients: RateLimiter::keyed(Quota::per_minute(TOKENS)),
        }
    }

    /// Counts a try to sign in.
    ///
    /// # Errors
    /// [`Error::TooManyAttempts`].
    pub(crate) fn attempt(&self, email: &EmailAddress, address: IpAddr, now: Timestamp) -> Result<(), Error> {
        self.come(address)?;
        lock(&self.accounts).begin(email.clone(), now).map_err(wait)
    }

    /// Counts a link for a new password that is asked for.
    ///
    /// # Errors
    /// [`Error::TooManyAttempts`].
    pub(crate) fn reset(&self, email: &EmailAddress, address: IpAddr, now: Timestamp) -> Result<(), Error> {
        self.come(address)?;
        lock(&self.resets).begin(email.clone(), now).map_err(wait)
    }

    /// Counts somebody at the door, whoever it is.
    ///
    /// # Errors
    /// [`Error::TooManyAttempts`].
    pub(crate) fn come(&self, address: IpAddr) -> Result<(), Error> {
        self.networks.check_key(&network(address)).map_err(too_many)?;
        self.together.check().map_err(too_many)
    }

    /// It was the right password, or they have proved themselves another way.
    pub(crate) fn succeeded(&self, email: &EmailAddress) {
        lock(&self.accounts).right(email);
    }

    /// Counts a token that is minted for somebody.
    ///
    /// # Errors
    /// [`Error::TooManyAttempts`].
    pub(crate) fn mint(&self, user: UserId) -> Result<(), Error> {
        self.tokens.check_key(&user).map_err(too_many)
    }

    /// Counts an access token that is asked for with a client key, known or not.
    ///
    /// # Errors
    /// [`Error::TooManyAttempts`].
    pub(crate) fn ask_token(&self, client: Uuid) -> Result<(), Error> {
        self.clients.check_key(&client).map_err(too_many)
    }

    /// Counts a password that somebody gives again, although they are signed in.
    ///
    /// # Errors
    /// [`Error::TooManyAttempts`].
    pub(crate) fn confirm(&self, user: UserId) -> Result<(), Error> {
        self.confirmations.check_key(&user).map_err(too_many)
    }

    /// Forgets those who have long been quiet.
    pub(crate) fn sweep(&self, now: Timestamp) {
        lock(&self.accounts).sweep(now);
        lock(&self.resets).sweep(now);
        self.networks.retain_recent();
        self.tokens.retain_recent();
        self.confirmations.retain_recent();
        self.clients.retain_recent();
    }
}

fn lock<K>(delays: &Mutex<Delays<K>>) -> MutexGuard<'_, Delays<K>> {
    delays.lock().unwrap_or_else(PoisonError::into_inner)
}

fn too_many(until: governor::NotUntil<<DefaultClock as governor::clock::Clock>::Instant>) -> Error {
    wait(until.wait_time_from(DefaultClock::default().now()))
}

fn wait(time: Duration) -> Error {
    Error::TooManyAttempts { retry_after: time.as_secs() + 1 }
}
