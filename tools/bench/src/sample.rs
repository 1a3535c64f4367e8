//! The results of one measurement, and statistics over several.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::process::Usage;
use crate::tally::Tally;

/// Above this CPU usage in percent, the generator distorts the results.
const BUSY: f64 = 85.0;
/// Above this 99th percentile of send delay in milliseconds, the generator distorts the results.
const LATE: f64 = 2.0;

/// The results of one measurement. Each packet counts once per receiver.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Sample {
    /// CPU seconds of the server per million packets, which equals microseconds per packet.
    pub(crate) cpu_s_per_million: f64,
    /// Of these, in the kernel.
    pub(crate) kernel_s_per_million: f64,
    /// Of these, in media threads, if they are named.
    pub(crate) media_s_per_million: f64,
    /// Voluntary context switches of the server per packet.
    pub(crate) waits_per_packet: f64,
    /// Involuntary context switches of the server per packet.
    pub(crate) preemptions_per_packet: f64,
    /// Median latency in milliseconds, from the sender to the receiver's network stack.
    pub(crate) p50_ms: f64,
    /// 99th percentile of the latency.
    pub(crate) p99_ms: f64,
    /// 99.9th percentile of the latency.
    pub(crate) p999_ms: f64,
    /// Memory per participant in KiB.
    pub(crate) rss_kib_per_participant: f64,
    /// Packets received per second.
    pub(crate) packets_per_second: f64,
    /// Received packets in percent of sent ones. Below 100 also if whole streams are missing.
    pub(crate) arrived_percent: f64,
    /// Percentage of packets missing within received streams.
    pub(crate) lost_percent: f64,
    /// Expected streams from which nothing arrived.
    pub(crate) silent: f64,
    /// CPU usage of the server on its core in percent.
    pub(crate) server_percent: f64,
    /// CPU usage of other processes on the same core in percent.
    pub(crate) others_percent: f64,
    /// CPU usage of the generator on its core in percent.
    pub(crate) generator_percent: f64,
    /// 99th percentile of the generator's send delay in milliseconds.
    pub(crate) lateness_p99_ms: f64,
}

/// Further inputs of a sample.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Surroundings {
    pub(crate) people: u32,
    /// Number of receivers per packet.
    pub(crate) others: u64,
    /// Growth of the server's memory in KiB.
    pub(crate) grown: u64,
    /// Nanoseconds in which the server's core was not idle.
    pub(crate) core: u64,
    /// CPU time of the generator's process in nanoseconds.
    pub(crate) generator: u64,
}

/// A figure with name, unit and number of significant decimals.
pub(crate) struct Figure {
    pub(crate) name: &'static str,
    pub(crate) digits: usize,
    pub(crate) of: fn(&Sample) -> f64,
}

/// The rows of the table, in order.
pub(crate) const FIGURES: [Figure; 13] = [
    Figure { name: "CPU time per packet (µs)", digits: 1, of: |s| s.cpu_s_per_million },
    Figure { name: "of which kernel (µs)", digits: 1, of: |s| s.kernel_s_per_million },
    Figure { name: "latency, p50 (ms)", digits: 3, of: |s| s.p50_ms },
    Figure { name: "latency, p99 (ms)", digits: 3, of: |s| s.p99_ms },
    Figure { name: "latency, p99.9 (ms)", digits: 3, of: |s| s.p999_ms },
    Figure { name: "memory per participant (KiB)", digits: 0, of: |s| s.rss_kib_per_participant },
    Figure { name: "waits per packet", digits: 2, of: |s| s.waits_per_packet },
    Figure { name: "packets forwarded (1/s)", digits: 0, of: |s| s.packets_per_second },
    Figure { name: "delivered (% of sent)", digits: 1, of: |s| s.arrived_percent },
    Figure { name: "lost (%)", digits: 3, of: |s| s.lost_percent },
    Figure { name: "server core: server (%)", digits: 0, of: |s| s.server_percent },
    Figure { name: "server core: other processes (%)", digits: 0, of: |s| s.others_percent },
    Figure { name: "generator core: generator (%)", digits: 0, of: |s| s.generator_percent },
];

#[expect(clippy::cast_precision_loss, reason = "counts of a run")]
impl Sample {
    pub(crate) fn new(tally: &Tally, used: &Usage, time: Duration, around: Surroundings) -> Self {
        let (seconds, nanoseconds) = (time.as_secs_f64(), time.as_nanos() as f64);
        let packets = tally.received.max(1) as f64;
        let percent = |part: f64| 100.0 * part / nanoseconds;
        let milliseconds = |histogram: &Histogram<u64>, share| histogram.value_at_quantile(share) as f64 / 1e6;
        Self {
            cpu_s_per_million: used.cpu as f64 / 1e3 / packets,
            kernel_s_per_million: used.kernel() / 1e3 / packets,
            media_s_per_million: used.media_cpu as f64 / 1e3 / packets,
            waits_per_packet: used.voluntary as f64 / packets,
            preemptions_per_packet: used.involuntary as f64 / packets,
            p50_ms: milliseconds(&tally.latency, 0.5),
            p99_ms: milliseconds(&tally.latency, 0.99),
            p999_ms: milliseconds(&tally.latency, 0.999),
            rss_kib_per_participant: around.grown as f64 / f64::from(around.people),
            packets_per_second: tally.received as f64 / seconds,
            arrived_percent: 100.0 * tally.received as f64 / (tally.sent.max(1) * around.others) as f64,
            lost_percent: 100.0 * tally.lost as f64 / (tally.received + tally.lost).max(1) as f64,
            silent: tally.silent as f64,
            server_percent: percent(used.cpu as f64),
            others_percent: percent(around.core.saturating_sub(used.cpu) as f64),
            generator_percent: percent(around.generator as f64),
            lateness_p99_ms: milliseconds(&tally.lateness, 0.99),
        }
    }

    /// Returns how the generator is overloaded, if it is. Latencies then include those of the generator.
    pub(crate) fn saturation(&self) -> Option<String> {
        let Self { generator_percent: busy, lateness_p99_ms: late, .. } = self;
        (*busy > BUSY || *late > LATE)
            .then(|| format!("the generator took {busy:.0} % of its core and sent up to {late:.1} ms late (p99)"))
    }
}

/// Median and range of several measurements.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
}

impl Spread {
    /// Returns the spread of a figure, or `None` without measurements.
    pub(crate) fn of(samples: &[Sample], figure: fn(&Sample) -> f64) -> Option<Self> {
        let mut values: Vec<f64> = samples.iter().map(figure).collect();
        values.sort_by(f64::total_cmp);
        let (least, most) = (*values.first()?, *values.last()?);
        let (low, high) = (values[(values.len() - 1) / 2], values[values.len() / 2]);
        Some(Self { median: f64::midpoint(low, high), least, most })
    }

    /// Formats it for a table.
    pub(crate) fn text(&self, digits: usize) -> String {
        let Self { median, least, most } = self;
        let [median, least, most] = [median, least, most].map(|value| format!("{value:.digits$}"));
        if least == most { median } else { format!("{median} ({least} – {most})") }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn sample(cpu: f64) -> Sample {
        Sample {
            cpu_s_per_million: cpu,
            kernel_s_per_million: cpu / 2.0,
            media_s_per_million: cpu,
            waits_per_packet: 0.5,
            preemptions_per_packet: 0.0,
            p50_ms: 0.1,
            p99_ms: 0.4,
            p999_ms: 0.9,
            rss_kib_per_participant: 600.0,
            packets_per_second: 9_200.0,
            arrived_percent: 100.0,
            lost_percent: 0.0,
            silent: 0.0,
            server_percent: 10.0,
            others_percent: 1.0,
            generator_percent: 30.0,
            lateness_p99_ms: 0.2,
        }
    }

    #[test]
    fn counts_become_figures() {
        let mut tally = Tally::new();
        (tally.sent, tally.received, tally.lost) = (2_000, 1_998, 2);
        for milliseconds in 1..=100 {
            crate::tally::record(&mut tally.latency, milliseconds * 1_000_000);
        }
        let used = Usage { cpu: 20_000_000, voluntary: 999, ..Usage::default() };
        let around = Surroundings { people: 4, others: 1, grown: 4_000, core: 30_000_000, generator: 90_000_000 };
        let sample = Sample::new(&tally, &used, Duration::from_millis(100), around);
        let close = |a: f64, b: f64| (a - b).abs() < b / 500.0;
        assert!(close(sample.cpu_s_per_million, 10.01), "{sample:?}");
        assert!(close(sample.p50_ms, 50.0) && close(sample.p99_ms, 99.0), "{sample:?}");
        assert!(close(sample.lost_percent, 0.1) && close(sample.waits_per_packet, 0.5), "{sample:?}");
        assert!(close(sample.arrived_percent, 99.9), "{sample:?}");
        assert!(close(sample.server_percent, 20.0) && close(sample.others_percent, 10.0), "{sample:?}");
        assert!(close(sample.rss_kib_per_participant, 1_000.0), "{sample:?}");
        assert!(sample.saturation().is_some_and(|words| words.contains("90 %")));
        assert_eq!(super::tests::sample(10.0).saturation(), None);
    }

    #[test]
    fn a_spread_has_a_middle_and_ends() {
        let samples = [sample(12.0), sample(10.0), sample(11.0)];
        let spread = Spread::of(&samples, |s| s.cpu_s_per_million).expect("samples");
        assert_eq!(spread.text(1), "11.0 (10.0 – 12.0)");
        assert_eq!(Spread::of(&samples[..2], |s| s.cpu_s_per_million).expect("samples").text(1), "11.0 (10.0 – 12.0)");
        assert_eq!(Spread::of(&samples, |s| s.p50_ms).expect("samples").text(2), "0.10");
        assert_eq!(Spread::of(&[], |s| s.p50_ms), None);
    }
}
