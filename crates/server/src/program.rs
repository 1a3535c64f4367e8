//! Starting and stopping.

use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum_server::Handle;
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use bedside_store::{RightChanges, SqliteStore, Store, StoreError};
use bedside_visit::{Clock, Timestamp};
use hyper_util::rt::TokioTimer;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

use crate::app::{App, Parts};
use crate::assets::Assets;
use crate::audit::{HeadKeeper, Refusals};
use crate::auth::{AccessTokens, Cookies, Passkeys, PasswordError, Passwords, SecondStep, Seen, Sessions, Throttle};
use crate::cometchat::{Client, Credentials, Directory};
use crate::config::{Config, ConfigError, TlsConfig};
use crate::demo::DemoDoor;
use crate::edge::{Doorman, HEAD_TIME, Http1Only, MAX_HEAD, Places, make_room};
use crate::journeys::Journeys;
use crate::keys::{KeyError, Keys};
use crate::mail::Mailer;
use crate::media::{MediaError, MediaServer};
use crate::metrics::{Door, Metrics};
use crate::oidc::Provider;
use crate::reads::Reads;
use crate::router::router;
use crate::signalling::Hub;
use crate::tls;

/// How long requests under way may take when the program stops.
const GRACE: Duration = Duration::from_secs(5);
/// How often is looked whether somebody's right may have gone: it is to bite within a second.
const RIGHTS_EVERY: Duration = Duration::from_millis(400);
/// How long is remembered who asked to come in on another device.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(24 * 3600);
/// How often it is written down which sessions were used.
const SEEN_EVERY: Duration = Duration::from_secs(2);
/// How often what has run out is thrown away.
const SWEEP_EVERY: Duration = Duration::from_secs(600);

/// Why the program does not start. Each names the setting and the remedy.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The address is taken or not ours.
    #[error("cannot listen on {address} (server.listen): {source}. Stop what uses it, or choose another port")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The folder of the database cannot be made.
    #[error("cannot make the folder {folder} (database.path): {source}. Choose one that this user may write to")]
    Folder {
        /// Which.
        folder: String,
        /// Why.
        source: io::Error,
    },
    /// The database cannot be used.
    #[error("{0} (database.path)")]
    Store(#[from] StoreError),
    /// The database is sealed with another key.
    #[error(transparent)]
    Sealed(StoreError),
    /// The media ports cannot be used.
    #[error(transparent)]
    Media(#[from] MediaError),
    /// The certificate cannot be used.
    #[error("server.tls: {0}")]
    Tls(String),
    /// CometChat cannot be used.
    #[error("[cometchat]: {0}")]
    CometChat(String),
    /// Mail cannot be sent.
    #[error("[mail]: {0}")]
    Mail(String),
    /// The token for metrics cannot be read.
    #[error("{0}")]
    Metrics(String),
    /// Nothing can be traced.
    #[error("{0}")]
    Tracing(String),
    /// The OpenID provider cannot be used.
    #[error("[oidc]: {0}")]
    Oidc(String),
    /// CometChat's own client is not in this build.
    #[error(
        "[cometchat]: this build is without CometChat's own client, which has a licence of its own. Build with `cargo xtask build --cometchat`, or take the section out"
    )]
    NoCometChatClient,
    /// There is no secret key.
    #[error("{0} (database.key)")]
    Key(#[from] KeyError),
    /// Password hashing does not work on this machine.
    #[error(transparent)]
    Passwords(#[from] PasswordError),
    /// Something of the operating system's.
    #[error("the program stopped: {0}")]
    Io(#[from] io::Error),
}

/// A started program.
pub struct Program {
    app: App,
    media_events: tokio::sync::mpsc::Receiver<crate::media::MediaEvent>,
    heads: HeadKeeper,
    /// Whatever took somebody's right away later is told to open pages.
    rights_epoch: i64,
}

/// Binds `server.listen`.
///
/// # Errors
/// [`StartError::Listen`].
pub fn listen(config: &Config) -> Result<TcpListener, StartError> {
    let address = config.server.listen;
    TcpListener::bind(address).map_err(|source| StartError::Listen { address, source })
}

/// Whether this build has what the configuration needs of it.
///
/// # Errors
/// [`StartError::NoCometChatClient`].
pub fn check_build(config: &Config) -> Result<(), StartError> {
    let assets = Assets::load();
    if config.cometchat.is_some() && assets.is_built() && !assets.has("cometchat.js") {
        return Err(StartError::NoCometChatClient);
    }
    Ok(())
}

/// Opens the database, making its folder and the root key if they are missing.
///
/// # Errors
/// [`StartError::Folder`], [`StartError::Store`], [`StartError::Key`] or [`StartError::Sealed`].
pub async fn open_store(config: &Config) -> Result<Arc<dyn Store>, StartError> {
    let path = &config.database.path;
    if let Some(folder) = path.parent().filter(|folder| *folder != Path::new("")) {
        std::fs::create_dir_all(folder)
            .map_err(|source| StartError::Folder { folder: folder.display().to_string(), source })?;
    }
    let store = SqliteStore::open(path).await?;
    let keys = Keys::open(&config.database, &store.list_roots().await?)?;
    Ok(Arc::new(store.with_keys(keys.keyring()?).await.map_err(StartError::Sealed)?))
}

impl Program {
    /// Makes all parts: brings the database up to date, binds the media ports, continues the visits
    /// that were under way.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn start(
        config: Config,
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        demo: Option<DemoDoor>,
    ) -> Result<Self, StartError> {
        config.validate()?;
        store.migrate().await?;
        let keys = Keys::read(&config.database)?;
        let signer = keys.current.audit_signer()?;
        let assets = Assets::load();
        if !assets.is_built() {
            tracing::warn!(
                "the browser client is not built, so calls do not work: run `cargo xtask build`, then build and start again"
            );
        }
        let (media, media_events) = MediaServer::start(&config.media)?;
        let cometchat = match &config.cometchat {
            Some(config) => {
                let client = Client::new(config).map_err(|error| StartError::CometChat(error.to_string()))?;
                Some(Directory::new(client))
            }
            None => None,
        };
        let mailer =
            config.mail.as_ref().map(|mail| Mailer::new(mail, &config)).transpose().map_err(StartError::Mail)?;
        let provider = config.oidc.as_ref().map(|oidc| Provider::new(oidc, &config.server.public_url));
        let provider = provider.transpose().map_err(StartError::Oidc)?;
        let rules = config.rules();
        keep_terms(&*store, &config, clock.now()).await?;
        let (metrics, metrics_registry) = Metrics::new();
        let journeys = Journeys::new(&config.tracing).map_err(StartError::Tracing)?;
        let counted = (metrics.clone(), journeys.clone());
        let sessions = Sessions {
            store: Arc::clone(&store),
            clock: Arc::clone(&clock),
            seen: Seen::default(),
            idle: config.sign_in.idle(),
        };
        let hub = Hub::new(sessions.clone(), rules, media.clone(), counted);
        hub.resume().await?;
        let rights_epoch = store.get_rights_epoch().await?;
        let limits = config.server.limits.clone();
        let app = App::new(Parts {
            rules,
            zone: config.clinic.zone(),
            origins: origins(&config),
            passwords: Passwords::new(config.sign_in.password_workers)?,
            throttle: Throttle::new(),
            second_step: SecondStep::new(keys.sealer()?),
            access_tokens: AccessTokens::new(&keys.current, &config.server.public_url)?,
            reads: Reads::default(),
            refusals: Refusals::default(),
            sessions,
            cookies: Cookies::new(config.server.is_secure()),
            started_at: clock.now(),
            clock,
            store,
            assets,
            hub,
            connections: Places::new("server.limits.connections", limits.connections, limits.connections_per_network),
            sockets: Places::new("server.limits.websockets", limits.websockets, limits.websockets_per_network),
            journeys,
            metrics,
            metrics_registry,
            metrics_door: Door::new(&config).map_err(StartError::Metrics)?,
            media,
            demo,
            webhook: config.cometchat.as_ref().and_then(|config| config.webhook.clone()).map(Credentials::new),
            cometchat,
            mailer,
            passkeys: Passkeys::new(&config.server.public_url, config.server.host(), &config.clinic.name),
            provider,
            config,
        });
        let heads = app.config.database.audit_heads();
        let heads = HeadKeeper::new(Arc::clone(&app.store), Arc::clone(&app.clock), signer, heads);
        Ok(Self { app, media_events, heads, rights_epoch })
    }

    /// Answers requests on `listener` until `stop` is done, then closes what is open: pages are told to
    /// come back. When `drain` is done first, nothing new begins, and it goes on until no visit is under
    /// way, or for `server.drain_seconds`.
    ///
    /// # Errors
    /// [`StartError::Tls`] for a certificate that cannot be used, [`StartError::Io`] if listening
    /// fails.
    pub async fn serve(
        self,
        listener: TcpListener,
        drain: impl Future<Output = ()>,
        stop: impl Future<Output = ()>,
    ) -> Result<(), StartError> {
        let Self { app, media_events, mut heads, rights_epoch } = self;
        listener.set_nonblocking(true)?;
        let handle = Handle::new();
        let service = router(app.clone()).into_make_service_with_connect_info::<SocketAddr>();
        let carrier = tokio::spawn(app.hub.clone().carry_media_events(media_events));
        let sweeper = tokio::spawn(sweep(app.clone()));
        let warden = tokio::spawn(watch_rights(app.clone(), rights_epoch));
        let clerk = tokio::spawn(write_down_seen(app.clone()));
        let (rustls, renewal) = rustls_config(&app)?;
        let server = {
            let handle = handle.clone();
            let doorman = doorman(&app.config, app.connections.clone());
            async move {
                let mut server = axum_server::from_tcp(listener)?.handle(handle).first_request_timeout(HEAD_TIME);
                let mut http = server.http_builder().http1();
                http.timer(TokioTimer::new()).header_read_timeout(HEAD_TIME).max_buf_size(MAX_HEAD);
                match rustls {
                    Some(rustls) => {
                        let acceptor = Http1Only(RustlsAcceptor::new(rustls).acceptor(doorman));
                        server.acceptor(acceptor).serve(service).await
                    }
                    None => server.acceptor(Http1Only(doorman)).serve(service).await,
                }
            }
        };
        tokio::pin!(server);
        let ended = tokio::select! {
            ended = &mut server => Some(ended),
            () = stop => None,
            () = drained(&app, drain) => None,
            () = heads.run() => None,
        };
        app.hub.stop().await;
        handle.graceful_shutdown(Some(GRACE));
        let result = match ended {
            Some(ended) => ended,
            None => server.await,
        };
        if let Some(renewal) = renewal {
            renewal.abort();
        }
        sweeper.abort();
        warden.abort();
        clerk.abort();
        carrier.abort();
        app.media.shutdown();
        app.journeys.stop().await;
        if let Err(error) = app.sessions.seen.write_down(&*app.store).await {
            tracing::error!(%error, "when sessions were used last is not written down");
        }
        write_down_reads(&app).await;
        if let Err(error) = app.refusals.finish(&*app.store).await {
            tracing::error!(%error, "cannot write counted refusals into the audit log");
        }
        heads.keep().await;
        app.store.close().await;
        Ok(result?)
    }
}

/// Once it is asked for, until no visit is under way or the time for it is over.
async fn drained(app: &App, asked: impl Future<Output = ()>) {
    asked.await;
    let time = app.config.server.drain();
    let until = app.clock.now() + time;
    tracing::info!(seconds = time.as_secs(), "stopping: visits under way may go on, nothing new begins");
    if tokio::time::timeout(time, app.hub.drain(until)).await.is_err() {
        tracing::info!("the time is over: visits under way are asked to come back");
    }
}

/// Makes room for all connections that are allowed, and counts them.
fn doorman(config: &Config, places: Places) -> Doorman {
    if config.server.is_behind_an_unnamed_proxy() {
        tracing::warn!(
            "whoever comes over the reverse proxy has its address: set server.trusted_proxies, or all share one limit"
        );
    }
    make_room(config.server.limits.connections);
    Doorman::new(places, config.server.trusted_proxies.clone())
}

/// How connections are encrypted, if they are, and what renews the certificate.
fn rustls_config(app: &App) -> Result<(Option<RustlsConfig>, Option<JoinHandle<()>>), StartError> {
    let config = &app.config;
    let once = |rustls| (Some(rustls), None);
    match &config.server.tls {
        TlsConfig::Off => Ok((None, None)),
        TlsConfig::SelfSigned => tls::self_signed(&tls::names(config)).map(once),
        TlsConfig::Files { certificate, key } => tls::files(certificate, key).map(once),
        TlsConfig::Acme(acme) => {
            let fetched = tls::fetched(config.server.host(), acme, Arc::clone(&app.clock));
            fetched.map(|(rustls, renewal)| (Some(rustls), Some(renewal)))
        }
    }
    .map_err(StartError::Tls)
}

/// The terms that people are shown from now on, as they are shown.
async fn keep_terms(store: &dyn Store, config: &Config, now: Timestamp) -> Result<(), StoreError> {
    let Some(terms) = config.visits.terms() else { return Ok(()) };
    let mut transaction = store.begin().await?;
    transaction.insert_terms(&terms, now).await?;
    transaction.commit().await
}

/// The origins of our own pages. A self-signed server is reached by several names.
fn origins(config: &Config) -> Vec<String> {
    let public = config.server.public_url.clone();
    let (scheme, authority) = public.split_once("://").unwrap_or(("https", &public));
    let port = authority.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok());
    let names = match config.server.tls {
        TlsConfig::SelfSigned => tls::names(config),
        TlsConfig::Off | TlsConfig::Files { .. } | TlsConfig::Acme(_) if authority.starts_with("localhost") => {
            vec!["localhost".to_owned(), "127.0.0.1".to_owned()]
        }
        TlsConfig::Off | TlsConfig::Files { .. } | TlsConfig::Acme(_) => vec![],
    };
    let others = names.into_iter().map(|name| match port {
        Some(port) => format!("{scheme}://{name}:{port}"),
        None => format!("{scheme}://{name}"),
    });
    let mut all: Vec<String> = others.filter(|origin| *origin != public).collect();
    all.push(public);
    all
}

/// Tells open pages when somebody's right may have gone, also by another program's hand.
async fn watch_rights(app: App, mut known: i64) {
    let mut every = tokio::time::interval(RIGHTS_EVERY);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        match app.store.get_right_changes(known).await {
            Ok(RightChanges { epoch, of }) => {
                known = epoch;
                app.hub.doubt(of.as_deref());
            }
            Err(error) => tracing::error!(%error, "whether somebody's right has gone cannot be read"),
        }
    }
}

async fn write_down_seen(app: App) {
    let mut every = tokio::time::interval(SEEN_EVERY);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        if let Err(error) = app.sessions.seen.write_down(&*app.store).await {
            tracing::error!(%error, "when sessions were used last could not be written down");
        }
        write_down_reads(&app).await;
    }
}

async fn write_down_reads(app: &App) {
    if let Err(error) = app.reads.write_down(&*app.store).await {
        tracing::error!(%error, "cannot write reads of appointments into the audit log");
    }
}

async fn sweep(app: App) {
    let mut every = tokio::time::interval(SWEEP_EVERY);
    loop {
        every.tick().await;
        app.throttle.sweep(app.clock.now());
        app.second_step.sweep(app.clock.now());
        if let Some(passkeys) = &app.passkeys {
            passkeys.sweep(app.clock.now());
        }
        if let Some(provider) = &app.provider {
            provider.begun.sweep(app.clock.now());
        }
        app.reads.sweep(app.clock.now());
        if let Err(error) = app.refusals.sweep(&*app.store, app.clock.now()).await {
            tracing::error!(%error, "cannot write counted refusals into the audit log");
        }
        if let Err(error) = sweep_sessions(&app).await {
            tracing::error!(%error, "ended sessions could not be removed");
        }
    }
}

async fn sweep_sessions(app: &App) -> Result<(), StoreError> {
    let mut transaction = app.store.begin().await?;
    transaction.delete_expired_sessions(app.clock.now()).await?;
    transaction.delete_old_admissions(app.clock.now() - FORGOTTEN_AFTER).await?;
    transaction.commit().await
}
