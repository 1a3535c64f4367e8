//! An operator's command line: runs the real binary in a separate folder and without this machine's environment.

use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Output, Stdio};

use crate::support::{PASSWORD, Site};

/// A folder in which commands are run.
pub(crate) struct Desk {
    folder: tempfile::TempDir,
}

/// The output and exit status of a command.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) success: bool,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        Self {
            success: output.status.success(),
            out: String::from_utf8(output.stdout).expect("text"),
            err: String::from_utf8(output.stderr).expect("text"),
        }
    }
}

impl Said {
    /// Returns the standard output, and asserts that the command succeeded.
    pub(crate) fn worked(self) -> String {
        assert!(self.success, "{self:?}");
        self.out.trim().to_owned()
    }

    /// Returns the standard error, and asserts that the command failed with an error message and without a panic.
    pub(crate) fn refused(self) -> String {
        assert!(!self.success && self.out.is_empty(), "{self:?}");
        assert!(self.err.contains("bedside: ") && !self.err.contains("panicked"), "{self:?}");
        self.err
    }
}

impl Desk {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a folder") }
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bedside"));
        command.args(arguments).current_dir(self.folder.path()).env_clear().stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Said {
        self.command(arguments).output().expect("it runs").into()
    }

    pub(crate) fn run_with(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Said {
        self.command(arguments).envs(variables.iter().copied()).output().expect("it runs").into()
    }

    pub(crate) fn config(&self, text: &str) -> String {
        let file = self.path("bedside.toml");
        std::fs::write(&file, text).expect("written");
        file
    }

    /// Books an appointment with these arguments of `appointment add`, and returns its ID and the patient's link.
    pub(crate) fn book(&self, arguments: &[&str], variables: &[(&str, &str)]) -> (String, String) {
        let made = self.run_with(&[&["appointment", "add", "--json"], arguments].concat(), variables).worked();
        let made: serde_json::Value = serde_json::from_str(&made).expect("JSON");
        let [id, link] = ["id", "link"].map(|key| made[key].as_str().expect("text").to_owned());
        (id, link)
    }

    pub(crate) fn add_user(&self, name: &str, email: &str) -> String {
        self.run_with(&["user", "add", "--name", name, "--email", email], &[("BEDSIDE_PASSWORD", PASSWORD)]).worked()
    }
}

/// A started `bedside serve`, killed if the test fails.
pub(crate) struct Serving {
    child: Child,
    address: SocketAddr,
    url: String,
    said: Vec<String>,
}

impl Serving {
    pub(crate) fn start(desk: &Desk, arguments: &[&str], port: u16) -> Self {
        Self::start_saying(desk, arguments, port, "info", Stdio::null())
    }

    /// Starts it with these log levels, and writes the log to `log`.
    pub(crate) fn start_saying(desk: &Desk, arguments: &[&str], port: u16, levels: &str, log: Stdio) -> Self {
        Self::start_as(format!("http://localhost:{port}"), desk, arguments, port, levels, log)
    }

    /// Starts it with another public address.
    pub(crate) fn start_as(url: String, desk: &Desk, arguments: &[&str], port: u16, levels: &str, log: Stdio) -> Self {
        let listen = format!("127.0.0.1:{port}");
        let variables = [
            ("BEDSIDE_SERVER__LISTEN", listen.as_str()),
            ("BEDSIDE_SERVER__PUBLIC_URL", url.as_str()),
            ("BEDSIDE_MEDIA__BIND", "127.0.0.1"),
            ("BEDSIDE_MEDIA__PORT", "0"),
            ("BEDSIDE_LOG", levels),
        ];
        let mut child =
            desk.command(arguments).envs(variables).stdout(Stdio::piped()).stderr(log).spawn().expect("it runs");
        let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let mut said = Vec::new();
        for line in lines {
            said.push(line.expect("text"));
            if said.last().is_some_and(|line| line.starts_with("Bedside is listening on")) {
                break;
            }
        }
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        Self { child, address, url, said }
    }

    pub(crate) fn line_with(&self, word: &str) -> &str {
        self.said.iter().find(|line| line.contains(word)).unwrap_or_else(|| panic!("{word}: {:?}", self.said)).trim()
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal, such as `HUP`.
    pub(crate) fn signal(&self, name: &str) {
        let sent =
            Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status().expect("a kill command");
        assert!(sent.success());
    }

    /// Waits until it exits, and returns whether it succeeded.
    pub(crate) fn ended(mut self) -> bool {
        self.child.wait().expect("it ends").success()
    }

    /// Kills it with `kill -9`, like a power failure.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ends");
    }

    /// Terminates it like systemd.
    pub(crate) fn terminate(mut self) {
        let kill = Command::new("kill").arg(self.child.id().to_string()).status().expect("a kill command");
        assert!(kill.success());
        assert!(self.child.wait().expect("it ends").success(), "SIGTERM is a clean exit");
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Site for Serving {
    fn address(&self) -> SocketAddr {
        self.address
    }

    fn url(&self) -> &str {
        &self.url
    }

    fn origin(&self) -> &str {
        &self.url
    }
}

/// Returns a port on which no process is listening.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port()
}
