//! A server under test: a process pinned to a core.

use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::cores::{self, cores};
use crate::error::BenchError;

/// How long a server may take to respond after it was started.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A running server. Dropping it kills it.
pub(crate) struct Program {
    child: Child,
}

impl Program {
    /// Starts it on the server's core, with its output in a file.
    pub(crate) fn start(command: &mut Command, log: &Path) -> Result<Self, BenchError> {
        let file = File::create(log).map_err(BenchError::system("creating a log"))?;
        let again = file.try_clone().map_err(BenchError::system("creating a log"))?;
        // A process and its threads inherit the affinity of the thread that starts it.
        cores::stay_on(cores().server)?;
        let child = command.stdin(Stdio::null()).stdout(file).stderr(again).spawn();
        cores::stay_on(cores().generator)?;
        let what = command.get_program().to_string_lossy().into_owned();
        Ok(Self { child: child.map_err(BenchError::system(what))? })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Returns whether it has exited.
    pub(crate) fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns a currently unused port.
pub(crate) fn free_port() -> Result<u16, BenchError> {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").map_err(BenchError::system("finding a free port"))?;
    Ok(socket.local_addr().map_err(BenchError::system("a free port"))?.port())
}
