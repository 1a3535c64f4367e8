//! Increases the number of visits until a core is full. The cost per packet must not grow.

use std::path::Path;

use crate::error::BenchError;
use crate::measure::measure;
use crate::network::Network;
use crate::options::{Options, Target};
use crate::print;

/// Percentage of CPU usage at which a core is full.
const FULL: f64 = 95.0;
/// The first numbers of visits; then the number is doubled.
const STEPS: [u32; 4] = [1, 5, 10, 20];
/// Maximum allowed by the server's limits.
const MOST: u32 = 1_000;

/// Prints one line per number of visits.
pub(crate) async fn scale(options: &Options, bedside: &Path, network: &Network) -> Result<(), BenchError> {
    print(
        "| visits | packets/s | CPU time per packet (µs) | of which media threads (µs) | p50 (ms) | p99 (ms) | lost (%) | \
         memory per participant (KiB) | server core (%) | generator core (%) |\n\
         |--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
    );
    let target = options.only.first().copied().unwrap_or(Target::Bedside);
    let doubled = std::iter::successors(STEPS.last().copied(), |visits| visits.checked_mul(2)).skip(1);
    for visits in STEPS.into_iter().chain(doubled).take_while(|visits| *visits <= MOST) {
        let mut options = options.clone();
        options.load.visits = visits;
        let sample = match measure(&options, target, bedside, network).await {
            Ok(sample) => sample,
            // On an overloaded machine, participants may fail to join.
            Err(error) => {
                print(&format!("\nStopped: with {visits} visits, {error}."));
                return Ok(());
            }
        };
        print(&format!(
            "| {visits} | {:.0} | {:.1} | {:.1} | {:.3} | {:.3} | {:.3} | {:.0} | {:.0} | {:.0} |",
            sample.packets_per_second,
            sample.cpu_s_per_million,
            sample.media_s_per_million,
            sample.p50_ms,
            sample.p99_ms,
            sample.lost_percent,
            sample.rss_kib_per_participant,
            sample.server_percent,
            sample.generator_percent,
        ));
        if sample.server_percent > FULL {
            print("\nThe server core is full.");
            return Ok(());
        }
        if let Some(words) = sample.saturation() {
            print(&format!("\nStopped although the server is not at its limit: {words}."));
            return Ok(());
        }
    }
    Ok(())
}
