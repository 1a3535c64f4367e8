//! Slows down the guessing of passwords.

use std::net::IpAddr;
use std::num::NonZeroU32;

use bedside_visit::EmailAddress;
use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use crate::error::Error;

const PER_ACCOUNT: NonZeroU32 = NonZeroU32::new(10).expect("10 is not zero");
const PER_ADDRESS: NonZeroU32 = NonZeroU32::new(60).expect("60 is not zero");

/// Sign-in tries a minute: 10 for an e-mail address, known or not, and 60 for a network address.
pub(crate) struct Throttle {
    accounts: DefaultKeyedRateLimiter<EmailAddress>,
    addresses: DefaultKeyedRateLimiter<IpAddr>,
}

impl Throttle {
    pub(crate) fn new() -> Self {
        Self {
            accounts: RateLimiter::keyed(Quota::per_minute(PER_ACCOUNT)),
            addresses: RateLimiter::keyed(Quota::per_minute(PER_ADDRESS)),
        }
    }

    /// Counts a try.
    ///
    /// # Errors
    /// [`Error::TooManyAttempts`].
    pub(crate) fn attempt(&self, email: &EmailAddress, address: IpAddr) -> Result<(), Error> {
        let clock = DefaultClock::default();
        let wait = |until: governor::NotUntil<_>| Error::TooManyAttempts {
            retry_after: until.wait_time_from(clock.now()).as_secs() + 1,
        };
        self.addresses.check_key(&address.to_canonical()).map_err(wait)?;
        self.accounts.check_key(email).map_err(wait)
    }

    /// Forgets those who have long been quiet.
    pub(crate) fn sweep(&self) {
        self.accounts.retain_recent();
        self.addresses.retain_recent();
    }
}
