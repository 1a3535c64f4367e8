//! How the program is doing, for Prometheus: what is counted as it happens here, what is asked when it is read in
//! `snapshot`. docs/metrics.md has every name; a label never says who, which visit, or from where.
//!
//! `prometheus-client` is the official library, and brings one crate along that was not there before.

mod door;
mod http;
mod page;
mod process;
mod snapshot;
mod writer;

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

pub(crate) use door::Door;
pub(crate) use http::{Arrived, count_requests};
pub(crate) use page::show;

/// Seconds that a page may take to have its media, from a local network to one that is given up.
const JOIN_SECONDS: [f64; 11] = [0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 30.0];

/// What is counted as it happens. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    http: http::Requests,
    sign_ins: Family<SignIn, Counter>,
    joins: Family<Join, Counter>,
    join_seconds: Histogram,
    media_lost: Counter,
    mails: Family<Mail, Counter>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SignIn {
    way: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Join {
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Mail {
    outcome: &'static str,
}

/// What becomes of a mail, each time it is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mailed {
    Sent,
    /// It is tried again later.
    Postponed,
    Failed,
}

impl Mailed {
    const ALL: [Self; 3] = [Self::Sent, Self::Postponed, Self::Failed];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Postponed => "postponed",
            Self::Failed => "failed",
        }
    }
}

/// How somebody comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Password,
    SecondStep,
    Passkey,
    Provider,
    Link,
    /// Another program, with its client key.
    Program,
    /// The demo's link.
    Demo,
}

/// Whether they are in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Entry {
    In,
    Refused,
    /// Not looked at: too many tries.
    Delayed,
}

/// What becomes of a page's wish for media.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Joined {
    /// Media can flow.
    Up,
    /// The offer was refused, or there is no room.
    Refused,
    /// It was answered, and the page never came, or something newer took its place.
    Failed,
}

impl Way {
    const ALL: [Self; 7] =
        [Self::Password, Self::SecondStep, Self::Passkey, Self::Provider, Self::Link, Self::Program, Self::Demo];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::SecondStep => "second_step",
            Self::Passkey => "passkey",
            Self::Provider => "provider",
            Self::Link => "link",
            Self::Program => "program",
            Self::Demo => "demo",
        }
    }
}

impl Entry {
    const ALL: [Self; 3] = [Self::In, Self::Refused, Self::Delayed];

    const fn as_str(self) -> &'static str {
        match self {
            Self::In => "in",
            Self::Refused => "refused",
            Self::Delayed => "delayed",
        }
    }
}

impl Joined {
    const ALL: [Self; 3] = [Self::Up, Self::Refused, Self::Failed];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }
}

impl Metrics {
    /// All at nought, so that what has not happened yet is shown as such; and the registry to write them out from.
    pub(crate) fn new() -> (Self, Registry) {
        let metrics = Self {
            http: http::Requests::default(),
            sign_ins: Family::default(),
            joins: Family::default(),
            join_seconds: Histogram::new(JOIN_SECONDS),
            media_lost: Counter::default(),
            mails: Family::default(),
        };
        for outcome in Mailed::ALL {
            drop(metrics.mails.get_or_create(&Mail { outcome: outcome.as_str() }));
        }
        for way in Way::ALL {
            for outcome in Entry::ALL {
                drop(metrics.sign_ins.get_or_create(&SignIn { way: way.as_str(), outcome: outcome.as_str() }));
            }
        }
        for outcome in Joined::ALL {
            drop(metrics.joins.get_or_create(&Join { outcome: outcome.as_str() }));
        }
        let mut registry = Registry::default();
        metrics.http.register(&mut registry);
        registry.register("bedside_sign_ins", "Tries to come in", metrics.sign_ins.clone());
        registry.register("bedside_joins", "Media connections that pages asked for", metrics.joins.clone());
        registry.register(
            "bedside_join_duration_seconds",
            "From a page's offer until its media can flow",
            metrics.join_seconds.clone(),
        );
        registry.register(
            "bedside_media_lost",
            "Times that a page fell silent for seconds",
            metrics.media_lost.clone(),
        );
        registry.register("bedside_mails", "Mails that were sent, or tried to be", metrics.mails.clone());
        let version = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("bedside_build", "This program", version);
        (metrics, registry)
    }

    /// Counts somebody who comes in, or does not.
    pub(crate) fn sign_in(&self, way: Way, outcome: Entry) {
        self.sign_ins.get_or_create(&SignIn { way: way.as_str(), outcome: outcome.as_str() }).inc();
    }

    /// Counts a page whose media can flow, or will not; `after` its offer.
    pub(crate) fn join(&self, outcome: Joined, after: Duration) {
        self.joins.get_or_create(&Join { outcome: outcome.as_str() }).inc();
        if outcome == Joined::Up {
            self.join_seconds.observe(after.as_secs_f64());
        }
    }

    /// Counts a mail.
    pub(crate) fn mail(&self, outcome: Mailed) {
        self.mails.get_or_create(&Mail { outcome: outcome.as_str() }).inc();
    }

    /// Counts a page whose media fell silent.
    pub(crate) fn media_lost(&self) {
        self.media_lost.inc();
    }
}
