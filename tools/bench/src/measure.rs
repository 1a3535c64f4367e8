//! One measurement: all participants join, the server warms up, then packets are counted.

use std::path::Path;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::cores::cores;
use crate::error::BenchError;
use crate::generator::Generator;
use crate::network::Network;
use crate::options::{Options, Target};
use crate::process::{Usage, processor, resident};
use crate::sample::{Sample, Surroundings};
use crate::say;
use crate::server::Server;

/// How long it may take until media flows between all participants.
const PATIENCE: Duration = Duration::from_secs(30);
/// Seconds in a minute.
const MINUTE: u64 = 60;

/// Starts a server and measures it under load.
pub(crate) async fn measure(
    options: &Options,
    target: Target,
    bedside: &Path,
    network: &Network,
) -> Result<Sample, BenchError> {
    let (mut generator, mut server) = crowd(options, target, bedside, network).await?;
    generator.begin().await?;
    let (before, own_before) = (Usage::read(server.pid())?, Usage::read(std::process::id())?);
    let (core_before, at) = (processor(cores().server), Instant::now());
    keep_on(options, &mut server, network, &mut generator, options.seconds).await?;
    let used = Usage::read(server.pid())? - before;
    let (core, time) = (processor(cores().server).saturating_sub(core_before), at.elapsed());
    let own = Usage::read(std::process::id())? - own_before;
    let tally = generator.end().await?;
    if tally.received == 0 {
        return Err(BenchError::Server("nothing is forwarded".to_owned()));
    }
    Ok(Sample::new(
        &tally,
        &used,
        time,
        Surroundings {
            people: options.load.visits * options.load.people,
            others: u64::from(options.load.people - 1),
            grown: resident(server.pid()).saturating_sub(server.resident_before()),
            core,
            generator: own.cpu,
        },
    ))
}

/// Keeps the load running for a profiler, and prints the server's memory every minute.
pub(crate) async fn hold(options: &Options, seconds: u64, bedside: &Path, network: &Network) -> Result<(), BenchError> {
    let target = options.only.first().copied().unwrap_or(Target::Bedside);
    let (mut generator, mut server) = crowd(options, target, bedside, network).await?;
    say(&format!("server process {}; the load continues for {seconds} s", server.pid()));
    let mut left = seconds;
    while left > 0 {
        let next = left.min(MINUTE);
        keep_on(options, &mut server, network, &mut generator, next).await?;
        left -= next;
        let silent = generator.progress().await?.silent;
        let resident = resident(server.pid());
        say(&format!("{} s: {resident} KiB, {silent} streams are missing", seconds - left));
    }
    Ok(())
}

/// Starts a server, lets all participants join, and warms it up.
async fn crowd(
    options: &Options,
    target: Target,
    bedside: &Path,
    network: &Network,
) -> Result<(Generator, Server), BenchError> {
    let mut generator = Generator::start()?;
    let mut server = Server::start(target, bedside, network).await?;
    server.fill(&options.load, network, &mut generator).await?;
    let deadline = Instant::now() + PATIENCE;
    loop {
        let progress = generator.progress().await?;
        if progress.silent == 0 {
            break;
        }
        if Instant::now() > deadline {
            return Err(BenchError::Server(format!(
                "{} of {} connections are up, and {} streams are missing",
                progress.connected, progress.players, progress.silent
            )));
        }
        sleep(Duration::from_millis(20)).await;
    }
    sleep(Duration::from_secs(options.warm_up)).await;
    Ok((generator, server))
}

/// Lets time pass, with participants leaving and rejoining if requested.
async fn keep_on(
    options: &Options,
    server: &mut Server,
    network: &Network,
    generator: &mut Generator,
    seconds: u64,
) -> Result<(), BenchError> {
    let end = Instant::now() + Duration::from_secs(seconds);
    let Some(every) = options.load.churn.map(Duration::from_millis) else {
        tokio::time::sleep_until(end).await;
        return Ok(());
    };
    let mut next = Instant::now() + every;
    while next < end {
        tokio::time::sleep_until(next).await;
        server.churn(&options.load, network, generator).await?;
        next += every;
    }
    tokio::time::sleep_until(end).await;
    Ok(())
}
