//! A bad link between two namespaces: two TAP devices, and a thread that carries frames from one to the other.
//!
//! The kernel's own `netem` is not everywhere; TAP devices are.

mod impairment;
mod relay;

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use tappers::{Interface, Tap};

pub(crate) use self::impairment::Condition;
use crate::error::LabError;
use crate::namespace::Namespace;

/// How bad a link is, both ways.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Conditions {
    /// From the person to the server.
    pub(crate) up: Condition,
    /// From the server to the person.
    pub(crate) down: Condition,
}

impl Conditions {
    /// The same both ways.
    pub(crate) const fn both(condition: Condition) -> Self {
        Self { up: condition, down: condition }
    }

    /// Nothing passes either way.
    pub(crate) const fn cut(self) -> Self {
        Self { up: Condition { down: true, ..self.up }, down: Condition { down: true, ..self.down } }
    }
}

/// A link. Dropping it takes its devices away.
pub(crate) struct Link {
    conditions: Arc<Mutex<Conditions>>,
    stop: Arc<AtomicBool>,
    relay: Option<JoinHandle<()>>,
}

/// An end of a link: a namespace, and what the device in it is called.
#[derive(Clone, Copy)]
pub(crate) struct End<'a>(pub(crate) &'a Namespace, pub(crate) &'a str);

impl Link {
    /// Makes one. `seed` draws its losses.
    pub(crate) fn between(
        person: End<'_>,
        server: End<'_>,
        seed: u64,
        conditions: Conditions,
    ) -> Result<Self, LabError> {
        let taps = [tap(person)?, tap(server)?];
        let conditions = Arc::new(Mutex::new(conditions));
        let stop = Arc::new(AtomicBool::new(false));
        let (shared, stopping) = (Arc::clone(&conditions), Arc::clone(&stop));
        let relay = std::thread::Builder::new()
            .name("link".to_owned())
            .spawn(move || relay::run(taps, seed, &shared, &stopping))
            .map_err(LabError::system("a thread for a link"))?;
        Ok(Self { conditions, stop, relay: Some(relay) })
    }

    /// From now on it is like this.
    pub(crate) fn set(&self, conditions: Conditions) {
        *self.conditions.lock().unwrap_or_else(PoisonError::into_inner) = conditions;
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(relay) = self.relay.take() {
            let _ = relay.join();
        }
    }
}

fn tap(End(namespace, name): End<'_>) -> Result<Tap, LabError> {
    let made = namespace.inside(|| -> io::Result<Tap> {
        let mut tap = Tap::new_named(Interface::new(name)?)?;
        tap.set_nonblocking(true)?;
        Ok(tap)
    })?;
    made.map_err(|error| LabError::Unavailable(format!("a TAP device cannot be made (/dev/net/tun): {error}")))
}
