//! Command line options.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Parser, ValueEnum};

/// Measures the cost of forwarding media for Bedside, Janus and the floor
#[derive(Debug, Clone, Parser)]
#[command(name = "bedside-bench")]
pub(crate) struct Options {
    #[command(flatten)]
    pub(crate) load: Load,
    /// Seconds to measure after the warm-up
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub(crate) seconds: u64,
    /// Seconds of warm-up after all media flows
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(0..=600))]
    pub(crate) warm_up: u64,
    /// Number of measurements per server, taken alternately
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) repetitions: u32,
    /// Servers to measure (default: all)
    #[arg(long, value_enum, value_delimiter = ',')]
    pub(crate) only: Vec<Target>,
    /// Bedside server binary (default: next to this one)
    #[arg(long, value_name = "FILE")]
    pub(crate) server: Option<PathBuf>,
    /// Measure only Bedside with 1, 5, 10, 20, 40, … visits until a core is full
    #[arg(long)]
    pub(crate) scale: bool,
    /// Print the server's process ID and keep the load running for this many seconds, for a profiler
    #[arg(long, value_name = "SECONDS")]
    pub(crate) hold: Option<u64>,
    /// Run server and generator with real-time priority (`chrt --rr 1`; requires root)
    #[arg(long)]
    pub(crate) realtime: bool,
    /// Use this machine's network: no namespace, and no Janus
    #[arg(long)]
    pub(crate) no_namespace: bool,
    /// Run as the floor's server at this address
    #[arg(long, hide = true, value_name = "ADDRESS")]
    pub(crate) be_the_floor: Option<SocketAddr>,
    /// Write the results as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Write a chart as SVG
    #[arg(long, value_name = "FILE")]
    pub(crate) chart: Option<PathBuf>,
    /// Write the table into a document, between its markers
    #[arg(long, value_name = "FILE")]
    pub(crate) document: Option<PathBuf>,
}

/// The load
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Load {
    /// Number of concurrent visits
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) visits: u32,
    /// Participants per visit
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(2..=8))]
    pub(crate) people: u32,
    /// Video bit rate per participant in bits per second
    #[arg(long, default_value_t = 1_500_000, value_parser = clap::value_parser!(u32).range(50_000..=20_000_000))]
    pub(crate) bitrate: u32,
    /// Packet loss in percent, in each direction
    #[arg(long, default_value_t = 0.0)]
    pub(crate) loss: f64,
    /// Send video with simulcast
    #[arg(long)]
    pub(crate) simulcast: bool,
    /// Additional patients who only wait in their waiting rooms (Bedside only)
    #[arg(long, default_value_t = 0, value_name = "PATIENTS", value_parser = clap::value_parser!(u32).range(0..=20_000))]
    pub(crate) waiting: u32,
    /// Let a participant leave and rejoin every MILLISECONDS
    #[arg(long, value_name = "MILLISECONDS")]
    pub(crate) churn: Option<u64>,
}

impl Load {
    /// Returns the number of other participants each one receives media from.
    pub(crate) fn others(&self) -> usize {
        usize::try_from(self.people).unwrap_or(usize::MAX).saturating_sub(1)
    }
}

/// A server that can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Target {
    /// This project's server
    Bedside,
    /// Janus' VideoRoom
    Janus,
    /// Only receiving, decrypting, encrypting and sending
    Floor,
}
