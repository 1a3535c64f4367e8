//! How the pages of a visit come to their media: counted, and traced where that is asked for.

use bedside_visit::{Role, Timestamp, UserId};

use super::connection::Connection;
use crate::journeys::{JoinTimes, Journey, Journeys};
use crate::metrics::{Joined, Metrics};

/// The media connections of one visit that are being made, one a person.
#[derive(Debug, Default)]
pub(super) struct Joining(Vec<Attempt>);

#[derive(Debug)]
struct Attempt {
    user: UserId,
    page_peer: u32,
    role: Role,
    journey: Option<Journey>,
    begun: Timestamp,
    offered: Timestamp,
    answered: Option<Timestamp>,
}

/// Who is told.
pub(super) struct Told<'a> {
    pub(super) metrics: &'a Metrics,
    pub(super) journeys: &'a Journeys,
    pub(super) now: Timestamp,
}

impl Joining {
    /// A page offers a connection. What it had offered before is of no use any more.
    pub(super) fn offered(&mut self, page: &mut Connection, page_peer: u32, told: &Told<'_>) {
        self.end(page.user, |_| true, Joined::Failed, told);
        // Only what a page offers first is what it came for.
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

    /// The page has its answer. `again`: of a connection that it had before, which nobody waits for.
    pub(super) fn answered(&mut self, user: UserId, page_peer: u32, again: bool, now: Timestamp) {
        let is_it = |attempt: &Attempt| attempt.user == user && attempt.page_peer == page_peer;
        if again {
            self.0.retain(|attempt| !is_it(attempt));
        } else if let Some(attempt) = self.0.iter_mut().find(|attempt| is_it(attempt)) {
            attempt.answered = Some(now);
        }
    }

    /// It came to that, if anybody waits for it.
    pub(super) fn ended(&mut self, user: UserId, page_peer: u32, outcome: Joined, told: &Told<'_>) {
        self.end(user, |attempt| attempt.page_peer == page_peer, outcome, told);
    }

    fn end(&mut self, user: UserId, is_it: impl Fn(&Attempt) -> bool, outcome: Joined, told: &Told<'_>) {
        let Some(at) = self.0.iter().position(|attempt| attempt.user == user && is_it(attempt)) else { return };
        let Attempt { role, journey, begun, offered, answered, .. } = self.0.swap_remove(at);
        let ended = told.now;
        told.metrics.join(outcome, ended.since(offered));
        // Its media may be up before it is noted that the answer is out.
        let answered = answered.or_else(|| (outcome == Joined::Up).then_some(ended));
        told.journeys.join(journey, role, outcome, &JoinTimes { begun, offered, answered, ended });
    }
}
