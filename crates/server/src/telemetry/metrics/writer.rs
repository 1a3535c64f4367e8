//! Writes metric values that are counted elsewhere.

use std::fmt;

use prometheus_client::encoding::{DescriptorEncoder, EncodeLabel, EncodeLabelSet, LabelSetEncoder, MetricEncoder};
use prometheus_client::metrics::MetricType;

/// The labels of a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Label {
    None,
    Worker(usize),
    Of(&'static str, &'static str),
    /// A worker and one more label.
    Also(usize, &'static str, &'static str),
}

impl EncodeLabelSet for Label {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> fmt::Result {
        let mut worker = |number: usize| ("worker", number).encode(encoder.encode_label());
        match self {
            Self::None => Ok(()),
            Self::Worker(number) => worker(*number),
            Self::Of(name, value) => (*name, *value).encode(encoder.encode_label()),
            Self::Also(number, name, value) => {
                worker(*number)?;
                (*name, *value).encode(encoder.encode_label())
            }
        }
    }
}

/// The buckets of a histogram: one more than there are bounds.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Spread {
    /// Upper bound and count of each bucket. Bounds are in the unit of the metric, like `sum`.
    pub(super) buckets: Vec<(f64, u64)>,
    pub(super) sum: f64,
}

impl Spread {
    /// Converts bounds and sum from a finer unit. `of_unit` is the number of fine units in the metric's unit.
    #[expect(clippy::cast_precision_loss, reason = "exact up to 2^53")]
    pub(super) fn new(bounds: &[u64], counts: &[u64], sum: u64, of_unit: f64) -> Self {
        let bounds = bounds.iter().map(|bound| *bound as f64 / of_unit).chain([f64::INFINITY]);
        Self { buckets: bounds.zip(counts.iter().copied()).collect(), sum: sum as f64 / of_unit }
    }

    fn count(&self) -> u64 {
        self.buckets.iter().map(|(_, count)| count).sum()
    }
}

/// Formats a metric line with an optional label.
fn labelled(
    encoder: &mut MetricEncoder<'_>,
    label: &Label,
    write: impl FnOnce(&mut MetricEncoder<'_>) -> fmt::Result,
) -> fmt::Result {
    match label {
        Label::None => write(encoder),
        Label::Worker(_) | Label::Of(..) | Label::Also(..) => write(&mut encoder.encode_family(label)?),
    }
}

/// Writes a sequence of metrics.
pub(super) struct Writer<'a>(DescriptorEncoder<'a>);

impl<'a> Writer<'a> {
    pub(super) const fn new(encoder: DescriptorEncoder<'a>) -> Self {
        Self(encoder)
    }

    /// Writes a counter. `_total` is appended to its name.
    pub(super) fn counter(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (Label, u64)>,
    ) -> fmt::Result {
        let mut encoder = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (label, value) in samples {
            labelled(&mut encoder, &label, |to| to.encode_counter::<Label, _, u64>(&value, None))?;
        }
        Ok(())
    }

    /// Writes a counter with fractional values.
    pub(super) fn seconds(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (Label, f64)>,
    ) -> fmt::Result {
        let mut encoder = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (label, value) in samples {
            labelled(&mut encoder, &label, |to| to.encode_counter::<Label, _, u64>(&value, None))?;
        }
        Ok(())
    }

    /// Writes a gauge.
    pub(super) fn gauge(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (Label, f64)>,
    ) -> fmt::Result {
        let mut encoder = self.0.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (label, value) in samples {
            labelled(&mut encoder, &label, |to| to.encode_gauge(&value))?;
        }
        Ok(())
    }

    /// Writes a histogram.
    pub(super) fn histogram(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (Label, Spread)>,
    ) -> fmt::Result {
        let mut encoder = self.0.encode_descriptor(name, help, None, MetricType::Histogram)?;
        for (label, spread) in samples {
            labelled(&mut encoder, &label, |to| {
                to.encode_histogram::<Label>(spread.sum, spread.count(), &spread.buckets, None)
            })?;
        }
        Ok(())
    }
}
