//! Application state shared by all request handlers.

pub(crate) mod blocking;
pub(crate) mod claim;
pub(crate) mod clock;
pub(crate) mod job;
pub(crate) mod jobs;
pub(crate) mod program;
pub(crate) mod start_error;
pub(crate) mod tasks;

use std::ops::Deref;
use std::sync::Arc;

use bedside_store::Store;
use bedside_visit::{Clock, Timestamp, VisitRules};
use jiff::tz::TimeZone;
use prometheus_client::registry::Registry;

use crate::app::tasks::Tasks;
use crate::audit::{HeadKeeper, RecentReads, Refusals};
use crate::auth::idp::IdentityProvider;
use crate::auth::{AccessTokens, Cookies, DemoSignIn, Passkeys, Passwords, Repeats, SecondStep, Sessions, Throttle};
use crate::calls::cometchat::{Credentials, Directory};
use crate::config::Config;
use crate::http::assets::Assets;
use crate::http::edge::ConnectionLimit;
use crate::mail::Mailer;
use crate::media::Media;
use crate::signalling::Hub;
use crate::telemetry::health::Health;
use crate::telemetry::metrics::{Metrics, MetricsAccess};
use crate::telemetry::traces::Traces;
use crate::tls::Shown;

/// Handle to the shared application state. Cloning is cheap.
#[derive(Clone)]
pub(crate) struct App(Arc<Parts>);

pub(crate) struct Parts {
    pub(crate) config: Config,
    pub(crate) rules: VisitRules,
    pub(crate) zone: TimeZone,
    /// Origins of Bedside's own pages.
    pub(crate) origins: Vec<String>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) passwords: Passwords,
    pub(crate) throttle: Throttle,
    pub(crate) second_step: SecondStep,
    pub(crate) repeats: Repeats,
    pub(crate) access_tokens: AccessTokens,
    pub(crate) reads: RecentReads,
    pub(crate) refusals: Refusals,
    pub(crate) sessions: Sessions,
    pub(crate) cookies: Cookies,
    pub(crate) assets: Assets,
    pub(crate) hub: Hub,
    /// Limit on TCP connections.
    pub(crate) connections: ConnectionLimit,
    /// Limit on WebSockets.
    pub(crate) sockets: ConnectionLimit,
    pub(crate) traces: Traces,
    pub(crate) metrics: Metrics,
    pub(crate) metrics_registry: Registry,
    /// Access control for `/metrics`.
    pub(crate) metrics_access: MetricsAccess,
    pub(crate) health: Health,
    pub(crate) tasks: Tasks,
    pub(crate) heads: Arc<HeadKeeper>,
    /// TLS certificate currently served.
    pub(crate) certificate: Shown,
    pub(crate) started_at: Timestamp,
    pub(crate) media: Media,
    /// `None` if CometChat is not configured.
    pub(crate) cometchat: Option<Directory>,
    /// HTTP Basic credentials of CometChat webhooks. `None` if webhooks are refused.
    pub(crate) webhook: Option<Credentials>,
    /// `None` if no mail server is configured.
    pub(crate) mailer: Option<Mailer>,
    /// `None` if the public URL's host is an IP address, which WebAuthn does not allow.
    pub(crate) passkeys: Option<Passkeys>,
    /// `None` if no OpenID provider is configured.
    pub(crate) idp: Option<IdentityProvider>,
    /// `Some` in demo mode only.
    pub(crate) demo: Option<DemoSignIn>,
}

impl App {
    pub(crate) fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }
}

impl Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}
