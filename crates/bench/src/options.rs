//! What is asked for.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Parser, ValueEnum};

/// What forwarding media costs: Bedside, Janus and the floor that both stand on.
#[derive(Debug, Clone, Parser)]
#[command(name = "bedside-bench")]
pub(crate) struct Options {
    #[command(flatten)]
    pub(crate) load: Load,
    /// Seconds that are measured, after everything is warm.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub(crate) seconds: u64,
    /// Seconds between the last who is heard and what is measured.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(0..=600))]
    pub(crate) warm_up: u64,
    /// How often each is measured, in turns.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) repetitions: u32,
    /// What is measured; all of it, if nothing is said.
    #[arg(long, value_enum, value_delimiter = ',')]
    pub(crate) only: Vec<Target>,
    /// Bedside's program. Beside this one, if it is not given.
    #[arg(long, value_name = "FILE")]
    pub(crate) server: Option<PathBuf>,
    /// Bedside alone, with 1, 5, 10, 20, 40, … visits until a core is full.
    #[arg(long)]
    pub(crate) scale: bool,
    /// Print Bedside's process id and keep the load going for so many seconds, for a profiler.
    #[arg(long, value_name = "SECONDS")]
    pub(crate) hold: Option<u64>,
    /// Server and generator go before everything else on this machine (`chrt --rr 1`; root).
    #[arg(long)]
    pub(crate) realtime: bool,
    /// Stay in the network of this machine: no namespace, and no Janus.
    #[arg(long)]
    pub(crate) no_namespace: bool,
    /// Be the server that the floor is measured with, at this address.
    #[arg(long, hide = true, value_name = "ADDRESS")]
    pub(crate) be_the_floor: Option<SocketAddr>,
    /// Write what was measured, as JSON.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Draw it, as SVG.
    #[arg(long, value_name = "FILE")]
    pub(crate) chart: Option<PathBuf>,
    /// Write the table between its marks in a document.
    #[arg(long, value_name = "FILE")]
    pub(crate) document: Option<PathBuf>,
}

/// The load.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Load {
    /// Visits at the same time.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) visits: u32,
    /// People in each.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(2..=8))]
    pub(crate) people: u32,
    /// Bits a second of each person's picture.
    #[arg(long, default_value_t = 1_500_000, value_parser = clap::value_parser!(u32).range(50_000..=20_000_000))]
    pub(crate) bitrate: u32,
    /// Percent of media packets that are lost each way.
    #[arg(long, default_value_t = 0.0)]
    pub(crate) loss: f64,
    /// Pictures in three sizes.
    #[arg(long)]
    pub(crate) simulcast: bool,
    /// Patients besides who are in their waiting rooms and do nothing else; Bedside only.
    #[arg(long, default_value_t = 0, value_name = "PATIENTS", value_parser = clap::value_parser!(u32).range(0..=20_000))]
    pub(crate) waiting: u32,
    /// Every so many milliseconds somebody leaves and comes again.
    #[arg(long, value_name = "MILLISECONDS")]
    pub(crate) churn: Option<u64>,
}

impl Load {
    /// How many others each person is to hear and see.
    pub(crate) fn others(&self) -> usize {
        usize::try_from(self.people).unwrap_or(usize::MAX).saturating_sub(1)
    }
}

/// What can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Target {
    /// This project's server.
    Bedside,
    /// Janus' VideoRoom.
    Janus,
    /// Decrypting, encrypting, receiving and sending alone.
    Floor,
}
