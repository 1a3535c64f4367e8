//! Rate limits for sign-in, password reset, two-factor codes and tokens.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bedside_visit::{EmailAddress, Timestamp, UserId};
use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultDirectRateLimiter, DefaultKeyedRateLimiter, Quota, RateLimiter};

use uuid::Uuid;

use super::delay::{Delays, Rule};
use crate::http::edge::{network, wide_network};
use crate::http::error::Error;

/// Back-off for sign-ins of one e-mail address, whether known or not.
const ACCOUNT: Rule = Rule { free: 9, first: Duration::from_secs(5), longest: Duration::from_secs(15 * 60) };
/// Back-off for password reset links of one e-mail address, whether known or not.
const RESETS: Rule = Rule { free: 3, first: Duration::from_secs(60), longest: Duration::from_secs(60 * 60) };
/// Back-off for wrong two-factor codes of one account.
const CODES: Rule = Rule { free: 10, first: Duration::from_secs(60), longest: Duration::from_secs(60 * 60) };
const PER_NETWORK: NonZeroU32 = NonZeroU32::new(60).expect("60 is not zero");
const PER_WIDE_NETWORK: NonZeroU32 = NonZeroU32::new(240).expect("240 is not zero");
const TOKENS: NonZeroU32 = NonZeroU32::new(20).expect("20 is not zero");
const CONFIRMATIONS: NonZeroU32 = NonZeroU32::new(5).expect("5 is not zero");

/// Kind of attempt. Each kind has separate limits, so that a flood of cheap requests of one kind does not exhaust those
/// of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    /// Sign-in with a password. Costs a password hash: tens of milliseconds of CPU time.
    Password,
    /// Sign-in with a passkey.
    Passkey,
    /// Sign-in with an OpenID provider.
    IdentityProvider,
    /// Password reset link. Costs an e-mail.
    Reset,
    /// Access token.
    Token,
}

impl Kind {
    const ALL: [Self; 5] = [Self::Password, Self::Passkey, Self::IdentityProvider, Self::Reset, Self::Token];

    /// Returns the limit for all networks together: attempts a second, and burst.
    const fn together(self) -> (u32, u32) {
        match self {
            Self::Password | Self::Reset => (10, 100),
            Self::Passkey | Self::IdentityProvider | Self::Token => (100, 1_000),
        }
    }
}

/// Rate limits. A network is an IPv4 address or the /64 of an IPv6 address; a wide network is the /48 of an IPv6
/// address.
///
/// For each [`Kind`]: 60 a minute for a network, 240 for a wide network, and a limit for all networks together.
/// Sign-ins for one e-mail address, whether known or not: exponential back-off from the tenth failure on. Password
/// reset links: the same from the fourth on. Wrong two-factor codes for one account: the same from the eleventh on.
/// Third-party tokens: 20 a minute for a user. Access tokens: 20 a minute for a client key and network. Password
/// confirmations by a signed-in user: 5 a minute.
pub(crate) struct Throttle {
    accounts: Mutex<Delays<EmailAddress>>,
    resets: Mutex<Delays<EmailAddress>>,
    codes: Mutex<Delays<UserId>>,
    networks: DefaultKeyedRateLimiter<(Kind, IpAddr)>,
    wide_networks: DefaultKeyedRateLimiter<(Kind, IpAddr)>,
    together: [(Kind, DefaultDirectRateLimiter); 5],
    tokens: DefaultKeyedRateLimiter<UserId>,
    confirmations: DefaultKeyedRateLimiter<UserId>,
    clients: DefaultKeyedRateLimiter<(Uuid, IpAddr)>,
    log: DefaultDirectRateLimiter,
}

impl Throttle {
    pub(crate) fn new() -> Self {
        let together = |kind: Kind| {
            let (a_second, at_once) = kind.together();
            let quota = Quota::per_second(NonZeroU32::new(a_second).unwrap_or(NonZeroU32::MIN));
            (kind, RateLimiter::direct(quota.allow_burst(NonZeroU32::new(at_once).unwrap_or(NonZeroU32::MIN))))
        };
        Self {
            accounts: Mutex::new(Delays::new(ACCOUNT)),
            resets: Mutex::new(Delays::new(RESETS)),
            codes: Mutex::new(Delays::new(CODES)),
            networks: RateLimiter::keyed(Quota::per_minute(PER_NETWORK)),
            wide_networks: RateLimiter::keyed(Quota::per_minute(PER_WIDE_NETWORK)),
            together: Kind::ALL.map(together),
            tokens: RateLimiter::keyed(Quota::per_minute(TOKENS)),
            confirmations: RateLimiter::keyed(Quota::per_minute(CONFIRMATIONS)),
            clients: RateLimiter::keyed(Quota::per_minute(TOKENS)),
            log: RateLimiter::direct(Quota::per_minute(PER_NETWORK)),
        }
    }

    /// Counts a password sign-in attempt.
    ///
    /// # Errors
    /// [`Error::TooManyAttempts`].
    pub(crate) fn attempt(&self, email: &EmailAddress, address: IpAddr, now: Timestamp) -> Result<(), Error> {
        self.come(Kind::Password, address)?;
        lock(&self.accounts).begin(email.clone(), now).map_err(wait)
    }

    /// Counts a request for a password reset link.
    ///
    /// # Errors
    /// [`Error::TooManyAttempts`].
    pub(crate) fn reset(&self, email: &EmailAddress, address: IpAddr, now: Timestamp) -> Result<(), Error> {
        self.come(Kind::Reset, address)?;
        lock(&self.resets).begin(email.clone(), now).map_err(wait)
    }

    /// Counts a request of `kind` from `address`.
    ///
    /// # Errors
    /// [`Error::TooManyAttempts`].
    pub(crate) fn come(&self, kind: Kind, address: IpAddr) -> Result<(), Error> {
        self.networks.check_key(&(kind, network(address))).map_err(too_many)?;
        if let Some(wide) = wide_network(address) {
            self.wide_networks.check_key(&(kind, wide)).map_err(too_many)?;
        }
        for (of, together) in &self.together {
            if *of == kind {
                together.check().map_err(too_many)?;
            }
        }
        Ok(())
    }

    /// Clears the back-off of a user who has signed in.
    pub(crate) fn succeeded(&self, email: &EmailAddress) {
        lock(&self.accounts).right(email);
    }

    /// Counts an attempt to enter a two-factor code.
    ///
    /// # Errors
    /// [`Error::TooManyAttempts`].
    pub(crate) fn try_code(&self, user: UserId, now: Timestamp) -> Result<(), Error> {
        lock(&self.codes).begin(user, now).map_err(wait)
    }

    /// Returns whether the last counted attempt is the first to cause a delay, so that the user is notified once.
    pub(crate) fn has_just_been_slowed_down(&self, user: UserId) -> bool {
        lock(&self.codes).wrong(&user) == CODES.free + 1
    }

    /// Clears the wrong codes of a user who entered a correct code or changed the password.
    pub(crate) fn forget_codes(&self, user: UserId) {
        lock(&self.codes).right(&user);
    }

    /// Counts a third-party token minted for a user.
    ///
    /// # Errors
    /// [`Error::TooManyAttempts`].
    pub(crate) fn mint(&self, user: UserId) -> Result<(), Error> {
        self.tokens.check_key(&user).map_err(too_many)
    }

    /// Counts a request for an access token, before any database lookup. The limit is for each client and network, so
    /// wrong secrets from one network do not lock the client out on another.
    ///
    /// # Errors
    /// [`Error::TooManyAttempts`].
    pub(crate) fn ask_token(&self, client: Uuid, address: IpAddr) -> Result<(), Error> {
        self.come(Kind::Token, address)?;
        self.clients.check_key(&(client, network(address))).map_err(too_many)
    }

    /// Counts a password confirmation by a signed-in user.
    ///
    /// # Errors
    /// [`Error::TooManyAttempts`].
    pub(crate) fn confirm(&self, user: UserId) -> Result<(), Error> {
        self.confirmations.check_key(&user).map_err(too_many)
    }

    /// Returns whether a log line that any client can trigger may be written now, at most 60 a minute.
    pub(crate) fn may_log(&self) -> bool {
        self.log.check().is_ok()
    }

    /// Removes keys that have been inactive for long.
    pub(crate) fn sweep(&self, now: Timestamp) {
        lock(&self.accounts).sweep(now);
        lock(&self.resets).sweep(now);
        lock(&self.codes).sweep(now);
        self.networks.retain_recent();
        self.wide_networks.retain_recent();
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

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn a_flood_of_one_kind_leaves_the_others_alone() {
        let throttle = Throttle::new();
        let flood = (0..5_000_u32).filter(|n| throttle.come(Kind::Passkey, IpAddr::from(n.to_be_bytes())).is_ok());
        assert!(flood.count() < 1_200);
        assert!(throttle.come(Kind::Password, ip("192.0.2.1")).is_ok());
    }

    #[test]
    fn wide_ipv6_networks_count_together() {
        let throttle = Throttle::new();
        let address = |n: u16| IpAddr::from([0x2001, 0xdb8, 1, n, 0, 0, 0, 1]);
        let passed = (0..1_000).filter(|n| throttle.come(Kind::Token, address(*n)).is_ok()).count();
        assert!((240..=250).contains(&passed), "{passed}");
        assert!(throttle.come(Kind::Token, ip("2001:db8:2::1")).is_ok());
    }

    #[test]
    fn wrong_secrets_from_one_network_do_not_keep_the_right_one_out() {
        let (throttle, client) = (Throttle::new(), Uuid::from_u128(1));
        let passed = (0..60).filter(|_| throttle.ask_token(client, ip("192.0.2.1")).is_ok()).count();
        assert_eq!(passed, 20);
        assert!(throttle.ask_token(client, ip("198.51.100.1")).is_ok());
    }

    #[test]
    fn codes_of_one_account_are_slowed_down_until_one_is_right() {
        let (throttle, user, now) = (Throttle::new(), UserId::new(Uuid::from_u128(1)), Timestamp::from_millis(0));
        let passed = (0..60).filter(|_| throttle.try_code(user, now).is_ok()).count();
        assert_eq!(passed, 11);
        throttle.forget_codes(user);
        assert!(throttle.try_code(user, now).is_ok());
    }
}
