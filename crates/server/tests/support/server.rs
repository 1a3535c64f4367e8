//! Starts, stops and restarts the program.

use std::future::Future;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use bedside::config::Config;
use bedside::demo::{self, DemoSignIn};
use bedside::{Program, SteadyClock, SystemClock, open_store};
use bedside_store::Store;
use bedside_visit::{Clock, Timestamp};
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::clinic::{Account, seed};
use super::{Client, Site, soon};

/// The system clock with an adjustable offset.
#[derive(Debug, Default)]
pub(crate) struct TestClock {
    offset: AtomicI64,
}

impl TestClock {
    /// Advances the clock.
    pub(crate) fn advance(&self, by: Duration) {
        self.offset.fetch_add(i64::try_from(by.as_millis()).expect("not that far"), Ordering::SeqCst);
    }

    /// Steps the clock forward, or back again.
    pub(crate) fn step(&self, by: Duration, forward: bool) {
        let by = i64::try_from(by.as_millis()).expect("not that far");
        self.offset.fetch_add(if forward { by } else { -by }, Ordering::SeqCst);
    }

    /// Sets the clock to noon (UTC) of the current day, so that "today" has hours before and after it.
    pub(crate) fn set_to_noon(&self) {
        let now = self.now().as_millis();
        let (day, noon) = (86_400_000, 43_200_000);
        self.offset.fetch_add(now / day * day + noon - now, Ordering::SeqCst);
    }
}

/// The clock of a server, as filtered in production.
struct Shared(Arc<TestClock>);

impl Clock for Shared {
    fn now(&self) -> Timestamp {
        self.0.now()
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(SystemClock.now().as_millis() + self.offset.load(Ordering::SeqCst))
    }
}

/// A running program with its own clinic.
pub(crate) struct Server {
    /// Its URL, such as `http://localhost:43210`.
    pub(crate) url: String,
    /// The origin of its pages. Differs from `url` only if a test sets `server.public_url`.
    pub(crate) origin: String,
    pub(crate) address: SocketAddr,
    pub(crate) clock: Arc<TestClock>,
    /// The database as opened by the program.
    pub(crate) store: Arc<dyn Store>,
    /// The patient of the appointments that [`Server::book`] books. Has an account.
    pub(crate) patient: Account,
    /// The provider of the appointments that [`Server::book`] books. Has an account.
    pub(crate) provider: Account,
    /// A patient without an appointment.
    pub(crate) other_patient: Account,
    /// A provider without an appointment.
    pub(crate) other_provider: Account,
    pub(crate) config: Config,
    folder: TempDir,
    running: Running,
}

struct Running {
    drain: oneshot::Sender<()>,
    stop: oneshot::Sender<()>,
    ended: JoinHandle<()>,
}

impl Server {
    /// Starts it with the default configuration.
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    /// Starts it with an adjusted configuration. Address, public URL, database and media port are set before `adjust`
    /// is called.
    pub(crate) async fn start_with(adjust: impl FnOnce(&mut Config)) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let mut config = Config::default();
        config.clinic.time_zone = "UTC".to_owned();
        config.server.listen = address;
        config.server.public_url = format!("http://localhost:{}", address.port());
        config.database.path = folder.path().join("bedside.db");
        config.media.bind = [127, 0, 0, 1].into();
        config.media.port = 0;
        adjust(&mut config);
        let clock = Arc::new(TestClock::default());
        let store = open_store(&config).await.expect("a database");
        store.migrate().await.expect("up to date");
        let [patient, provider, other_patient, other_provider] = seed(&*store, clock.now()).await;
        let running = run(&config, listener, Arc::clone(&store), Arc::<TestClock>::clone(&clock), None).await;
        Self {
            url: format!("http://localhost:{}", address.port()),
            origin: config.server.public_url.clone(),
            address,
            clock,
            store,
            patient,
            provider,
            other_patient,
            other_provider,
            config,
            folder,
            running,
        }
    }

    /// Returns a new browser without cookies.
    pub(crate) fn client(&self) -> Client {
        Client::new(self)
    }

    /// Returns a browser in which a user is signed in.
    pub(crate) async fn sign_in(&self, account: &Account) -> Client {
        let client = self.client();
        client.sign_in(account).await;
        client
    }

    /// Stops the program like SIGINT, and waits until it has stopped.
    pub(crate) async fn stop(self) {
        self.running.stop().await;
    }

    /// Tells the program to stop when no visit is active, like SIGTERM. Returns a future that waits for it.
    pub(crate) fn drain(self) -> impl Future<Output = ()> {
        let Self { running: Running { drain, stop, ended }, folder, .. } = self;
        drain.send(()).expect("it runs");
        async move {
            soon("the program's end", ended).await.expect("it ends without a panic");
            drop((stop, folder));
        }
    }

    /// Stops it, and starts another instance on the same database and address.
    pub(crate) async fn restart(mut self) -> Self {
        self.running.stop().await;
        let listener = TcpListener::bind(self.address).expect("the port that was just released");
        self.store = open_store(&self.config).await.expect("the same database");
        self.running =
            run(&self.config, listener, Arc::clone(&self.store), Arc::<TestClock>::clone(&self.clock), None).await;
        self
    }

    /// Restarts it with the production clock, which filters steps of the system clock. The test's clock is the system's.
    pub(crate) async fn restart_with_steady_clock(mut self) -> Self {
        self.running.stop().await;
        let listener = TcpListener::bind(self.address).expect("the port that was just released");
        self.store = open_store(&self.config).await.expect("the same database");
        let clock = Arc::new(SteadyClock::over(Shared(Arc::clone(&self.clock))));
        self.running = run(&self.config, listener, Arc::clone(&self.store), clock, None).await;
        self
    }

    /// Restarts it with an additional demo clinic. Returns the path that signs the demo's provider in.
    pub(crate) async fn restart_as_demo(mut self) -> (Self, String) {
        self.running.stop().await;
        let listener = TcpListener::bind(self.address).expect("the port that was just released");
        self.store = open_store(&self.config).await.expect("the same database");
        let (demo, links) = demo::prepare(&self.store, &*self.clock, &self.config).await.expect("a demo");
        self.running =
            run(&self.config, listener, Arc::clone(&self.store), Arc::<TestClock>::clone(&self.clock), Some(demo))
                .await;
        let path = links.provider.replace(&self.origin, "");
        (self, path)
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.config.database.path.clone()
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }
}

impl Site for Server {
    fn address(&self) -> SocketAddr {
        self.address
    }

    fn url(&self) -> &str {
        &self.url
    }

    fn origin(&self) -> &str {
        &self.origin
    }
}

impl Running {
    async fn stop(self) {
        let _ = self.stop.send(());
        soon("the program's end", self.ended).await.expect("it ends without a panic");
    }
}

async fn run(
    config: &Config,
    listener: TcpListener,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    demo: Option<DemoSignIn>,
) -> Running {
    let program = Program::start(config.clone(), store, clock, demo).await.expect("it starts");
    let (stop, stopped) = oneshot::channel::<()>();
    let (asks, asked) = oneshot::channel::<()>();
    let drain = async {
        if asked.await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    // Dropping the server stops the program too, because the sender is dropped.
    let until = async { drop(stopped.await) };
    let ended = tokio::spawn(async move { program.serve(listener, drain, until).await.expect("it serves") });
    Running { drain: asks, stop, ended }
}
