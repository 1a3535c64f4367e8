//! Media benchmark: the cost of forwarding media, measured from outside the server.
//!
//! The server is a process on core 0. The generator on core 1 simulates all participants with str0m and one socket
//! each.

mod bare;
mod bedside;
mod camera;
mod chart;
mod clinic;
mod clock;
mod compare;
mod cores;
mod error;
mod floor;
mod generator;
mod janus;
mod machine;
mod measure;
mod network;
mod options;
mod page;
mod payload;
mod player;
mod process;
mod program;
mod report;
mod sample;
mod scale;
mod server;
mod socket;
mod tally;
mod webrtc;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser as _;
use tokio::signal::unix::{SignalKind, signal};

use crate::error::BenchError;
use crate::network::Network;
use crate::options::Options;

fn main() -> ExitCode {
    let options = Options::parse();
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("bedside-bench: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<(), BenchError> {
    if let Some(address) = options.be_the_floor {
        return floor::serve(address);
    }
    str0m::crypto::from_feature_flags().install_process_default();
    let bedside = options.server.clone().map_or_else(beside_this_one, Ok)?;
    // Before any other thread is created, so that all threads are in the same namespace.
    let network = if options.no_namespace || !is_root() { Network::of_this_machine() } else { Network::own()? };
    cores::stay_on(cores::cores().generator)?;
    if options.realtime {
        cores::go_first()?;
    }
    process::allow_many_files();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(BenchError::system("a runtime"))?;
    runtime.block_on(or_stopped(async {
        match options.hold {
            Some(seconds) => measure::hold(options, seconds, &bedside, &network).await,
            None if options.scale => scale::scale(options, &bedside, &network).await,
            None => compare::compare(options, &bedside, &network).await,
        }
    }))
}

/// Runs until done, or until SIGINT or SIGTERM. Dropping the future then stops the server and removes the network.
async fn or_stopped(work: impl Future<Output = Result<(), BenchError>>) -> Result<(), BenchError> {
    let catch = |kind| signal(kind).map_err(BenchError::system("catching signals"));
    let (mut interrupt, mut terminate) = (catch(SignalKind::interrupt())?, catch(SignalKind::terminate())?);
    tokio::select! {
        done = work => done,
        _ = interrupt.recv() => Err(BenchError::Server("interrupted".to_owned())),
        _ = terminate.recv() => Err(BenchError::Server("terminated".to_owned())),
    }
}

/// Returns whether this process may create network namespaces.
fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Returns the Bedside server binary in the folder of this one.
fn beside_this_one() -> Result<PathBuf, BenchError> {
    let own = std::env::current_exe().map_err(BenchError::system("the path of this executable"))?;
    let beside = own.parent().map(|folder| folder.join("bedside")).filter(|binary| binary.is_file());
    let missing = "Bedside is not built: cargo build --release -p bedside-server, or use --server FILE";
    beside.ok_or_else(|| BenchError::Unavailable(missing.to_owned()))
}

#[expect(clippy::print_stdout, reason = "requested output")]
fn print(text: &str) {
    println!("{text}");
}

#[expect(clippy::print_stderr, reason = "the developer's terminal")]
fn say(text: &str) {
    eprintln!("{text}");
}
