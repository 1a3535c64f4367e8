//! Slows down the guessing of passwords, and what costs at somebody else's.

use std::net::IpAddr;
use std::num::NonZeroU32;

use bedside_visit::{EmailAddress, UserId};
use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use crate::error::Error;

const PER_ACCOUNT: NonZeroU32 = NonZeroU32::new(10).expect("10 is not zero");
const PER_ADDRESS: NonZeroU32 = NonZeroU32::new(60).expect("60 is not zero");
const TOKENS: NonZeroU32 = NonZeroU32::new(20).expect("20 is not zero");

/// Sign-in tries a minute: 10 for an e-mail address, known or not, and 60 for a network address. Tokens of another
/// service: 20 a minute for a person.
pub(crate) struct Throttle {
    accounts: DefaultKeyedRateLimiter<EmailAddress>,
    addresses: DefaultKeyedRateLimiter<IpAddr>,
    tokens: DefaultKeyedRateLimiter<UserId>,
}

impl Throttle {
    pub(crate) fn new() -> Self {
        Self {
            accounts: RateLimiter::keyed(Quota::per_minute(PER_ACCOUNT)),
            addresses: RateLimiter::keyed(Quota::per_minute(PER_ADDRESS)),
            tokens: RateLimiter::keyed(Quota::per_minute(TOKENS)),
        }
    }

    /// Counts a try.
    ///
    /// # Errors
    /// [`Error::TooManyAttempts`].
    pub(crate) fn attempt(&self, email: &EmailAddress, address: IpAddr) -> Result<(), Error> {
        self.addresses.check_key(&address.to_canonical()).map_err(too_many)?;
        self.accounts.check_key(email).map_err(too_many)
    }

    /// Counts a token that is minted for somebody.
    ///
    /// # Errors
    /// [`Error::TooManyAttempts`].
    pub(crate) fn mint(&self, user: UserId) -> Result<(), Error> {
        self.tokens.check_key(&user).map_err(too_many)
    }

    /// Forgets those who have long been quiet.
    pub(crate) fn sweep(&self) {
        self.accounts.retain_recent();
        self.addresses.retain_recent();
        self.tokens.retain_recent();
    }
}

fn too_many(until: governor::NotUntil<<DefaultClock as governor::clock::Clock>::Instant>) -> Error {
    let wait = until.wait_time_from(DefaultClock::default().now());
    Error::TooManyAttempts { retry_after: wait.as_secs() + 1 }
}
