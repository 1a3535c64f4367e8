//! How many of something may be open: all together, and from one network.

use std::collections::HashMap;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};

use super::client::network;

/// How often the log says that places are taken, a minute.
const SAID: NonZeroU32 = NonZeroU32::new(1).expect("1 is not zero");

/// A number of places. Clones share them.
#[derive(Debug, Clone)]
pub(crate) struct Places(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    setting: &'static str,
    most: usize,
    most_of_a_network: usize,
    taken: Mutex<Taken>,
    refused: AtomicU64,
    said: DefaultDirectRateLimiter,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    networks: HashMap<IpAddr, usize>,
}

/// One place, until it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    places: Places,
    network: Option<IpAddr>,
}

impl Places {
    /// `setting` is where an operator finds the number, for the log.
    pub(crate) fn new(setting: &'static str, most: usize, most_of_a_network: usize) -> Self {
        let said = RateLimiter::direct(Quota::per_minute(SAID));
        let (taken, refused) = (Mutex::default(), AtomicU64::new(0));
        Self(Arc::new(Shared { setting, most, most_of_a_network, taken, refused, said }))
    }

    /// Takes a place for an address, or for somebody who is no network of their own. `None` if there is none left.
    pub(crate) fn take(&self, address: Option<IpAddr>) -> Option<Place> {
        let network = address.map(network);
        let place = self.count(network);
        if place.is_none() {
            self.0.refused.fetch_add(1, Ordering::Relaxed);
        }
        if place.is_none() && self.0.said.check().is_ok() {
            let (setting, most, of_a_network) = (self.0.setting, self.0.most, self.0.most_of_a_network);
            tracing::warn!(setting, most, of_a_network, "all that may be open are; more are refused");
        }
        place
    }

    /// How many are taken now.
    pub(crate) fn open(&self) -> usize {
        self.taken().all
    }

    /// How many asked for one in vain.
    pub(crate) fn refused(&self) -> u64 {
        self.0.refused.load(Ordering::Relaxed)
    }

    fn count(&self, network: Option<IpAddr>) -> Option<Place> {
        let mut taken = self.taken();
        let of_network = network.and_then(|network| taken.networks.get(&network).copied()).unwrap_or(0);
        if taken.all >= self.0.most || of_network >= self.0.most_of_a_network {
            return None;
        }
        taken.all += 1;
        if let Some(network) = network {
            taken.networks.insert(network, of_network + 1);
        }
        Some(Place { places: self.clone(), network })
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.0.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken();
        taken.all -= 1;
        if let Some(network) = self.network
            && let Some(count) = taken.networks.get_mut(&network)
        {
            *count -= 1;
            if *count == 0 {
                taken.networks.remove(&network);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(text: &str) -> Option<IpAddr> {
        Some(text.parse().expect("an address"))
    }

    #[test]
    fn nobody_takes_all_of_them() {
        let places = Places::new("a setting", 4, 2);
        let _one = places.take(from("2001:db8::1")).expect("the first");
        let two = places.take(from("2001:db8::2")).expect("the second");
        assert!(places.take(from("2001:db8::3")).is_none(), "the same /64");
        drop(two);
        let _two = places.take(from("2001:db8::4")).expect("one was given back");
        let _other = places.take(from("192.0.2.1")).expect("somebody else's");
        let _proxy = places.take(None).expect("the last");
        assert!(places.take(None).is_none() && places.take(from("192.0.2.9")).is_none(), "all are taken");
        assert_eq!((places.open(), places.refused()), (4, 3));
    }

    #[test]
    fn what_is_given_back_leaves_nothing_behind() {
        let places = Places::new("a setting", 9, 9);
        let some: Vec<_> = (1..=5).map(|n| places.take(from(&format!("192.0.2.{n}")))).collect();
        drop((some, places.take(None)));
        let taken = places.taken();
        assert!(taken.all == 0 && taken.networks.is_empty(), "{taken:?}");
    }
}
