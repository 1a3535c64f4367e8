//! An impaired link between two namespaces: two TAP devices and a thread that moves frames between them.
//!
//! TAP devices are used because the kernel's `netem` is not available everywhere.

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

/// The impairments of a link in both directions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Conditions {
    /// From the client to the server.
    pub(crate) up: Condition,
    /// From the server to the client.
    pub(crate) down: Condition,
}

impl Conditions {
    /// Creates the same condition for both directions.
    pub(crate) const fn both(condition: Condition) -> Self {
        Self { up: condition, down: condition }
    }

    /// Returns the conditions with the link down in both directions.
    pub(crate) const fn cut(self) -> Self {
        Self { up: Condition { down: true, ..self.up }, down: Condition { down: true, ..self.down } }
    }
}

/// A link. Dropping it removes its devices.
pub(crate) struct Link {
    conditions: Arc<Mutex<Conditions>>,
    stop: Arc<AtomicBool>,
    relay: Option<JoinHandle<()>>,
}

/// An end of a link: a namespace, and the name of the device in it.
#[derive(Clone, Copy)]
pub(crate) struct End<'a>(pub(crate) &'a Namespace, pub(crate) &'a str);

impl Link {
    /// Creates a link. `seed` determines which frames are lost.
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
            .map_err(LabError::system("starting a link thread"))?;
        Ok(Self { conditions, stop, relay: Some(relay) })
    }

    /// Changes the conditions.
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
    made.map_err(|error| LabError::Unavailable(format!("cannot create a TAP device (/dev/net/tun): {error}")))
}
