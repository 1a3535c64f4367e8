//! Outcomes of trials, and their statistics.

use serde::{Deserialize, Serialize};

use crate::fault::{Fault, Figure};

/// The outcome of a trial: one value per figure of the fault; `None` if it timed out.
#[derive(Debug, Clone, Default)]
pub(crate) struct Outcome {
    pub(crate) values: Vec<Option<f64>>,
    /// Failed checks.
    pub(crate) flaws: Vec<String>,
    /// Share of CPU time, 0 to 1, that the virtual machine's host took away during the trial.
    pub(crate) taken: f64,
}

impl Outcome {
    /// Returns whether the trial measured the host rather than the visit. Trials with failed checks always count.
    pub(crate) fn is_disturbed(&self, fault: &Fault) -> bool {
        self.taken > fault.bears() && self.flaws.is_empty()
    }
}

/// The trials of a fault.
#[derive(Debug, Clone)]
pub(crate) struct Tally<'a> {
    pub(crate) fault: &'a Fault,
    pub(crate) outcomes: Vec<Outcome>,
    /// Trials that were set aside.
    pub(crate) set_aside: Vec<Outcome>,
    /// The value for a trial that timed out: the full waiting time.
    pub(crate) patience: f64,
    pub(crate) circumstances: Circumstances,
}

/// Date, and how busy the machine was.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Circumstances {
    pub(crate) date: String,
    pub(crate) seed: u64,
    /// One-minute load averages at the start and at the end.
    pub(crate) load: [f64; 2],
    pub(crate) seconds: f64,
}

/// A row of the table.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) fault: String,
    pub(crate) figure: String,
    pub(crate) unit: String,
    pub(crate) trials: usize,
    pub(crate) p50: f64,
    pub(crate) p95: f64,
    pub(crate) max: f64,
    pub(crate) bar_p50: Option<f64>,
    pub(crate) bar: Option<f64>,
    /// Trials that timed out. They count with the full waiting time.
    pub(crate) never: usize,
    /// Trials with failed checks.
    pub(crate) flawed: usize,
    pub(crate) held: bool,
    pub(crate) values: Vec<f64>,
    /// Values of trials that were set aside because the host took away CPU time; others were run instead.
    pub(crate) set_aside: Vec<f64>,
    pub(crate) circumstances: Circumstances,
}

impl Tally<'_> {
    /// Returns one row per figure.
    pub(crate) fn rows(&self) -> Vec<Row> {
        self.fault.figures.iter().enumerate().map(|(index, figure)| self.row(index, figure)).collect()
    }

    fn row(&self, index: usize, figure: &Figure) -> Row {
        let observed = |outcome: &Outcome| outcome.values.get(index).copied().flatten();
        let never = self.outcomes.iter().filter(|outcome| observed(outcome).is_none()).count();
        let flawed = self.outcomes.iter().filter(|outcome| !outcome.flaws.is_empty()).count();
        let counted = |outcome: &Outcome| observed(outcome).unwrap_or(self.patience);
        let values: Vec<f64> = self.outcomes.iter().map(counted).collect();
        let set_aside: Vec<f64> = self.set_aside.iter().map(counted).collect();
        let rounded = |values: &[f64]| values.iter().map(|value| (value * 1000.0).round() / 1000.0).collect();
        let [p50, p95, max] = [0.5, 0.95, 1.0].map(|share| at(&values, share));
        let under = |value: f64, bar: Option<f64>| bar.is_none_or(|bar| value <= bar);
        Row {
            fault: self.fault.name.to_owned(),
            figure: figure.name.to_owned(),
            unit: figure.unit.to_owned(),
            trials: values.len(),
            p50,
            p95,
            max,
            bar_p50: figure.p50,
            bar: figure.p95,
            never,
            flawed,
            held: !values.is_empty() && never == 0 && flawed == 0 && under(p50, figure.p50) && under(p95, figure.p95),
            values: rounded(&values),
            set_aside: rounded(&set_aside),
            circumstances: self.circumstances.clone(),
        }
    }
}

/// Returns a percentile by nearest rank.
fn at(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a rank among a few trials"
    )]
    let rank = (share * sorted.len() as f64).ceil().max(1.0) as usize;
    sorted.get(rank - 1).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::FAULTS;

    fn tally(values: &[Option<f64>], flaws: &[&str]) -> Row {
        let mut outcomes: Vec<Outcome> =
            values.iter().map(|value| Outcome { values: vec![*value], ..Outcome::default() }).collect();
        outcomes[0].flaws = flaws.iter().map(|flaw| (*flaw).to_owned()).collect();
        let circumstances = Circumstances::default();
        let set_aside = vec![Outcome { values: vec![Some(9.0)], ..Outcome::default() }];
        Tally { fault: &FAULTS[1], outcomes, set_aside, patience: 60.0, circumstances }.rows().remove(0)
    }

    #[test]
    fn what_is_set_aside_is_told_and_not_counted() {
        let row = tally(&[Some(0.4), Some(0.5)], &[]);
        assert_eq!((row.trials, row.max, row.set_aside.as_slice(), row.held), (2, 0.5, [9.0].as_slice(), true));
    }

    #[test]
    fn what_is_wrong_is_never_set_aside() {
        let outcome = |flaws: &[String]| Outcome { flaws: flaws.to_vec(), taken: 0.3, ..Outcome::default() };
        assert!(outcome(&[]).is_disturbed(&FAULTS[1]));
        assert!(!outcome(&["was at the stage \"alone\"".to_owned()]).is_disturbed(&FAULTS[1]));
        assert!(!Outcome::default().is_disturbed(&FAULTS[1]));
    }

    #[test]
    fn shares_are_of_the_nearest_rank() {
        let values: Vec<f64> = (1..=20).map(f64::from).collect();
        assert_eq!([0.5, 0.95, 1.0].map(|share| at(&values, share)), [10.0, 19.0, 20.0]);
    }

    #[test]
    fn what_never_came_counts_as_long_as_it_was_waited_for() {
        let row = tally(&[Some(0.4), None], &[]);
        assert_eq!((row.trials, row.max, row.never, row.held), (2, 60.0, 1, false));
    }

    #[test]
    fn a_bar_is_held_without_flaws_only() {
        assert!(tally(&[Some(0.4), Some(1.0)], &[]).held);
        assert!(!tally(&[Some(0.4), Some(1.1)], &[]).held);
        assert!(!tally(&[Some(0.4), Some(0.5)], &["was at the stage \"alone\""]).held);
    }
}
