//! Runs the release program in a separate process, so that its memory and CPU time can be measured.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use bedside_visit::Appointment;

use crate::support::{Client, Server, When};

/// A clinic whose pages and API come from a separate process.
pub(crate) struct Program {
    /// An idle server in this process on the same database, which books appointments and signs users in.
    pub(crate) clinic: Server,
    /// The address of the separate process.
    pub(crate) address: SocketAddr,
    pub(crate) origin: String,
    process: Process,
}

impl Program {
    pub(crate) async fn start() -> Self {
        Self::start_for(2_048).await
    }

    /// Starts it with room for this many WebSockets.
    pub(crate) async fn start_for(sockets: usize) -> Self {
        let clinic = Server::start().await;
        let address = {
            let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
            listener.local_addr().expect("it has an address")
        };
        let origin = format!("http://localhost:{}", address.port());
        let (file, connections) = (clinic.folder().join("bedside.toml"), sockets + 2_048);
        let text = format!(
            "[clinic]\ntime_zone = 'UTC'\n[server]\nlisten = '{address}'\npublic_url = '{origin}'\n\
             [server.limits]\nconnections = {connections}\nconnections_per_network = {connections}\n\
             websockets = {sockets}\nwebsockets_per_network = {sockets}\n\
             [database]\npath = '{}'\n[media]\nbind = '127.0.0.1'\nport = 0\n",
            clinic.database().display()
        );
        std::fs::write(&file, text).expect("a configuration");
        let process = Command::new(env!("CARGO_BIN_EXE_bedside"))
            .arg("--config")
            .arg(file)
            .arg("serve")
            .env("BEDSIDE_LOG", "warn")
            .stdout(Stdio::null())
            .spawn()
            .expect("the program starts");
        let program = Self { clinic, address, origin, process: Process(process) };
        for _ in 0..200 {
            if TcpStream::connect(address).is_ok() {
                return program;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("the program does not listen");
    }

    /// Returns appointments that are due, and browsers in which their patient and their provider are signed in.
    pub(crate) async fn prepare(&self, visits: usize) -> (Vec<Appointment>, Client, Client) {
        let mut booked = Vec::new();
        for _ in 0..visits {
            booked.push(self.clinic.book(When::Now).await);
        }
        let patient = self.clinic.sign_in(&self.clinic.patient).await;
        let provider = self.clinic.sign_in(&self.clinic.provider).await;
        (booked, patient, provider)
    }

    /// Makes the clinic return the address of the separate process from here on.
    pub(crate) fn send_everyone_there(&mut self) {
        self.clinic.address = self.address;
        self.clinic.url.clone_from(&self.origin);
        self.clinic.origin.clone_from(&self.origin);
    }

    /// Returns the resident memory in MiB.
    pub(crate) fn resident(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.0.id())).expect("it runs");
        let line = status.lines().find(|line| line.starts_with("VmRSS")).expect("VmRSS");
        let kilobytes: f64 = line.split_whitespace().nth(1).expect("a number").parse().expect("a number");
        kilobytes / 1024.0
    }

    /// Returns the value of a metric.
    pub(crate) async fn gauge(&self, name: &str) -> f64 {
        let url = format!("http://{}/metrics", self.address);
        let client = reqwest::Client::builder().no_proxy().build().expect("a client");
        let text = client.get(url).send().await.expect("it answers").text().await.expect("text");
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.unwrap_or_else(|| panic!("no {name}")).parse().expect("a number")
    }

    /// Returns the CPU time used, in seconds.
    pub(crate) fn cpu(&self) -> f64 {
        cpu(&self.process.0.id().to_string())
    }

    pub(crate) async fn stop(self) {
        let Self { clinic, process, .. } = self;
        drop(process);
        clinic.stop().await;
    }
}

/// A process that is killed when it is dropped, even if the test fails.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Returns the CPU time of this process, in seconds.
pub(crate) fn own_cpu() -> f64 {
    cpu("self")
}

/// Returns user and system time, which Linux counts in hundredths of a second.
fn cpu(process: &str) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).expect("it runs");
    let (_, rest) = stat.rsplit_once(") ").expect("a name in parentheses");
    let of = |at: usize| rest.split(' ').nth(at).expect("a field").parse::<f64>().expect("a number");
    (of(11) + of(12)) / 100.0
}
