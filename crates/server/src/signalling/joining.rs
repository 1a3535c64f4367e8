//! Measures and traces how pages join the media of a visit.

use bedside_visit::{Role, Timestamp, UserId};

use super::connection::Connection;
use crate::telemetry::metrics::{Joined, Metrics};
use crate::telemetry::traces::{JoinTimes, TraceContext, Traces};

/// The media connections being set up in one visit, at most one per user.
#[derive(Debug, Default)]
pub(super) struct Joining(Vec<Attempt>);

#[derive(Debug)]
struct Attempt {
    user: UserId,
    page_peer: u32,
    role: Role,
    journey: Option<TraceContext>,
    begun: Timestamp,
    offered: Timestamp,
    answered: Option<Timestamp>,
}

/// Where results are reported.
pub(super) struct Told<'a> {
    pub(super) metrics: &'a Metrics,
    pub(super) traces: &'a Traces,
    pub(super) now: Timestamp,
}

impl Joining {
    /// Records a new SDP offer; supersedes any pending one.
    pub(super) fn offered(&mut self, page: &mut Connection, page_peer: u32, told: &Told<'_>) {
        self.end(page.user, |_| true, Joined::Failed, told);
        // Only the page's first offer belongs to its join.
        let hello = page.hello.take();
        self.0.push(Attempt {
            user: page.user,
            page_peer,
            role: page.role,
            journey: page.journey,
            begun: hello.unwrap_or(told.now),
            offered: told.now,
            answered: None,
        });
    }

    /// Records that the page received its answer. With `again`, the answer is for an existing connection, which is
    /// not measured.
    pub(super) fn answered(&mut self, user: UserId, page_peer: u32, again: bool, now: Timestamp) {
        let is_it = |attempt: &Attempt| attempt.user == user && attempt.page_peer == page_peer;
        if again {
            self.0.retain(|attempt| !is_it(attempt));
        } else if let Some(attempt) = self.0.iter_mut().find(|attempt| is_it(attempt)) {
            attempt.answered = Some(now);
        }
    }

    /// Records the outcome of an attempt, if one is pending.
    pub(super) fn ended(&mut self, user: UserId, page_peer: u32, outcome: Joined, told: &Told<'_>) {
        self.end(user, |attempt| attempt.page_peer == page_peer, outcome, told);
    }

    fn end(&mut self, user: UserId, is_it: impl Fn(&Attempt) -> bool, outcome: Joined, told: &Told<'_>) {
        let Some(at) = self.0.iter().position(|attempt| attempt.user == user && is_it(attempt)) else { return };
        let Attempt { role, journey, begun, offered, answered, .. } = self.0.swap_remove(at);
        let ended = told.now;
        told.metrics.join(outcome, ended.since(offered));
        // Media may be connected before the answer is recorded as sent.
        let answered = answered.or_else(|| (outcome == Joined::Up).then_some(ended));
        told.traces.join(journey, role, outcome, &JoinTimes { begun, offered, answered, ended });
    }
}
