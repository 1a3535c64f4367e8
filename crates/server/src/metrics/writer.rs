//! Writes values that are counted elsewhere.

use std::fmt;

use prometheus_client::encoding::{DescriptorEncoder, EncodeLabel, EncodeLabelSet, LabelSetEncoder, MetricEncoder};
use prometheus_client::metrics::MetricType;

/// No labels, or one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Label {
    None,
    Worker(usize),
    Of(&'static str, &'static str),
    /// Of a worker, and another one.
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

/// Counts of values between bounds: one more than there are bounds.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Spread {
    /// In the unit of the metric, as `sum` is.
    pub(super) buckets: Vec<(f64, u64)>,
    pub(super) sum: f64,
}

impl Spread {
    /// Bounds and sum come in a finer unit, of which the metric's has `of_unit`.
    #[expect(clippy::cast_precision_loss, reason = "exact up to 2^53")]
    pub(super) fn new(bounds: &[u64], counts: &[u64], sum: u64, of_unit: f64) -> Self {
        let bounds = bounds.iter().map(|bound| *bound as f64 / of_unit).chain([f64::INFINITY]);
        Self { buckets: bounds.zip(counts.iter().copied()).collect(), sum: sum as f64 / of_unit }
    }

    fn count(&self) -> u64 {
        self.buckets.iter().map(|(_, count)| count).sum()
    }
}

/// Has something written with a label, or without.
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

/// Writes one metric after the other.
pub(super) struct Writer<'a>(DescriptorEncoder<'a>);

impl<'a> Writer<'a> {
    pub(super) const fn new(encoder: DescriptorEncoder<'a>) -> Self {
        Self(encoder)
    }

    /// What only grows; `_total` is added to its name.
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

    /// The same of something that is no whole number.
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

    /// What is so now.
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

    /// How values are spread.
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
