//! The table: `target/lab.json`, and the document made of it.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use crate::error::LabError;
use crate::fault::{FAULTS, Fault};
use crate::tally::Row;

/// As few trials as the document may rest on.
const ENOUGH: usize = 30;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Puts rows in the place of older ones of the same faults, and writes the table. The document under `docs/` is written
/// only when every row in it rests on enough trials; else it is `target/lab.md`.
pub(crate) fn write(fresh: Vec<Row>) -> Result<PathBuf, LabError> {
    let json = root().join("target/lab.json");
    let known = fs::read_to_string(&json).unwrap_or_default();
    let mut rows: Vec<Row> = serde_json::from_str(&known).unwrap_or_default();
    rows.retain(|row| fresh.iter().all(|new| new.fault != row.fault));
    rows.extend(fresh);
    let place = |row: &Row| Fault::place(&row.fault);
    rows.retain(|row| place(row).is_some());
    rows.sort_by_key(place);
    let text = serde_json::to_string_pretty(&rows).map_err(|error| LabError::Stuck(error.to_string()))?;
    save(&json, &text)?;
    let complete = FAULTS.iter().all(|fault| rows.iter().any(|row| row.fault == fault.name));
    let whole = complete && rows.iter().all(|row| row.trials >= ENOUGH);
    let document = root().join(if whole { "docs/network.md" } else { "target/lab.md" });
    save(&document, &describe(&rows))?;
    Ok(document)
}

fn save(file: &Path, text: &str) -> Result<(), LabError> {
    // Without it where cargo builds elsewhere.
    file.parent()
        .map_or(Ok(()), fs::create_dir_all)
        .and_then(|()| fs::write(file, text))
        .map_err(LabError::system(file.display().to_string()))
}

/// A row, in one line.
pub(crate) fn line(row: &Row) -> String {
    format!(
        "| {} | {} ({}) | {} | {} | {} | {} | {} | {} |",
        row.fault,
        row.figure,
        row.unit,
        trials(row),
        number(row.p50),
        number(row.p95),
        number(row.max),
        bar(row),
        verdict(row)
    )
}

fn trials(row: &Row) -> String {
    match row.set_aside.len() {
        0 => row.trials.to_string(),
        aside => format!("{} (+{aside})", row.trials),
    }
}

fn bar(row: &Row) -> String {
    match (row.bar_p50, row.bar) {
        (Some(p50), Some(p95)) => format!("p50 ≤ {p50}, p95 ≤ {p95}"),
        (None, Some(p95)) => format!("p95 ≤ {p95}"),
        (_, None) => "—".to_owned(),
    }
}

fn verdict(row: &Row) -> String {
    let mut words = vec![if row.held { "yes" } else { "**no**" }.to_owned()];
    if row.never > 0 {
        words.push(format!("{} never", row.never));
    }
    if row.flawed > 0 {
        words.push(format!("{} flawed", row.flawed));
    }
    words.join(", ")
}

fn number(value: f64) -> String {
    if value.abs() >= 10.0 { format!("{value:.1}") } else { format!("{value:.2}") }
}

fn describe(rows: &[Row]) -> String {
    let held = rows.iter().filter(|row| row.held).count();
    let loads = rows.iter().flat_map(|row| row.circumstances.load);
    let (least, most) = loads.fold((f64::MAX, 0.0_f64), |(least, most), load| (least.min(load), most.max(load)));
    let dates = |pick: fn(String, String) -> String| {
        rows.iter().map(|row| row.circumstances.date.clone()).reduce(pick).unwrap_or_default()
    };
    let mut seeds: Vec<String> = rows.iter().map(|row| row.circumstances.seed.to_string()).collect();
    seeds.dedup();
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let minutes = rows.iter().fold((0.0, ""), |(sum, last), row| {
        (if row.fault == last { sum } else { sum + row.circumstances.seconds / 60.0 }, row.fault.as_str())
    });
    let mut text = format!(
        "# What bad networks do to a visit\n\n\
         {held} of {} figures hold. Written by `cargo xtask lab`, between {} and {}, on a machine with {cores} cores and a load \
         average of {least:.1} to {most:.1}; seed {}; {:.0} minutes in all.\n\n",
        rows.len(),
        dates(Ord::min),
        dates(Ord::max),
        seeds.join(", "),
        minutes.0,
    );
    text.push_str(
        "| fault | figure | trials | p50 | p95 | max | promised | held |\n|---|---|--:|--:|--:|--:|---|---|\n",
    );
    for row in rows {
        let _ = writeln!(text, "{}", line(row));
    }
    text.push_str(
        "\nA figure holds if it is within what was promised and no trial was \"never\" or \"flawed\". **Never**: it did not come \
         while it was waited for; it counts as long as that. **Flawed**: the oracle below found something wrong.\n\n\
         ## What each fault is\n\n| fault | |\n|---|---|\n",
    );
    for fault in &FAULTS {
        let _ = writeln!(text, "| {} | {} |", fault.name, fault.story);
    }
    text.push_str(METHOD);
    text
}

const METHOD: &str = "
## How it is measured

```
patient ── link ── router (NAT, two public addresses) ── wire ── server ── link ── provider
```

Each is a network namespace; a link is a pair of TAP devices with a thread between them that delays and loses frames as
it is told, with a seeded generator. When nothing is wrong the patient is 20 ms away (there and back), the provider 10 ms.
The server is the release build as a process of its own with a real database file. Patient and provider are two
Chromium with fake devices (640×360 at 30 pictures a second; 320×180 at 15 where three visits share a cut; noise that
takes all bandwidth for the capacity rows), driven inside their namespaces, so that nothing that drives them crosses a
bad link. All of it shares one machine, which is busy with it: figures wander with its load. Where that machine is a virtual
one whose host took more than 15 % of the processors' time away during a trial (`steal` in `/proc/stat`; 3 % where every
moment of ten seconds counts), the trial is set aside and another is run: `30 (+4)` has four such, whose values are in
`target/lab.json`; the oracle's findings always count.

Both pages note every 50 ms what `getStats` says. **Media at both ends again** is the end of the last gap of half a
second or more in decoded pictures or in sound from the network, at the end where it came later; media must then run for
2.5 s. Without such a gap it is the longest wait between two pictures or sounds. One call goes through many trials; where it
did not come back, or does not run smoothly before a trial, another one is begun. The rows of 10-second windows have a
call of their own, with ten seconds for the ends to get to know the link; each end is a trial, for each hears through losses
of its own. Where visits share a cut, each visit is one.

**The oracle**, in each trial: nobody clicked and no page was loaded anew; no page stood at another stage than connected or
reconnecting, nor said that somebody left, and all are connected in the end; microphones and cameras are as they were (one
trial in three has a muted patient, one in three a provider without a camera), and not a sound or picture of what was off came over; each page shows exactly one
other person; the audit log tells of nobody who came or went. With signalling cut and media alive, nobody may be said to be
gone.

## Run it

```
cargo xtask lab                       # the whole table, 30 trials a row, and this document
cargo xtask lab --trials 3            # the table in target/lab.md, with few trials
cargo xtask lab --only udp-blocked    # one fault; its rows replace the old ones in target/lab.json
cargo xtask test lab                  # does everything recover? two trials of each quick fault, no figures asserted
```

It needs Linux, root, `/dev/net/tun`, Chromium, and iproute2, nftables and conntrack, which it installs on Debian. What
went wrong in a trial is in `target/lab/`: stages, texts, samples, `getStats` and the program's log. This document is written
only when all of its rows rest on 30 trials.
";
