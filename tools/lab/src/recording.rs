//! The recording of a page, and its evaluation.

use serde::Deserialize;

/// Media without progress for longer than this many milliseconds is interrupted. Shorter gaps are due to a low frame
/// rate or a busy machine.
const GAP: f64 = 500.0;
/// How long media must have run since a gap for the gap to be over.
const SETTLED: f64 = 2500.0;
/// Minimum number of samples without progress in a gap. A page that was itself suspended proves nothing.
const QUIET_SAMPLES: u32 = 4;

/// Everything a page recorded since some time. Times are wall clock milliseconds.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Recording {
    /// When the page was loaded.
    pub(crate) loaded: f64,
    pub(crate) samples: Vec<Sample>,
    /// Changes of stage and transport.
    pub(crate) stages: Vec<(f64, String, String)>,
    /// Changes of the visible text.
    pub(crate) texts: Vec<(f64, String)>,
    /// Times of clicks.
    pub(crate) clicks: Vec<f64>,
}

/// Statistics of the page's media connection. All counters but `at` only increase until a new connection resets them.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
pub(crate) struct Sample {
    pub(crate) at: f64,
    /// Video frames decoded.
    pub(crate) frames: f64,
    /// Audio samples played, except concealed ones.
    pub(crate) sound: f64,
    /// Total audio energy.
    pub(crate) energy: f64,
    /// Concealed audio samples.
    pub(crate) concealed: f64,
    /// All audio samples.
    pub(crate) heard: f64,
    /// Seconds of frozen video.
    pub(crate) frozen: f64,
    /// Video bytes received.
    pub(crate) bytes: f64,
}

/// Selects a counter of a sample.
pub(crate) type Counter = fn(&Sample) -> f64;

/// Returns the increase of a counter between two samples.
fn rise(before: f64, after: f64) -> f64 {
    if after >= before { after - before } else { after }
}

impl Recording {
    /// Returns the increase of a counter within a period.
    pub(crate) fn rose(&self, counter: Counter, from: f64, to: f64) -> f64 {
        let within: Vec<&Sample> = self.samples.iter().filter(|sample| sample.at >= from && sample.at <= to).collect();
        within.windows(2).map(|pair| rise(counter(pair[0]), counter(pair[1]))).sum()
    }

    /// Returns the milliseconds from `since` until a counter has resumed permanently; `None` while that is uncertain.
    pub(crate) fn resumed(&self, counter: Counter, since: f64) -> Option<f64> {
        let gaps = self.gaps(counter, since);
        let now = self.samples.last()?.at;
        let last_rise = gaps.last()?.end;
        let last_gap = gaps.iter().rfind(|gap| gap.is_out());
        let settled_since = last_gap.map_or(since, |gap| gap.end);
        if now - last_rise > GAP || now - settled_since < SETTLED {
            return None;
        }
        Some(last_gap.map_or_else(|| longest(&gaps), |gap| gap.end - since))
    }

    /// Returns the longest gap of a counter within a period, in milliseconds.
    pub(crate) fn longest_gap(&self, counter: Counter, from: f64, to: f64) -> f64 {
        let mut gaps = self.gaps(counter, from);
        gaps.retain(|gap| gap.begin < to);
        let silent = gaps.last().map_or(from, |gap| gap.end);
        longest(&gaps).max(to - silent)
    }

    /// Returns the seconds of frozen video within a period.
    pub(crate) fn frozen(&self, from: f64, to: f64) -> f64 {
        let noted = self.rose(|sample| sample.frozen, from, to);
        // The browser counts a freeze only when it ends. The length of an ongoing one is the time without frames.
        let standing = self.longest_gap(|sample| sample.frames, from, to) / 1000.0;
        if standing > 1.0 { noted.max(standing) } else { noted }
    }

    /// Returns the gaps between increases of a counter.
    fn gaps(&self, counter: Counter, since: f64) -> Vec<Gap> {
        let mut gaps = Vec::new();
        let mut gap = Gap { begin: since, end: since, quiet: 0 };
        for pair in self.samples.windows(2).filter(|pair| pair[1].at > since) {
            if rise(counter(&pair[0]), counter(&pair[1])) > 0.0 {
                gap.end = pair[1].at;
                gaps.push(gap);
                gap = Gap { begin: pair[1].at, end: pair[1].at, quiet: 0 };
            } else {
                gap.quiet += 1;
            }
        }
        gaps
    }
}

#[derive(Debug, Clone, Copy)]
struct Gap {
    begin: f64,
    end: f64,
    quiet: u32,
}

impl Gap {
    fn length(self) -> f64 {
        self.end - self.begin
    }

    fn is_out(self) -> bool {
        self.length() >= GAP && self.quiet >= QUIET_SAMPLES
    }
}

fn longest(gaps: &[Gap]) -> f64 {
    gaps.iter().map(|gap| gap.length()).fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Samples every 50 ms, with a frame in each for which `plays` is true.
    fn recording(until: u32, plays: impl Fn(f64) -> bool) -> Recording {
        let mut frames = 0.0;
        let samples = (0..=until / 50)
            .map(|tick| {
                let at = f64::from(tick) * 50.0;
                frames += f64::from(u8::from(plays(at)));
                Sample { at, frames, ..Sample::default() }
            })
            .collect();
        Recording { loaded: 0.0, samples, stages: Vec::new(), texts: Vec::new(), clicks: Vec::new() }
    }

    const FRAMES: Counter = |sample| sample.frames;

    #[test]
    fn what_is_still_under_way_is_not_the_return() {
        // Cut at 1,000 with 100 ms of media in flight; resumed at 1,800.
        let recording = recording(6000, |at| !(1101.0..1800.0).contains(&at));
        assert_eq!(recording.resumed(FRAMES, 1000.0), Some(800.0));
    }

    #[test]
    fn a_return_is_not_believed_until_it_lasts() {
        let plays = |at: f64| at < 1000.0 || (1500.0..2000.0).contains(&at) || at >= 3000.0;
        assert_eq!(recording(4000, plays).resumed(FRAMES, 1000.0), None);
        assert_eq!(recording(6000, plays).resumed(FRAMES, 1000.0), Some(2000.0));
    }

    #[test]
    fn without_a_gap_it_is_the_longest_wait_of_all() {
        let recording = recording(6000, |at| !(1001.0..1200.0).contains(&at));
        assert_eq!(recording.resumed(FRAMES, 1000.0), Some(200.0));
        assert_eq!(recording.longest_gap(FRAMES, 500.0, 3000.0), 200.0);
    }

    #[test]
    fn media_that_stays_out_never_resumes() {
        let recording = recording(20_000, |at| at < 1000.0);
        assert_eq!(recording.resumed(FRAMES, 1000.0), None);
        assert_eq!(recording.longest_gap(FRAMES, 500.0, 20_000.0), 19_050.0);
    }

    #[test]
    fn a_page_that_itself_stood_still_proves_nothing() {
        let mut stalled = recording(6000, |_| true);
        stalled.samples.retain(|sample| !(2000.0..2900.0).contains(&sample.at));
        assert!(stalled.resumed(FRAMES, 1000.0).expect("steady") < 1000.0);
    }

    #[test]
    fn a_fresh_connection_counts_from_nothing() {
        let mut recording = recording(1000, |_| true);
        for sample in recording.samples.iter_mut().filter(|sample| sample.at > 500.0) {
            sample.frames -= 11.0;
        }
        assert_eq!(recording.rose(FRAMES, 0.0, 1000.0), 20.0);
    }
}
