//! Network impairment lab on one machine: measures how network faults affect a visit, with the real server and real
//! browsers.
//!
//! `network` builds the network, with impaired `link`s; `program`, `browser` and `visit` run on it. `fault` lists the
//! faults; `outage`, `losses`, `capacity` and `start` run their trials. Pages keep a `recording`, which the `oracle`
//! checks; `host` monitors steal time. `tally` computes the figures, `report` writes them, and `evidence` saves details
//! of failed trials.

mod browser;
mod capacity;
#[path = "../../../crates/server/tests/browser/cdp.rs"]
#[allow(dead_code, reason = "the browser tests use the rest")]
mod cdp;
#[path = "../../../crates/server/tests/browser/chromium.rs"]
#[allow(dead_code, reason = "the browser tests use the rest")]
mod chromium;
mod clock;
mod error;
mod evidence;
mod fault;
mod host;
mod lab;
mod link;
mod losses;
mod namespace;
mod network;
mod oracle;
mod outage;
mod program;
mod recording;
mod report;
mod start;
mod tally;
mod visit;
#[path = "../../../crates/server/tests/browser/window.rs"]
#[allow(dead_code, reason = "the browser tests use the rest")]
mod window;

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};

use crate::error::LabError;
use crate::fault::{Course, FAULTS, Fault};
use crate::host::Processors;
use crate::lab::Lab;
use crate::tally::{Circumstances, Outcome, Row, Tally};

/// Exit code for a skipped test, as in automake.
const SKIPPED: u8 = 77;
/// Maximum waiting time before an event counts as timed out.
const PATIENCE: Duration = Duration::from_secs(60);
const SHORT_PATIENCE: Duration = Duration::from_secs(30);
/// Maximum number of trials set aside per trial that counts.
const AT_MOST_ASIDE: usize = 2;

/// Measures how network faults affect a visit
#[derive(Parser)]
struct Cli {
    /// Trials per fault
    #[arg(long, default_value_t = 30)]
    trials: usize,
    /// Only this fault (repeatable)
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// Random seed for packet loss
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Short run: two trials of each quick fault; fails if a call does not recover, ignores targets
    #[arg(long)]
    short: bool,
    /// List the faults and exit
    #[arg(long)]
    list: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    if cli.list {
        for fault in &FAULTS {
            say(&format!("{:20}{}", fault.name, fault.story));
        }
        return ExitCode::SUCCESS;
    }
    match or_stopped(run(&cli)).await {
        Ok(rows) if cli.short && rows.iter().any(|row| row.never + row.flawed > 0) => {
            say("\nrecovery failed: see target/lab/");
            ExitCode::FAILURE
        }
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("bedside-lab: {error}"));
            ExitCode::from(if matches!(error, LabError::Unavailable(_)) { SKIPPED } else { 1 })
        }
    }
}

/// Runs until done, or until SIGINT or SIGTERM. Dropping the future then cleans up.
async fn or_stopped<T>(work: impl Future<Output = Result<T, LabError>>) -> Result<T, LabError> {
    let catch = |kind| signal(kind).map_err(LabError::system("catching signals"));
    let (mut interrupt, mut terminate) = (catch(SignalKind::interrupt())?, catch(SignalKind::terminate())?);
    tokio::select! {
        done = work => done,
        _ = interrupt.recv() => Err(LabError::Stuck("interrupted".to_owned())),
        _ = terminate.recv() => Err(LabError::Stuck("terminated".to_owned())),
    }
}

async fn run(cli: &Cli) -> Result<Vec<Row>, LabError> {
    let (trials, patience) = if cli.short { (2, SHORT_PATIENCE) } else { (cli.trials.max(1), PATIENCE) };
    let mut rows = Vec::new();
    let mut lab = Lab::open(cli.seed).await?;
    for fault in chosen(cli)? {
        say(&format!("\n{}: {}", fault.name, fault.story));
        let (began, load) = (clock::instant(), load_average());
        let [outcomes, set_aside] = measure(&mut lab, fault, (trials, cli.short), patience).await?;
        let circumstances = Circumstances {
            date: jiff::Timestamp::from_millisecond(wall_milliseconds())
                .unwrap_or_default()
                .strftime("%F %R UTC")
                .to_string(),
            seed: cli.seed,
            load: [load, load_average()],
            seconds: began.elapsed().as_secs_f64(),
        };
        let tally = Tally { fault, outcomes, set_aside, patience: patience.as_secs_f64(), circumstances };
        for row in tally.rows() {
            say(&report::line(&row));
            rows.push(row);
        }
        if !cli.short {
            // Written after each fault, so that an interrupted run keeps its results.
            report::write(rows.clone())?;
        }
    }
    lab.close().await;
    if !cli.short {
        say(&format!("\nwritten: {}", report::write(rows.clone())?.display()));
    }
    Ok(rows)
}

fn chosen(cli: &Cli) -> Result<Vec<&'static Fault>, LabError> {
    if let Some(unknown) = cli.only.iter().find(|name| Fault::place(name).is_none()) {
        return Err(LabError::Stuck(format!("unknown fault {unknown:?}: use --list")));
    }
    let wanted = |fault: &Fault| {
        if cli.only.is_empty() {
            !cli.short || fault.is_quick()
        } else {
            cli.only.iter().any(|name| name == fault.name)
        }
    };
    Ok(FAULTS.iter().filter(|fault| wanted(fault)).collect())
}

/// Runs all trials of a fault. Returns those that count and those that were set aside.
async fn measure(
    lab: &mut Lab,
    fault: &Fault,
    (trials, short): (usize, bool),
    patience: Duration,
) -> Result<[Vec<Outcome>; 2], LabError> {
    match fault.course {
        Course::Start => start::begin(lab).await?,
        Course::Losses(losses) => losses::begin(lab, losses).await?,
        Course::Outage(_) | Course::Capacity(_) => {}
    }
    let (mut counted, mut set_aside) = (Vec::new(), Vec::new());
    let mut number = 0;
    while counted.len() < trials {
        if !short {
            host::calm().await;
        }
        let before = Processors::read();
        let mut fresh = match fault.course {
            Course::Start => vec![start::trial(lab, number).await?],
            Course::Losses(losses) => losses::trial(lab, (fault, losses), number).await?,
            Course::Outage(outage) => {
                let trial = outage::trial(lab, (fault, outage), number, patience).await;
                or_lost(lab, trial, outage.visits()).await?
            }
            Course::Capacity(way) => {
                let trial = capacity::trial(lab, (fault, way), number, patience).await;
                or_lost(lab, trial.map(|outcome| vec![outcome]), 1).await?
            }
        };
        number += 1;
        let taken = before.taken();
        for outcome in &mut fresh {
            outcome.taken = taken;
        }
        tell(fault, &fresh);
        for outcome in fresh {
            let aside = !short && outcome.is_disturbed(fault) && set_aside.len() < AT_MOST_ASIDE * trials;
            if aside { &mut set_aside } else { &mut counted }.push(outcome);
        }
    }
    counted.truncate(trials);
    lab.network.heal()?;
    if fault.course == Course::Start {
        lab.hang_up().await;
    }
    Ok([counted, set_aside])
}

/// Counts a trial in which the lab itself lost control of a page as one that never recovered.
async fn or_lost(
    lab: &mut Lab,
    trial: Result<Vec<Outcome>, LabError>,
    visits: usize,
) -> Result<Vec<Outcome>, LabError> {
    match trial {
        Err(LabError::Stuck(why)) => {
            lab.hang_up().await;
            Ok(vec![Outcome { values: vec![None], flaws: vec![why], ..Outcome::default() }; visits])
        }
        done_or_broken => done_or_broken,
    }
}

fn tell(fault: &Fault, outcomes: &[Outcome]) {
    for outcome in outcomes {
        let values: Vec<String> = outcome
            .values
            .iter()
            .map(|value| value.map_or_else(|| "never".to_owned(), |value| format!("{value:.2}")))
            .collect();
        let aside = if outcome.is_disturbed(fault) {
            format!("  ({:.0} % taken)", outcome.taken * 100.0)
        } else {
            String::new()
        };
        say(&format!(
            "  {}{aside}{}",
            values.join(" "),
            outcome.flaws.iter().map(|flaw| format!("\n    {flaw}")).collect::<String>()
        ));
    }
}

fn load_average() -> f64 {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().and_then(|load| load.parse().ok()).unwrap_or_default()
}

#[expect(clippy::cast_possible_truncation, reason = "milliseconds since 1970")]
fn wall_milliseconds() -> i64 {
    clock::wall() as i64
}

#[expect(clippy::print_stdout, reason = "the developer's terminal")]
fn say(line: &str) {
    println!("{line}");
}
