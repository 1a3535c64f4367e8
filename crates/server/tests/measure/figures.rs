//! Measured figures: statistics and output.

use std::fmt::Write as _;

/// The figures of one test.
pub(crate) struct Figures {
    title: &'static str,
    rows: Vec<[String; 5]>,
}

impl Figures {
    pub(crate) fn new(title: &'static str) -> Self {
        println!("\n{title}\n(figure | value | unit | n | how)");
        Self { title, rows: Vec::new() }
    }

    /// Prints and records a figure of `n` observations.
    pub(crate) fn add(&mut self, figure: &str, value: impl ToString, unit: &str, n: usize, how: &str) {
        let row = [figure.to_owned(), value.to_string(), unit.to_owned(), n.to_string(), how.to_owned()];
        println!("{}", row.join(" | "));
        self.rows.push(row);
    }

    /// Prints and records a figure of many observations: median, 95th percentile and maximum.
    pub(crate) fn spread(&mut self, figure: &str, sample: &Sample, unit: &str, how: &str) {
        let [middle, most, highest] = [0.5, 0.95, 1.0].map(|share| number(sample.at(share)));
        self.add(
            figure,
            format!("{middle} / {most} / {highest}"),
            &format!("{unit}, p50 / p95 / max"),
            sample.len(),
            how,
        );
    }

    /// Prints all figures again as a Markdown table.
    pub(crate) fn table(self) {
        let mut text = format!("\n### {}\n\n| figure | value | unit | n | how |\n|---|--:|---|--:|---|\n", self.title);
        for row in &self.rows {
            let _ = writeln!(text, "| {} |", row.join(" | "));
        }
        println!("{text}");
    }
}

/// Observations of one quantity.
#[derive(Debug, Default, Clone)]
pub(crate) struct Sample(Vec<f64>);

impl Sample {
    pub(crate) fn add(&mut self, value: f64) {
        self.0.push(value);
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns the smallest observation that at least this share does not exceed (nearest-rank percentile).
    pub(crate) fn at(&self, share: f64) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_unstable_by(f64::total_cmp);
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
        let rank = (share * sorted.len() as f64).ceil().max(1.0) as usize;
        sorted.get(rank - 1).copied().unwrap_or(f64::NAN)
    }
}

impl Extend<f64> for Sample {
    fn extend<T: IntoIterator<Item = f64>>(&mut self, values: T) {
        self.0.extend(values);
    }
}

/// Formats a number with its significant digits.
pub(crate) fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// Returns a number from the environment.
pub(crate) fn setting(name: &str, default: usize) -> usize {
    std::env::var(name).ok().map_or(default, |text| text.parse().expect("a number"))
}

#[test]
fn shares_are_of_the_nearest_rank() {
    let mut sample = Sample::default();
    sample.extend((1..=20).map(f64::from));
    assert_eq!([sample.at(0.5), sample.at(0.95), sample.at(1.0)], [10.0, 19.0, 20.0]);
}
