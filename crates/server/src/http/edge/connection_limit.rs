//! Limits on open connections and WebSockets, in total and for each network.
//!
//! A connection on which no request is being answered is *idle*. When a limit is reached, the connection that has been
//! idle for longest is closed in favor of the new one, so that connections held open without requests do not keep other
//! clients out. Connections with a request in progress, and WebSockets, are never evicted.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use futures_util::task::AtomicWaker;
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};

use super::networks::network;

/// How often the log states that a limit is reached, per minute.
const LOGGED: NonZeroU32 = NonZeroU32::new(1).expect("1 is not zero");

/// Connection limit. Clones share its state.
#[derive(Debug, Clone)]
pub(crate) struct ConnectionLimit(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    setting: &'static str,
    most: usize,
    most_of_a_network: usize,
    open: Mutex<Open>,
    refused: AtomicU64,
    evicted: AtomicU64,
    logged: DefaultDirectRateLimiter,
}

/// Open connections. The idle ones are ordered by the time at which they became idle.
#[derive(Debug, Default)]
struct Open {
    all: usize,
    networks: HashMap<IpAddr, OfNetwork>,
    idle: BTreeMap<u64, Arc<Holder>>,
    next: u64,
}

#[derive(Debug, Default)]
struct OfNetwork {
    count: usize,
    idle: BTreeSet<u64>,
}

/// State that a permit shares with its limit.
#[derive(Debug, Default)]
struct Holder {
    network: Option<IpAddr>,
    is_evicted: AtomicBool,
    waker: AtomicWaker,
}

/// Permit for one open connection. It is released when dropped.
#[derive(Debug)]
pub(crate) struct Permit {
    limit: ConnectionLimit,
    holder: Arc<Holder>,
    /// Key among the idle connections.
    idle: Mutex<Option<u64>>,
}

impl ConnectionLimit {
    /// Creates a limit. `setting` is its configuration key, for the log.
    pub(crate) fn new(setting: &'static str, most: usize, most_of_a_network: usize) -> Self {
        let logged = RateLimiter::direct(Quota::per_minute(LOGGED));
        let (open, refused, evicted) = (Mutex::default(), AtomicU64::new(0), AtomicU64::new(0));
        Self(Arc::new(Shared { setting, most, most_of_a_network, open, refused, evicted, logged }))
    }

    /// Returns a permit for a client address, or `None` if the limit is reached and no connection is idle. Pass no
    /// address for a trusted proxy, which is exempt from the limit for each network.
    pub(crate) fn acquire(&self, address: Option<IpAddr>) -> Option<Permit> {
        let permit = self.count(address.map(network));
        if permit.is_none() {
            self.0.refused.fetch_add(1, Ordering::Relaxed);
        }
        if permit.is_none() && self.0.logged.check().is_ok() {
            let (setting, most, of_a_network) = (self.0.setting, self.0.most, self.0.most_of_a_network);
            tracing::warn!(setting, most, of_a_network, "connection limit reached, refusing new connections");
        }
        permit
    }

    /// Returns the number of open connections.
    pub(crate) fn open(&self) -> usize {
        self.lock().all
    }

    /// Returns the number of refused connections.
    pub(crate) fn refused(&self) -> u64 {
        self.0.refused.load(Ordering::Relaxed)
    }

    /// Returns the number of idle connections that were evicted.
    pub(crate) fn evicted(&self) -> u64 {
        self.0.evicted.load(Ordering::Relaxed)
    }

    fn count(&self, network: Option<IpAddr>) -> Option<Permit> {
        let mut open = self.lock();
        let of_network = network.and_then(|network| open.networks.get(&network));
        if of_network.is_some_and(|of| of.count >= self.0.most_of_a_network) {
            let oldest = of_network.and_then(|of| of.idle.first().copied())?;
            self.evict(&mut open, oldest);
        } else if open.all >= self.0.most {
            let oldest = *open.idle.first_key_value()?.0;
            self.evict(&mut open, oldest);
        }
        open.all += 1;
        if let Some(network) = network {
            open.networks.entry(network).or_default().count += 1;
        }
        let holder = Arc::new(Holder { network, ..Holder::default() });
        Some(Permit { limit: self.clone(), holder, idle: Mutex::default() })
    }

    fn evict(&self, open: &mut Open, idle: u64) {
        if let Some(holder) = open.idle.remove(&idle) {
            open.forget(holder.network, Some(idle));
            holder.is_evicted.store(true, Ordering::Release);
            holder.waker.wake();
            self.0.evicted.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    /// Releases a connection.
    fn forget(&mut self, network: Option<IpAddr>, idle: Option<u64>) {
        self.all -= 1;
        if let Some(idle) = idle {
            self.idle.remove(&idle);
        }
        let Some(network) = network else { return };
        let Some(of_network) = self.networks.get_mut(&network) else { return };
        of_network.count -= 1;
        if let Some(idle) = idle {
            of_network.idle.remove(&idle);
        }
        if of_network.count == 0 {
            self.networks.remove(&network);
        }
    }
}

impl Permit {
    /// Marks the connection as idle, so that it may be evicted. Connections from trusted proxies are never evicted,
    /// because they carry many clients.
    pub(crate) fn set_idle(&self) {
        let Some(network) = self.holder.network else { return };
        let (mut open, mut idle) = (self.limit.lock(), self.own_idle());
        if idle.is_some() || self.is_evicted() {
            return;
        }
        open.next += 1;
        let key = open.next;
        open.idle.insert(key, Arc::clone(&self.holder));
        if let Some(of_network) = open.networks.get_mut(&network) {
            of_network.idle.insert(key);
        }
        *idle = Some(key);
    }

    /// Marks the connection as busy, so that it is not evicted. Has no effect if it has been evicted already.
    pub(crate) fn set_busy(&self) {
        let mut open = self.limit.lock();
        let Some(key) = self.own_idle().take() else { return };
        open.idle.remove(&key);
        if let Some(of_network) = self.holder.network.and_then(|network| open.networks.get_mut(&network)) {
            of_network.idle.remove(&key);
        }
    }

    /// Returns whether the connection has been evicted. If not, `waker` is woken when it is.
    pub(crate) fn poll_evicted(&self, waker: &Waker) -> bool {
        self.holder.waker.register(waker);
        self.is_evicted()
    }

    fn is_evicted(&self) -> bool {
        self.holder.is_evicted.load(Ordering::Acquire)
    }

    /// Lock order: the limit first, then this.
    fn own_idle(&self) -> MutexGuard<'_, Option<u64>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut open = self.limit.lock();
        if !self.is_evicted() {
            let idle = self.own_idle().take();
            open.forget(self.holder.network, idle);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(text: &str) -> Option<IpAddr> {
        Some(text.parse().expect("an address"))
    }

    fn is_evicted(permit: &Permit) -> bool {
        permit.poll_evicted(Waker::noop())
    }

    #[test]
    fn nobody_takes_all_of_them() {
        let limit = ConnectionLimit::new("a setting", 4, 2);
        let _one = limit.acquire(from("2001:db8::1")).expect("the first");
        let two = limit.acquire(from("2001:db8::2")).expect("the second");
        assert!(limit.acquire(from("2001:db8::3")).is_none(), "the same /64");
        drop(two);
        let _two = limit.acquire(from("2001:db8::4")).expect("one was given back");
        let _other = limit.acquire(from("192.0.2.1")).expect("another network's");
        let _proxy = limit.acquire(None).expect("the last");
        assert!(limit.acquire(None).is_none() && limit.acquire(from("192.0.2.9")).is_none(), "all are taken");
        assert_eq!((limit.open(), limit.refused(), limit.evicted()), (4, 3, 0));
    }

    #[test]
    fn the_longest_idle_connection_gives_way_and_a_busy_one_never() {
        let limit = ConnectionLimit::new("a setting", 3, 2);
        let [one, two, three] = [1, 2, 3].map(|n| limit.acquire(from(&format!("192.0.2.{n}"))).expect("a permit"));
        for permit in [&one, &two, &three] {
            permit.set_idle();
        }
        // The first has served a request since, so the second is now the longest idle. The third has a request in
        // progress.
        one.set_busy();
        one.set_idle();
        three.set_busy();
        let four = limit.acquire(from("192.0.2.4")).expect("in place of the second");
        assert!(is_evicted(&two) && !is_evicted(&one) && !is_evicted(&three));
        let five = limit.acquire(from("192.0.2.5")).expect("in place of the first");
        assert!(is_evicted(&one) && !is_evicted(&three));
        assert!(limit.acquire(from("192.0.2.6")).is_none(), "none of the three is idle");
        drop((one, two));
        assert_eq!((limit.open(), limit.refused(), limit.evicted()), (3, 1, 2));
        drop((three, four, five));
        assert_eq!(limit.open(), 0);
    }

    #[test]
    fn a_network_at_its_limit_closes_its_own_idle_connections_alone() {
        let limit = ConnectionLimit::new("a setting", 9, 2);
        let other = limit.acquire(from("192.0.2.1")).expect("another network's");
        other.set_idle();
        let [one, two] = [1, 2].map(|n| limit.acquire(from(&format!("2001:db8::{n}"))).expect("a permit"));
        assert!(limit.acquire(from("2001:db8::3")).is_none(), "neither is idle");
        two.set_idle();
        let _three = limit.acquire(from("2001:db8::3")).expect("in place of the second");
        assert!(is_evicted(&two) && !is_evicted(&one) && !is_evicted(&other));
    }

    #[test]
    fn a_proxys_idle_connections_are_kept() {
        let limit = ConnectionLimit::new("a setting", 1, 1);
        let proxy = limit.acquire(None).expect("a permit");
        proxy.set_idle();
        assert!(limit.acquire(from("192.0.2.1")).is_none() && !is_evicted(&proxy));
    }

    #[test]
    fn what_is_given_back_leaves_nothing_behind() {
        let limit = ConnectionLimit::new("a setting", 9, 9);
        let some: Vec<_> = (1..=5).map(|n| limit.acquire(from(&format!("192.0.2.{n}")))).collect();
        for permit in some.iter().flatten() {
            permit.set_idle();
        }
        drop((some, limit.acquire(None)));
        let open = limit.lock();
        assert!(open.all == 0 && open.networks.is_empty() && open.idle.is_empty(), "{open:?}");
    }
}
