//! Measures Bedside, Janus and the floor alternately, so that disturbances of the machine affect all of them.

use std::fs;
use std::path::Path;

use crate::chart;
use crate::cores::cores;
use crate::error::BenchError;
use crate::janus;
use crate::machine::Machine;
use crate::measure::measure;
use crate::network::Network;
use crate::options::{Options, Target};
use crate::report::{Outcome, Report, load};
use crate::sample::Sample;
use crate::say;

/// Runs the measurements and writes the requested outputs.
pub(crate) async fn compare(options: &Options, bedside: &Path, network: &Network) -> Result<(), BenchError> {
    let mut report = Report {
        results: Vec::new(),
        machine: Machine::this(),
        command: command(),
        load: load(options),
        remarks: Vec::new(),
    };
    report.results = chosen(options, network, &mut report.remarks);
    for turn in 1..=options.repetitions {
        for result in &mut report.results {
            let sample = measure(options, result.target, bedside, network).await?;
            say(&format!(
                "{turn} of {}: {}: {:.1} µs a packet, p50 {:.3} ms, p99 {:.3} ms, {:.0} packets/s, {:.3} % lost",
                options.repetitions,
                result.name,
                sample.cpu_s_per_million,
                sample.p50_ms,
                sample.p99_ms,
                sample.packets_per_second,
                sample.lost_percent,
            ));
            result.samples.push(sample);
        }
    }
    remark(&mut report, options);
    crate::print(&report.text());
    if let Some(path) = &options.json {
        let text = serde_json::to_string_pretty(&report.json()).map_err(BenchError::server("JSON"))?;
        write(path, &(text + "\n"))?;
    }
    if let Some(path) = &options.chart {
        write(path, &chart::draw(&report))?;
    }
    if let Some(path) = &options.document {
        let old = fs::read_to_string(path).map_err(BenchError::system(path.display().to_string()))?;
        let new = report.written_into(&old);
        write(path, &new.ok_or_else(|| BenchError::Unavailable(format!("{} has no marks", path.display())))?)?;
    }
    Ok(())
}

/// Returns the targets to measure in the order of the table, and adds a remark for each that is unavailable.
fn chosen(options: &Options, network: &Network, remarks: &mut Vec<String>) -> Vec<Outcome> {
    let wanted = |target| options.only.is_empty() || options.only.contains(&target);
    let mut results = Vec::new();
    let mut add = |target, name: &str| {
        if wanted(target) {
            results.push(Outcome { target, name: name.to_owned(), samples: Vec::new() });
        }
    };
    add(Target::Floor, "the floor");
    add(Target::Bedside, "Bedside");
    match janus::version() {
        _ if !wanted(Target::Janus) => (),
        Some(version) if network.is_own() => add(Target::Janus, &format!("Janus {version}")),
        Some(_) => remarks.push("Janus was skipped: it needs a network namespace, and that needs root".to_owned()),
        None => remarks.push("Janus was skipped: it is not installed (on Debian: apt-get install janus)".to_owned()),
    }
    results
}

/// Adds remarks on the reliability of the figures.
fn remark(report: &mut Report, options: &Options) {
    for result in &report.results {
        let worst = result.samples.iter().filter_map(Sample::saturation).next_back();
        if let Some(words) = worst {
            report.remarks.push(format!(
                "**{}: {words}.** Its latencies include those of the generator, and its packets arrived in bursts",
                result.name
            ));
        }
        let silent = result.samples.iter().map(|sample| sample.silent).fold(0.0, f64::max);
        if silent > 0.0 {
            report.remarks.push(format!("**{}: {silent} streams never arrived** during the measurement", result.name));
        }
    }
    let samples = report.results.iter().flat_map(|result| &result.samples);
    let others = samples.map(|sample| sample.others_percent).fold(0.0, f64::max);
    if others > 10.0 {
        report.remarks.push(format!(
            "Other programs took up to {others:.0} % of the server core: columns are comparable with each other, but not with other runs"
        ));
    }
    if cores().server == cores().generator {
        report.remarks.push("**Server and generator shared one core.** These figures are not reliable".to_owned());
    }
    if options.realtime {
        report.remarks.push("Servers and generator ran with real-time priority (`chrt --rr 1`)".to_owned());
    }
}

/// Returns the command line as given to `cargo xtask`.
fn command() -> String {
    let own = std::env::args().skip(1).collect::<Vec<_>>().join(" ");
    std::env::var("XTASK_COMMAND").unwrap_or_else(|_| format!("bedside-bench {own}"))
}

fn write(path: &Path, text: &str) -> Result<(), BenchError> {
    fs::write(path, text).map_err(BenchError::system(path.display().to_string()))
}
