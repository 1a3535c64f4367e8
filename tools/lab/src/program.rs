//! The server under test: a release build in its namespace with a separate database.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::clock;
use crate::error::LabError;
use crate::namespace::{self, Namespace};
use crate::network::SERVER;

const PORT: u16 = 8443;
const PATIENCE: Duration = Duration::from_secs(30);
/// The password of every provider in the lab.
pub(crate) const PASSWORD: &str = "a bad network, on purpose";

/// The running server. Dropping it kills it.
pub(crate) struct Program {
    binary: PathBuf,
    folder: TempDir,
    running: Child,
    people: u32,
}

/// A booked appointment.
pub(crate) struct Booking {
    pub(crate) appointment: String,
    /// The patient link.
    pub(crate) link: String,
    /// The provider's e-mail address for sign-in.
    pub(crate) email: String,
}

impl Program {
    /// Starts the server in `namespace`.
    pub(crate) fn start(namespace: &Namespace) -> Result<Self, LabError> {
        let binary = binary()?;
        let folder = tempfile::tempdir().map_err(LabError::system("creating a folder for the database"))?;
        let path = folder.path().display();
        let settings = format!(
            "[clinic]\nname = \"The lab\"\ntime_zone = \"UTC\"\n\
             [server]\nlisten = \"{SERVER}:{PORT}\"\npublic_url = \"{origin}\"\n\
             [database]\npath = \"{path}/bedside.db\"\n\
             [media]\nbind = \"{SERVER}\"\npublic_addresses = [\"{SERVER}\"]\n",
            origin = Self::origin()
        );
        fs::write(folder.path().join("bedside.toml"), settings).map_err(LabError::system("writing the settings"))?;
        let running = launch(&binary, folder.path(), namespace)?;
        Ok(Self { binary, folder, running, people: 0 })
    }

    /// Returns the origin of its pages.
    pub(crate) fn origin() -> String {
        format!("https://{SERVER}:{PORT}")
    }

    /// Kills the server like a crash, restarts it, and returns when it listened.
    pub(crate) fn crash(&mut self, namespace: &Namespace) -> Result<f64, LabError> {
        end(&mut self.running);
        self.running = launch(&self.binary, self.folder.path(), namespace)?;
        Ok(clock::wall())
    }

    /// Books an appointment for two new people that is due now.
    pub(crate) fn book(&mut self) -> Result<Booking, LabError> {
        self.people += 1;
        let number = self.people;
        let email = format!("grace{number}@lab.invalid");
        let patient = self.operate(&["user", "add", "--name", "Ada Lovelace"])?;
        self.operate(&["user", "add", "--name", "Dr. Grace Hopper", "--email", &email])?;
        let booked = self.operate(&[
            "appointment",
            "add",
            "--patient",
            patient.trim(),
            "--provider",
            &email,
            "--at",
            "now",
            "--minutes",
            "240",
            "--json",
        ])?;
        let made: Value = serde_json::from_str(&booked).unwrap_or_default();
        match ["id", "link"].map(|key| made[key].as_str()) {
            [Some(appointment), Some(link)] => {
                Ok(Booking { appointment: appointment.to_owned(), link: link.to_owned(), email })
            }
            _ => Err(LabError::Stuck(format!("`appointment add` printed {booked:?}"))),
        }
    }

    /// Returns the path of the database file.
    pub(crate) fn database(&self) -> PathBuf {
        self.folder.path().join("bedside.db")
    }

    /// Returns the last lines of the log.
    pub(crate) fn log_tail(&self, lines: usize) -> String {
        let text = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        let all: Vec<&str> = text.lines().collect();
        all[all.len().saturating_sub(lines)..].join("\n")
    }

    fn operate(&self, arguments: &[&str]) -> Result<String, LabError> {
        let settings = self.folder.path().join("bedside.toml");
        let mut command = Command::new(&self.binary);
        namespace::run(command.arg("--config").arg(settings).args(arguments).env("BEDSIDE_PASSWORD", PASSWORD))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        end(&mut self.running);
    }
}

/// Returns the server binary of the same build, or the one set by BEDSIDE.
fn binary() -> Result<PathBuf, LabError> {
    let given = std::env::var_os("BEDSIDE").map(PathBuf::from);
    let beside = || Some(std::env::current_exe().ok()?.parent()?.parent()?.join("release/bedside"));
    given
        .or_else(beside)
        .filter(|binary| binary.is_file())
        .ok_or_else(|| LabError::Stuck("the server is not built: cargo build --release -p bedside-server".to_owned()))
}

/// Starts the server and waits until it listens.
fn launch(binary: &Path, folder: &Path, namespace: &Namespace) -> Result<Child, LabError> {
    let log = File::options()
        .create(true)
        .append(true)
        .open(folder.join("log"))
        .map_err(LabError::system("opening the server's log"))?;
    let mut command = namespace.command(binary);
    command.arg("--config").arg(folder.join("bedside.toml")).args(["serve", "--tls", "self-signed"]);
    command.env("BEDSIDE_LOG", "info").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
    let mut child = command.spawn().map_err(LabError::system("starting the server"))?;
    let Some(output) = child.stdout.take() else { return Err(LabError::Stuck("the server has no output".to_owned())) };
    let (say, said) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            let _ = say.send(line);
        }
    });
    while let Ok(line) = said.recv_timeout(PATIENCE) {
        if line.contains("listening") {
            return Ok(child);
        }
    }
    end(&mut child);
    Err(LabError::Stuck("the server did not start listening".to_owned()))
}

fn end(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}
