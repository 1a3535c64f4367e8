//! Startup, the main loop and graceful shutdown.

use std::future::Future;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use axum_server::Handle;
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use bedside_store::{RightChanges, SqliteStore, StorageFault, Store, StoreError};
use bedside_visit::{Clock, Timestamp};
use hyper_util::rt::TokioTimer;
use tokio::sync::{Mutex, mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

use crate::app::blocking::BlockingThread;
use crate::app::claim::Claim;
use crate::app::jobs;
pub use crate::app::start_error::StartError;
use crate::app::tasks::{Beat, Tasks};
use crate::app::{App, Parts};
use crate::audit::{HeadKeeper, RecentReads, Refusals};
use crate::auth::idp::IdentityProvider;
use crate::auth::{
    AccessTokens, Cookies, DemoSignIn, Passkeys, Passwords, Repeats, SecondStep, Seen, Sessions, Throttle,
};
use crate::calls::cometchat::{Client, Credentials, Directory};
use crate::config::{Config, TlsConfig};
use crate::http::assets::Assets;
use crate::http::edge::{ConnectionLimit, HEAD_TIME, Http1Only, Limited, MAX_HEAD, make_room};
use crate::http::idempotency;
use crate::http::router::router;
use crate::keys::Keys;
use crate::mail::Mailer;
use crate::media::{MediaEvent, MediaServer};
use crate::operator::backup::{finish_interrupted, is_interrupted};
use crate::signalling::Hub;
use crate::telemetry::health::{self, Health};
use crate::telemetry::metrics::{Metrics, MetricsAccess};
use crate::telemetry::traces::Traces;
use crate::tls::{self, Files, Shown};

/// How long requests in flight may take to finish during shutdown.
const GRACE: Duration = Duration::from_secs(5);
/// Polling interval for permission revocations, which must take effect within one second.
const RIGHTS_EVERY: Duration = Duration::from_millis(400);
/// How long device requests (requests to join on another device) are kept.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(24 * 3600);
/// A worker without a heartbeat for this long is reported as stalled.
const RIGHTS_LATE: Duration = Duration::from_secs(10);
const SEEN_LATE: Duration = Duration::from_secs(30);
const HEADS_LATE: Duration = Duration::from_secs(150);
/// How often files that other programs renew, such as the certificate, are reloaded.
const REREAD_EVERY: Duration = Duration::from_secs(20);
/// The limit for the whole shutdown, once it no longer waits for visits in progress.
const STOP_LIMIT: Duration = Duration::from_secs(10);
/// How often the last-used times of sessions are saved.
const SEEN_EVERY: Duration = Duration::from_secs(2);
/// How often expired data is deleted.
const SWEEP_EVERY: Duration = Duration::from_secs(600);

/// A started server that does not accept requests yet; see [`Program::serve`].
pub struct Program {
    app: App,
    media_events: mpsc::Receiver<MediaEvent>,
    reload: watch::Sender<()>,
    /// The permission epoch at startup. Revocations after this epoch are pushed to open pages.
    rights_epoch: i64,
}

/// Triggers a reload of files that other programs renew, such as the certificate.
#[derive(Debug, Clone)]
pub struct Reloader(watch::Sender<()>);

impl Reloader {
    /// Requests a reload. Open connections are not affected.
    pub fn reload(&self) {
        self.0.send_replace(());
    }
}

/// Binds `server.listen`.
///
/// # Errors
/// [`StartError::Listen`].
pub fn listen(config: &Config) -> Result<TcpListener, StartError> {
    let address = config.server.listen;
    TcpListener::bind(address).map_err(|source| StartError::Listen { address, source })
}

/// Checks that this build includes everything that the configuration requires.
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

/// Opens the database, creating its folder and the root key if they are missing.
///
/// # Errors
/// [`StartError::Folder`], [`StartError::Store`], [`StartError::Key`] or [`StartError::Sealed`].
pub async fn open_store(config: &Config) -> Result<Arc<dyn Store>, StartError> {
    let path = &config.database.path;
    make_folder(path)?;
    if is_interrupted(path) {
        let claim = Claim::take(path, &format!("process {}, finishing a restore", std::process::id()))?;
        finish_interrupted(path, &claim)?;
    }
    let store = SqliteStore::open(path).await?;
    let keys = Keys::open(&config.database, &store.list_roots().await?)?;
    Ok(Arc::new(store.with_keys(keys.keyring()?).await.map_err(StartError::Sealed)?))
}

/// Claims the database for this process, which listens on `address`, and completes an interrupted restore.
///
/// # Errors
/// [`StartError::Claim`] if another process holds the claim.
pub fn claim(config: &Config, address: SocketAddr) -> Result<Claim, StartError> {
    let path = &config.database.path;
    make_folder(path)?;
    let claim = Claim::take(path, &format!("process {}, listening on {address}", std::process::id()))?;
    finish_interrupted(path, &claim)?;
    Ok(claim)
}

/// Opens the database like [`open_store`], for the process that has claimed it. If the previous process did not shut
/// down cleanly, the whole database is checked: an operator may have copied a database file next to the write-ahead
/// log of another one.
///
/// # Errors
/// Those of [`open_store`], or [`StartError::Damaged`].
pub async fn open_to_serve(config: &Config, _claim: &Claim) -> Result<Arc<dyn Store>, StartError> {
    let path = &config.database.path;
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    let interrupted = std::fs::metadata(log).is_ok_and(|log| log.len() > 0);
    let damaged = |source| StartError::Damaged { path: path.clone(), source };
    let store = match open_store(config).await {
        Err(StartError::Store(source @ StoreError::Unavailable { fault: StorageFault::Damaged, .. })) => {
            return Err(damaged(source));
        }
        opened => opened?,
    };
    if interrupted {
        store.check_contents().await.map_err(damaged)?;
    }
    Ok(store)
}

fn make_folder(database: &Path) -> Result<(), StartError> {
    let Some(folder) = database.parent().filter(|folder| *folder != Path::new("")) else { return Ok(()) };
    std::fs::create_dir_all(folder)
        .map_err(|source| StartError::Folder { folder: folder.display().to_string(), source })
}

impl Program {
    /// Builds all components, migrates the database, binds the media ports and resumes the visits that were in
    /// progress.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn start(
        config: Config,
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        demo: Option<DemoSignIn>,
    ) -> Result<Self, StartError> {
        config.validate()?;
        store.migrate().await?;
        let keys = Keys::read(&config.database)?;
        let signer = keys.current.audit_signer()?;
        let assets = Assets::load();
        if !assets.is_built() {
            tracing::warn!(
                "browser client is not built, so calls do not work: run `cargo xtask build`, then rebuild and restart"
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
        let idp = config.oidc.as_ref().map(|oidc| IdentityProvider::new(oidc, &config.server.public_url));
        let idp = idp.transpose().map_err(StartError::Oidc)?;
        let rules = config.rules();
        keep_terms(&*store, &config, clock.now()).await?;
        let (metrics, metrics_registry) = Metrics::new();
        let traces = Traces::new(&config.tracing).map_err(StartError::Tracing)?;
        let counted = (metrics.clone(), traces.clone());
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
        let heads = config.database.audit_heads();
        let heads = Arc::new(HeadKeeper::new(Arc::clone(&store), Arc::clone(&clock), signer, heads));
        let certificate = Shown::new(matches!(config.server.tls, TlsConfig::Files { .. } | TlsConfig::Acme(_)));
        let app = App::new(Parts {
            rules,
            zone: config.clinic.zone(),
            origins: origins(&config),
            passwords: Passwords::new(config.sign_in.password_workers)?,
            throttle: Throttle::new(),
            second_step: SecondStep::new(keys.sealer()?),
            repeats: Repeats::default(),
            access_tokens: AccessTokens::new(&keys.current, &config.server.public_url)?,
            reads: RecentReads::default(),
            refusals: Refusals::default(),
            sessions,
            cookies: Cookies::new(config.server.is_secure()),
            health: Health::default(),
            tasks: Tasks::default(),
            heads,
            certificate,
            started_at: clock.now(),
            clock,
            store,
            assets,
            hub,
            connections: ConnectionLimit::new(
                "server.limits.connections",
                limits.connections,
                limits.connections_per_network,
            ),
            sockets: ConnectionLimit::new("server.limits.websockets", limits.websockets, limits.websockets_per_network),
            traces,
            metrics,
            metrics_registry,
            metrics_access: MetricsAccess::new(&config).map_err(StartError::Metrics)?,
            media,
            demo,
            webhook: config.cometchat.as_ref().and_then(|config| config.webhook.clone()).map(Credentials::new),
            cometchat,
            mailer,
            passkeys: Passkeys::new(&config.server.public_url, config.server.host(), &config.clinic.name),
            idp,
            config,
        });
        Ok(Self { app, media_events, reload: watch::Sender::default(), rights_epoch })
    }

    /// Returns a handle that reloads renewable files while the server is running.
    #[must_use]
    pub fn reloader(&self) -> Reloader {
        Reloader(self.reload.clone())
    }

    /// Serves requests on `listener` until `stop` completes, then closes open connections and asks pages to
    /// reconnect. If `drain` completes first, no new visits start, and the server keeps running until no visit is in
    /// progress or `server.drain_seconds` have passed.
    ///
    /// # Errors
    /// [`StartError::Tls`] if the certificate cannot be used, [`StartError::Io`] if listening fails.
    pub async fn serve(
        self,
        listener: TcpListener,
        drain: impl Future<Output = ()>,
        stop: impl Future<Output = ()>,
    ) -> Result<(), StartError> {
        let Self { app, media_events, reload, rights_epoch } = self;
        listener.set_nonblocking(true)?;
        let handle = Handle::new();
        let service = router(app.clone()).into_make_service_with_connect_info::<SocketAddr>();
        let (rustls, files, renewal) = rustls_config(&app)?;
        start_tasks(&app, media_events, rights_epoch, (files, reload));
        let server = {
            let handle = handle.clone();
            let limited = limited(&app.config, app.connections.clone());
            async move {
                let mut server = axum_server::from_tcp(listener)?.handle(handle).first_request_timeout(HEAD_TIME);
                let mut http = server.http_builder().http1();
                http.timer(TokioTimer::new()).header_read_timeout(HEAD_TIME).max_buf_size(MAX_HEAD);
                match rustls {
                    Some(rustls) => {
                        let acceptor = Http1Only(RustlsAcceptor::new(rustls).acceptor(limited));
                        server.acceptor(acceptor).serve(service).await
                    }
                    None => server.acceptor(Http1Only(limited)).serve(service).await,
                }
            }
        };
        tokio::pin!(server);
        let ended = tokio::select! {
            ended = &mut server => Some(ended),
            () = stop => None,
            () = drained(&app, drain) => None,
        };
        let stopping = async {
            app.hub.stop().await;
            handle.graceful_shutdown(Some(GRACE));
            let result = match ended {
                Some(ended) => ended,
                None => server.await,
            };
            finish(&app).await;
            result
        };
        // One limit for the whole shutdown: the process exits even if a disk or a page does not respond.
        let result = tokio::time::timeout(STOP_LIMIT, stopping).await.unwrap_or_else(|_| {
            tracing::error!(seconds = STOP_LIMIT.as_secs(), "graceful shutdown timed out, exiting");
            Ok(())
        });
        if let Some(renewal) = renewal {
            renewal.abort();
        }
        app.tasks.stop();
        Ok(result?)
    }
}

/// Starts the background tasks.
fn start_tasks(
    app: &App,
    media_events: mpsc::Receiver<MediaEvent>,
    rights_epoch: i64,
    (files, reload): (Option<Files>, watch::Sender<()>),
) {
    let events = Arc::new(Mutex::new(media_events));
    let hub = app.hub.clone();
    app.tasks.run("media events", None, move |_| hub.clone().carry_media_events(Arc::clone(&events)));
    let known = Arc::new(AtomicI64::new(rights_epoch));
    let of = app.clone();
    app.tasks.run("rights", Some(RIGHTS_LATE), move |beat| watch_rights(of.clone(), Arc::clone(&known), beat));
    let of = app.clone();
    app.tasks.run("sessions used", Some(SEEN_LATE), move |beat| write_down_seen(of.clone(), beat));
    let of = app.clone();
    app.tasks.run("expired data", Some(SWEEP_EVERY * 3), move |beat| sweep(of.clone(), beat));
    let heads = Arc::clone(&app.heads);
    app.tasks.run("audit heads", Some(HEADS_LATE), move |beat| Arc::clone(&heads).run(beat));
    let of = app.clone();
    app.tasks.run("jobs", Some(SEEN_LATE), move |beat| jobs::run_due(of.clone(), beat));
    let of = app.clone();
    app.tasks.run("health", Some(health::LOOKED_AT_EVERY * 3), move |beat| look_after_health(of.clone(), beat));
    let (of, files) = (app.clone(), Arc::new(Mutex::new(files)));
    app.tasks.run("renewed files", Some(REREAD_EVERY * 3), move |beat| {
        reread_files(of.clone(), Arc::clone(&files), reload.subscribe(), beat)
    });
}

/// Stops the background tasks and saves buffered data after the last request has been answered.
async fn finish(app: &App) {
    app.tasks.stop();
    let media = app.media.clone();
    // Runs on a helper thread because `shutdown` blocks while it joins threads.
    if BlockingThread::new("bedside-stop", GRACE).run(move || media.shutdown()).await.is_err() {
        tracing::error!("media workers did not stop in time");
    }
    app.traces.stop().await;
    if let Err(error) = app.sessions.seen.write_down(&*app.store).await {
        tracing::error!(%error, "cannot save when sessions were last used");
    }
    write_down_reads(app).await;
    if let Err(error) = app.refusals.finish(&*app.store).await {
        tracing::error!(%error, "cannot write counted refusals to the audit log");
    }
    app.heads.keep().await;
    app.store.close().await;
}

/// Waits for a drain request, then until no visit is in progress or the drain time is over.
async fn drained(app: &App, asked: impl Future<Output = ()>) {
    asked.await;
    let time = app.config.server.drain();
    let until = app.clock.now() + time;
    tracing::info!(seconds = time.as_secs(), "graceful shutdown started, visits in progress may continue");
    if tokio::time::timeout(time, app.hub.drain(until)).await.is_err() {
        tracing::info!("drain time is over, disconnecting visits in progress");
    }
}

/// Raises the file descriptor limit as far as the connection limit requires, and applies the connection limit to new
/// connections.
fn limited(config: &Config, limit: ConnectionLimit) -> Limited {
    if config.server.is_behind_an_unnamed_proxy() {
        tracing::warn!(
            "requests arrive through an undeclared reverse proxy, so all clients share one rate limit: set \
             server.trusted_proxies"
        );
    }
    make_room(config.server.limits.connections);
    Limited::new(limit, config.server.trusted_proxies.clone())
}

/// The TLS configuration if connections are encrypted, the certificate files to reload, and the certificate renewal
/// task.
type Encryption = (Option<RustlsConfig>, Option<Files>, Option<JoinHandle<()>>);

fn rustls_config(app: &App) -> Result<Encryption, StartError> {
    let config = &app.config;
    let shown = app.certificate.clone();
    match &config.server.tls {
        TlsConfig::Off => Ok((None, None, None)),
        TlsConfig::SelfSigned => tls::self_signed(&tls::names(config)).map(|rustls| (Some(rustls), None, None)),
        TlsConfig::Files { certificate, key } => {
            let files = Files::open((certificate, key), config.server.host(), app.clock.now(), shown);
            files.map(|files| (Some(files.rustls()), Some(files), None))
        }
        TlsConfig::Acme(acme) => {
            let fetched = tls::fetched(config.server.host(), acme, Arc::clone(&app.clock), shown);
            fetched.map(|(rustls, renewal)| (Some(rustls), None, Some(renewal)))
        }
    }
    .map_err(StartError::Tls)
}

/// Reloads renewable files periodically and on request.
async fn reread_files(app: App, files: Arc<Mutex<Option<Files>>>, mut asked: watch::Receiver<()>, beat: Beat) {
    loop {
        // The sender lives as long as the server, so `changed` does not fail.
        let _ = tokio::time::timeout(REREAD_EVERY, asked.changed()).await;
        beat.beat();
        if let Some(files) = &mut *files.lock().await {
            files.reread(&*app.clock).await;
        }
        app.metrics_access.reread().await;
    }
}

/// Runs the health checks periodically, so that changes are logged even if no monitoring system polls them.
async fn look_after_health(app: App, beat: Beat) {
    let mut every = tokio::time::interval(health::LOOKED_AT_EVERY);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        beat.beat();
        app.health.report(&app).await;
    }
}

/// Saves the current terms text in the form shown to users from now on.
async fn keep_terms(store: &dyn Store, config: &Config, now: Timestamp) -> Result<(), StoreError> {
    let Some(terms) = config.visits.terms() else { return Ok(()) };
    let mut transaction = store.begin().await?;
    transaction.insert_terms(&terms, now).await?;
    transaction.commit().await
}

/// Returns the origins of Bedside's own pages. A server with a self-signed certificate can be reached by several
/// names.
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

/// Notifies open pages when a permission may have been revoked, including by another process.
async fn watch_rights(app: App, known: Arc<AtomicI64>, beat: Beat) {
    let mut every = tokio::time::interval(RIGHTS_EVERY);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        match app.store.get_right_changes(known.load(Ordering::Relaxed)).await {
            Ok(RightChanges { epoch, of }) => {
                beat.beat();
                app.hub.doubt(of.as_deref());
                // Kept outside this task, so that no change is skipped after a panic.
                known.store(epoch, Ordering::Relaxed);
            }
            Err(error) => tracing::error!(%error, "cannot check for revoked permissions"),
        }
    }
}

async fn write_down_seen(app: App, beat: Beat) {
    let mut every = tokio::time::interval(SEEN_EVERY);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        match app.sessions.seen.write_down(&*app.store).await {
            Ok(()) => beat.beat(),
            Err(error) => tracing::error!(%error, "cannot save when sessions were last used"),
        }
        write_down_reads(&app).await;
    }
}

async fn write_down_reads(app: &App) {
    if let Err(error) = app.reads.write_down(&*app.store).await {
        tracing::error!(%error, "cannot write appointment accesses to the audit log");
    }
}

async fn sweep(app: App, beat: Beat) {
    let mut every = tokio::time::interval(SWEEP_EVERY);
    loop {
        every.tick().await;
        beat.beat();
        app.throttle.sweep(app.clock.now());
        app.second_step.sweep(app.clock.now());
        app.repeats.sweep(app.clock.now());
        if let Some(passkeys) = &app.passkeys {
            passkeys.sweep(app.clock.now());
        }
        if let Some(idp) = &app.idp {
            idp.begun.sweep(app.clock.now());
        }
        app.reads.sweep(app.clock.now());
        if let Err(error) = app.refusals.sweep(&*app.store, app.clock.now()).await {
            tracing::error!(%error, "cannot write counted refusals to the audit log");
        }
        if let Err(error) = sweep_sessions(&app).await {
            tracing::error!(%error, "cannot delete expired sessions and requests");
        }
    }
}

async fn sweep_sessions(app: &App) -> Result<(), StoreError> {
    let mut transaction = app.store.begin().await?;
    transaction.delete_expired_sessions(app.clock.now()).await?;
    transaction.delete_old_admissions(app.clock.now() - FORGOTTEN_AFTER).await?;
    transaction.delete_old_done_requests(app.clock.now() - idempotency::REMEMBERED).await?;
    transaction.commit().await
}
