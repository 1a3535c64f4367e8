//! Prometheus metrics. Counters updated as events happen are defined here; values collected on each scrape are in
//! `snapshot`. All metrics are listed in docs/metrics.md. Labels never identify a person, a visit or an address.
//!
//! Uses `prometheus-client`, the official Rust library.

mod access;
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

pub(crate) use access::MetricsAccess;
pub(crate) use page::show;

/// Histogram bounds of the time that a page takes to join media, in seconds, from a local network to a failed
/// attempt.
const JOIN_SECONDS: [f64; 11] = [0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 30.0];

/// Counters updated as events happen. Clones share them.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    pub(crate) http: http::Requests,
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

/// The outcome of an attempt to send a mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mailed {
    Sent,
    /// The attempt failed and will be retried.
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

/// A sign-in method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Password,
    SecondStep,
    Passkey,
    IdentityProvider,
    Link,
    /// A client key of an integrator.
    Program,
    /// The demo link.
    Demo,
}

/// The outcome of a sign-in attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Entry {
    In,
    Refused,
    /// Rejected by the rate limit, before credentials were checked.
    Delayed,
}

/// The outcome of a page's attempt to join media.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Joined {
    /// Media can flow.
    Up,
    /// The offer was refused, or the media server is full.
    Refused,
    /// The offer was answered but the connection was never established, or a newer offer replaced it.
    Failed,
}

impl Way {
    const ALL: [Self; 7] = [
        Self::Password,
        Self::SecondStep,
        Self::Passkey,
        Self::IdentityProvider,
        Self::Link,
        Self::Program,
        Self::Demo,
    ];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::SecondStep => "second_step",
            Self::Passkey => "passkey",
            Self::IdentityProvider => "provider",
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
    /// Creates the metrics, with all counters at zero so that they are exported before their first event, and the
    /// registry that exports them.
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
        registry.register("bedside_sign_ins", "Sign-in attempts", metrics.sign_ins.clone());
        registry.register("bedside_joins", "Media connections requested by pages", metrics.joins.clone());
        registry.register(
            "bedside_join_duration_seconds",
            "Time from a page's offer until its media can flow",
            metrics.join_seconds.clone(),
        );
        registry.register(
            "bedside_media_lost",
            "Media connections lost after being established",
            metrics.media_lost.clone(),
        );
        registry.register("bedside_mails", "Attempts to send e-mails", metrics.mails.clone());
        let version = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("bedside_build", "Version of the running program", version);
        (metrics, registry)
    }

    /// Counts a sign-in attempt.
    pub(crate) fn sign_in(&self, way: Way, outcome: Entry) {
        self.sign_ins.get_or_create(&SignIn { way: way.as_str(), outcome: outcome.as_str() }).inc();
    }

    /// Counts an attempt to join media. `after` is the time since the offer.
    pub(crate) fn join(&self, outcome: Joined, after: Duration) {
        self.joins.get_or_create(&Join { outcome: outcome.as_str() }).inc();
        if outcome == Joined::Up {
            self.join_seconds.observe(after.as_secs_f64());
        }
    }

    /// Counts an attempt to send a mail.
    pub(crate) fn mail(&self, outcome: Mailed) {
        self.mails.get_or_create(&Mail { outcome: outcome.as_str() }).inc();
    }

    /// Counts a page whose media connection was lost.
    pub(crate) fn media_lost(&self) {
        self.media_lost.inc();
    }
}
