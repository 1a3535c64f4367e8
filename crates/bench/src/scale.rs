//! More and more visits, until a core is full: what a packet costs must not grow.

use std::path::Path;

use crate::error::BenchError;
use crate::measure::measure;
use crate::network::Network;
use crate::options::{Options, Target};
use crate::print;

/// A core is full at so many percent.
const FULL: f64 = 95.0;
/// So many visits are tried, and then twice as many as before.
const STEPS: [u32; 4] = [1, 5, 10, 20];
/// No more than the server's own limits have room for.
const MOST: u32 = 1_000;

/// Prints a line for each number of visits.
pub(crate) async fn scale(options: &Options, bedside: &Path, network: &Network) -> Result<(), BenchError> {
    print(
        "| visits | packets/s | processor time a packet (µs) | of it media threads (µs) | p50 (ms) | p99 (ms) | lost (%) | \
         memory a person (KiB) | server's core (%) | generator's core (%) |\n\
         |--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
    );
    let target = options.only.first().copied().unwrap_or(Target::Bedside);
    let doubled = std::iter::successors(STEPS.last().copied(), |visits| visits.checked_mul(2)).skip(1);
    for visits in STEPS.into_iter().chain(doubled).take_while(|visits| *visits <= MOST) {
        let mut options = options.clone();
        options.load.visits = visits;
        let sample = match measure(&options, target, bedside, network).await {
            Ok(sample) => sample,
            // An overloaded machine does not let everybody in.
            Err(error) => {
                print(&format!("\nIt ends here: with {visits} visits, {error}."));
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
            print("\nThe server's core is full.");
            return Ok(());
        }
        if let Some(words) = sample.saturation() {
            print(&format!("\nIt ends here although the server has room: {words}."));
            return Ok(());
        }
    }
    Ok(())
}
