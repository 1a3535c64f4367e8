//! Rate-limits keyframe requests to a publisher.

use std::time::{Duration, Instant};

/// Minimum time between two requests caused by receivers.
const INTERVAL: Duration = Duration::from_millis(300);

/// The keyframe requests of one publisher.
#[derive(Debug, Default)]
pub(crate) struct KeyframeRequests {
    last: Option<Instant>,
    wanted: bool,
}

impl KeyframeRequests {
    /// Requests a keyframe as soon as the interval allows.
    pub(crate) fn want(&mut self) {
        self.wanted = true;
    }

    /// Requests a keyframe immediately, for a new receiver.
    pub(crate) fn want_now(&mut self) {
        self.wanted = true;
        self.last = None;
    }

    /// Returns when the pending request may be sent.
    pub(crate) fn deadline(&self, now: Instant) -> Option<Instant> {
        self.wanted.then(|| self.last.map_or(now, |last| last + INTERVAL))
    }

    /// Returns whether to send a request now, and marks it as sent.
    pub(crate) fn take_due(&mut self, now: Instant) -> bool {
        let due = self.deadline(now).is_some_and(|at| at <= now);
        if due {
            self.wanted = false;
            self.last = Some(now);
        }
        due
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods)]
mod tests {
    use super::*;

    #[test]
    fn a_request_inside_the_interval_waits_and_is_not_lost() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut requests = KeyframeRequests::default();
        assert!(!requests.take_due(at(0)));
        requests.want();
        assert!(requests.take_due(at(0)));
        requests.want();
        requests.want();
        assert!(!requests.take_due(at(100)));
        assert_eq!(requests.deadline(at(100)), Some(at(300)));
        assert!(requests.take_due(at(300)));
        assert!(!requests.take_due(at(900)));
        requests.want();
        assert!(requests.take_due(at(1000)));
        requests.want_now();
        assert!(requests.take_due(at(1001)));
    }
}
