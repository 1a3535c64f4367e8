//! What every handler shares.

use std::ops::Deref;
use std::sync::Arc;

use bedside_store::Store;
use bedside_visit::{Clock, Timestamp, VisitRules};
use jiff::tz::TimeZone;
use prometheus_client::registry::Registry;

use crate::assets::Assets;
use crate::audit::{HeadKeeper, Refusals};
use crate::auth::{AccessTokens, Cookies, Passkeys, Passwords, Repeats, SecondStep, Sessions, Throttle};
use crate::cometchat::{Credentials, Directory};
use crate::config::Config;
use crate::demo::DemoDoor;
use crate::edge::ConnectionLimit;
use crate::health::Health;
use crate::journeys::Journeys;
use crate::mail::Mailer;
use crate::media::Media;
use crate::metrics::{Door, Metrics};
use crate::oidc::Provider;
use crate::reads::Reads;
use crate::signalling::Hub;
use crate::tasks::Tasks;
use crate::tls::Shown;

/// The program's parts, shared by all handlers.
#[derive(Clone)]
pub(crate) struct App(Arc<Parts>);

pub(crate) struct Parts {
    pub(crate) config: Config,
    pub(crate) rules: VisitRules,
    pub(crate) zone: TimeZone,
    /// The origins of our own pages.
    pub(crate) origins: Vec<String>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) passwords: Passwords,
    pub(crate) throttle: Throttle,
    pub(crate) second_step: SecondStep,
    pub(crate) repeats: Repeats,
    pub(crate) access_tokens: AccessTokens,
    pub(crate) reads: Reads,
    pub(crate) refusals: Refusals,
    pub(crate) sessions: Sessions,
    pub(crate) cookies: Cookies,
    pub(crate) assets: Assets,
    pub(crate) hub: Hub,
    /// For connections.
    pub(crate) connections: ConnectionLimit,
    /// For WebSockets.
    pub(crate) sockets: ConnectionLimit,
    pub(crate) journeys: Journeys,
    pub(crate) metrics: Metrics,
    pub(crate) metrics_registry: Registry,
    /// Who may read them.
    pub(crate) metrics_door: Door,
    pub(crate) health: Health,
    pub(crate) tasks: Tasks,
    pub(crate) heads: Arc<HeadKeeper>,
    /// The certificate that browsers are shown.
    pub(crate) certificate: Shown,
    pub(crate) started_at: Timestamp,
    pub(crate) media: Media,
    /// Where there is an account at CometChat.
    pub(crate) cometchat: Option<Directory>,
    /// What CometChat's webhooks sign in with, where they are taken.
    pub(crate) webhook: Option<Credentials>,
    /// Where there is a mail server.
    pub(crate) mailer: Option<Mailer>,
    /// Where the address people type is a name: only for one there are passkeys.
    pub(crate) passkeys: Option<Passkeys>,
    /// Where people may sign in with an OpenID provider.
    pub(crate) provider: Option<Provider>,
    /// In a demo only.
    pub(crate) demo: Option<DemoDoor>,
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
