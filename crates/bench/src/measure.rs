//! One measurement: everybody comes in, all is warm, and then it is counted.

use std::path::Path;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::bedside::Bedside;
use crate::error::BenchError;
use crate::generator::Generator;
use crate::network::Network;
use crate::options::Options;
use crate::process::{Usage, resident};
use crate::say;

/// How long it may take until everybody hears everybody.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) async fn measure(options: &Options, server: &Path, network: &Network) -> Result<(), BenchError> {
    let mut generator = Generator::start(|| {})?;
    let mut bedside = Bedside::start(server, network).await?;
    let began = Instant::now();
    bedside.fill(&options.load, network, &mut generator).await?;
    until_heard(&generator).await?;
    say(&format!("everybody is heard after {:.1} s", began.elapsed().as_secs_f64()));
    sleep(Duration::from_secs(options.warm_up)).await;
    if let Some(seconds) = options.hold {
        say(&format!("Bedside's process is {}", bedside.pid()));
        sleep(Duration::from_secs(seconds)).await;
        return Ok(());
    }
    generator.begin().await?;
    let (before, at) = (Usage::read(bedside.pid())?, Instant::now());
    sleep(Duration::from_secs(options.seconds)).await;
    let tally = generator.end().await?;
    let (used, time) = (Usage::read(bedside.pid())? - before, at.elapsed().as_secs_f64());
    let people = f64::from(options.load.visits * options.load.people);
    say(&format!(
        "sent {:.0}/s received {:.0}/s lost {} | cpu {:.1}% => {:.2} cpu-s/M (media thread {:.2}, system {:.2}) | switches vol {} invol {} | rss/participant {:.0} KiB | latency ms p50 {:.3} p99 {:.3} | lateness p99 {:.3} | generator {:.0}%",
        tally.sent as f64 / time,
        tally.received as f64 / time,
        tally.lost,
        used.cpu as f64 / time / 1e7,
        used.cpu as f64 / 1e3 / tally.received as f64,
        used.media_cpu as f64 / 1e3 / tally.received as f64,
        used.system() / 1e3 / tally.received as f64,
        used.voluntary, used.involuntary,
        (resident(bedside.pid()) as f64 - bedside.resident_before as f64) / people,
        tally.latency.value_at_quantile(0.5) as f64 / 1e6,
        tally.latency.value_at_quantile(0.99) as f64 / 1e6,
        tally.lateness.value_at_quantile(0.99) as f64 / 1e6,
        tally.busy as f64 / time / 1e7,
    ));
    Ok(())
}

async fn until_heard(generator: &Generator) -> Result<(), BenchError> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let progress = generator.progress().await?;
        if progress.silent == 0 {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(BenchError::Server(format!("not everybody is heard: {progress:?}")));
        }
        sleep(Duration::from_millis(50)).await;
    }
}
