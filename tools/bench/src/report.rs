//! Formats results as a table, as JSON, and for a document.

use serde_json::{Map, Value, json};

use crate::machine::Machine;
use crate::options::{Options, Target};
use crate::sample::{FIGURES, Figure, Sample, Spread};

/// Markers around the generated part of a document.
const BEGIN: &str = "<!-- bench media: written by `cargo xtask bench media --write-docs` -->";
const END: &str = "<!-- bench media: end -->";

/// The results of a run.
pub(crate) struct Report {
    /// In the order of the table.
    pub(crate) results: Vec<Outcome>,
    pub(crate) machine: Machine,
    /// The command that repeats the run.
    pub(crate) command: String,
    /// The load on each server.
    pub(crate) load: String,
    /// Remarks on the reliability of the results.
    pub(crate) remarks: Vec<String>,
}

/// The measurements of one server.
pub(crate) struct Outcome {
    pub(crate) target: Target,
    /// Its display name.
    pub(crate) name: String,
    pub(crate) samples: Vec<Sample>,
}

impl Outcome {
    /// Returns the median of a figure.
    pub(crate) fn median(&self, figure: fn(&Sample) -> f64) -> f64 {
        Spread::of(&self.samples, figure).map_or(0.0, |spread| spread.median)
    }
}

impl Report {
    /// Returns a Markdown table of the medians, with minimum and maximum in parentheses.
    pub(crate) fn table(&self) -> String {
        let row = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
        let names = self.results.iter().map(|result| result.name.clone());
        let mut table = row(std::iter::once(String::new()).chain(names).collect());
        table += &row(std::iter::once("---".to_owned()).chain(self.results.iter().map(|_| "--:".to_owned())).collect());
        for Figure { name, digits, of } in FIGURES {
            let values = self.results.iter().map(|result| Spread::of(&result.samples, of));
            let texts = values.map(|spread| spread.map_or_else(|| "–".to_owned(), |spread| spread.text(digits)));
            table += &row(std::iter::once(name.to_owned()).chain(texts).collect());
        }
        table
    }

    /// Returns the text below the table: remarks, load and machine.
    fn notes(&self) -> String {
        let remarks: String = self.remarks.iter().map(|remark| format!("* {remark}\n")).collect();
        let remarks = if remarks.is_empty() { remarks } else { format!("\n{remarks}") };
        format!("{remarks}\n{}. {}.\n`{}`\n", self.load, self.machine, self.command)
    }

    /// Returns the text for the terminal.
    pub(crate) fn text(&self) -> String {
        format!("\n{}{}", self.table(), self.notes())
    }

    /// Returns the results as JSON: the medians of all figures, and each measurement.
    pub(crate) fn json(&self) -> Value {
        let targets = self.results.iter().map(|result| {
            let name = match result.target {
                Target::Bedside => "bedside",
                Target::Janus => "janus",
                Target::Floor => "floor",
            };
            let samples: Vec<Value> = result.samples.iter().map(|sample| json!(sample)).collect();
            let names = samples.first().and_then(Value::as_object).map(Map::keys).into_iter().flatten();
            let mut values: Map<String, Value> = names
                .map(|name| {
                    let mut all: Vec<f64> = samples.iter().filter_map(|sample| sample[name].as_f64()).collect();
                    all.sort_by(f64::total_cmp);
                    let middle = f64::midpoint(all[(all.len() - 1) / 2], all[all.len() / 2]);
                    (name.clone(), json!(middle))
                })
                .collect();
            values.insert("name".to_owned(), json!(result.name));
            values.insert("samples".to_owned(), json!(samples));
            (name.to_owned(), Value::Object(values))
        });
        let mut all: Map<String, Value> = targets.collect();
        all.insert("date".to_owned(), json!(self.machine.date));
        all.insert("machine".to_owned(), json!(self.machine.to_string()));
        all.insert("command".to_owned(), json!(self.command));
        all.insert("load".to_owned(), json!(self.load));
        all.insert("remarks".to_owned(), json!(self.remarks));
        Value::Object(all)
    }

    /// Returns a document with the results between its markers; `None` if it has no markers.
    pub(crate) fn written_into(&self, document: &str) -> Option<String> {
        let (before, rest) = document.split_once(BEGIN)?;
        let (_, after) = rest.split_once(END)?;
        Some(format!("{before}{BEGIN}\n\n{}{}\n{END}{after}", self.table(), self.notes()))
    }
}

/// Describes the load.
pub(crate) fn load(options: &Options) -> String {
    let load = &options.load;
    let mut words = format!(
        "{} visits of {}, each participant sending 30 frames a second at {} kbit/s{} and 50 Opus packets; \
         measured for {} s",
        load.visits,
        load.people,
        load.bitrate / 1000,
        if load.simulcast { " with simulcast" } else { "" },
        options.seconds,
    );
    if options.repetitions > 1 {
        words += &format!(", {} times alternately", options.repetitions);
    }
    if load.loss > 0.0 {
        words += &format!(", with {} % packet loss in each direction", load.loss);
    }
    if load.waiting > 0 {
        words += &format!(", plus {} patients in waiting rooms", load.waiting);
    }
    if let Some(every) = load.churn {
        words += &format!(", one participant leaving and rejoining every {every} ms");
    }
    words
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::sample::tests::sample;

    pub(crate) fn report() -> Report {
        let result = |target, name: &str, cpu: &[f64]| Outcome {
            target,
            name: name.to_owned(),
            samples: cpu.iter().copied().map(sample).collect(),
        };
        Report {
            results: vec![
                result(Target::Floor, "floor", &[5.0]),
                result(Target::Bedside, "Bedside", &[10.0, 12.0, 11.0]),
                result(Target::Janus, "Janus 1.1.2", &[60.0, 50.0]),
            ],
            machine: Machine {
                date: "2026-11-23".to_owned(),
                processor: "A & B".to_owned(),
                cores: 2,
                kernel: "6".to_owned(),
            },
            command: "cargo xtask bench media".to_owned(),
            load: "20 visits".to_owned(),
            remarks: vec!["Quiet.".to_owned()],
        }
    }

    #[test]
    fn a_table_has_a_row_for_each_figure_and_a_column_for_each_server() {
        let table = report().table();
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(lines.len(), 2 + FIGURES.len());
        assert_eq!(lines[0], "|  | floor | Bedside | Janus 1.1.2 |");
        assert_eq!(lines[2], "| CPU time per packet (µs) | 5.0 | 11.0 (10.0 – 12.0) | 55.0 (50.0 – 60.0) |");
        assert!(lines.iter().all(|line| line.matches('|').count() == 5));
    }

    #[test]
    fn json_has_the_medians_by_name() {
        let json = report().json();
        assert_eq!(json["bedside"]["cpu_s_per_million"], 11.0);
        assert_eq!(json["janus"]["cpu_s_per_million"], 55.0);
        assert_eq!(json["floor"]["p50_ms"], 0.1);
        assert_eq!(json["bedside"]["samples"].as_array().map(Vec::len), Some(3));
        assert_eq!(json["bedside"]["rss_kib_per_participant"], 600.0);
    }

    #[test]
    fn a_document_keeps_all_but_what_is_between_its_marks() {
        let old = format!("# Title\n\n{BEGIN}\nold\n{END}\n\n## After\n");
        let new = report().written_into(&old).expect("it has marks");
        assert!(new.starts_with("# Title\n\n<!--") && new.ends_with("-->\n\n## After\n"), "{new}");
        assert!(new.contains("| floor |") && !new.contains("old"));
        assert_eq!(report().written_into(&new).as_ref(), Some(&new));
        assert_eq!(report().written_into("# Title\n"), None);
    }
}
