//! The pages of a visit: who is connected, what each was shown, and what a returning one missed.

use std::collections::VecDeque;

use super::{Arrival, Closing, MAX_PARTICIPANTS, Output, Visit};
use crate::record::AuditAction;
use crate::seat::{Capture, DeviceCheck, Link, MediaLink, Seat};
use crate::signalling::ServerMessage;
use crate::view::{Change, View, diff};
use crate::{CallBackend, ConnectionId, PageId, Role, Timestamp};

/// How many changes are kept for a page that may come back. One that missed more gets a snapshot.
const BACKLOG: usize = 64;

/// A seat's page, and what it was shown. It is kept while its connection is down.
#[derive(Debug, Clone)]
pub(super) struct Page {
    id: PageId,
    pub(super) seat: usize,
    pub(super) connection: Option<ConnectionId>,
    /// The number of the last message. Numbering begins at the clock's milliseconds, so that the
    /// numbers of a restarted program are not mistaken for its predecessor's.
    sequence: u64,
    view: View,
    /// The last changes; the last has the number `sequence`.
    backlog: VecDeque<Vec<Change>>,
}

impl Page {
    fn missed(&self, after: u64) -> Option<usize> {
        let missed = usize::try_from(self.sequence.checked_sub(after)?).ok()?;
        (missed <= self.backlog.len()).then_some(missed)
    }
}

impl Visit {
    pub(super) fn connect(&mut self, now: Timestamp, arrival: Arrival, connection: ConnectionId) {
        let seat = match self.seat_for(&arrival) {
            Ok(seat) => seat,
            Err(reason) => {
                self.outputs.push_back(Output::Close { connection, reason });
                return;
            }
        };
        let known = self.pages.iter().position(|page| page.seat == seat && page.id == arrival.page);
        let since = match (self.seats[seat].link, known) {
            (Link::Up { connection: old, since }, Some(_)) => {
                self.outputs.push_back(Output::Close { connection: old, reason: Closing::Superseded });
                since
            }
            (Link::Up { connection: old, .. }, None) => {
                self.send(old, ServerMessage::Moved);
                self.outputs.push_back(Output::Close { connection: old, reason: Closing::Moved });
                self.audit(Some(self.seats[seat].user), AuditAction::VisitSeatMoved);
                now
            }
            (Link::Never | Link::Down { .. }, _) => now,
        };
        self.seats[seat].link = Link::Up { connection, since };
        self.note_session(now, seat, arrival.session);
        let missed = known.and_then(|known| self.pages[known].missed(arrival.after?));
        match (known, missed) {
            (Some(known), Some(missed)) => self.resume(now, known, missed, connection),
            (known, _) => self.begin_page(now, seat, known, arrival.page, connection),
        }
        if let Some(until) = self.stopping {
            self.send(connection, ServerMessage::Stopping { until });
        }
    }

    /// Another session is another device. Who is there must be looked at again, so that the provider is shown it.
    fn note_session(&mut self, now: Timestamp, seat: usize, session: u64) {
        let seat = &mut self.seats[seat];
        if seat.session.replace(session).is_some_and(|before| before != session) {
            seat.device_changed = Some(now);
            let user = seat.user;
            self.audit(Some(user), AuditAction::VisitDeviceChanged);
        }
    }

    /// The seat of whoever comes. A companion who was invited since the visit began gets a new one.
    fn seat_for(&mut self, arrival: &Arrival) -> Result<usize, Closing> {
        if let Some(seat) = self.seats.iter().position(|seat| seat.user == arrival.user) {
            return Ok(seat);
        }
        match arrival.role {
            Role::Patient | Role::Provider => Err(Closing::Denied),
            _ if self.seats.len() == MAX_PARTICIPANTS => Err(Closing::Full),
            Role::Guest | Role::Interpreter | Role::Observer => {
                self.seats.push(Seat::new(arrival.user, arrival.name.clone(), arrival.role));
                Ok(self.seats.len() - 1)
            }
        }
    }

    fn resume(&mut self, now: Timestamp, known: usize, missed: usize, connection: ConnectionId) {
        let page = &mut self.pages[known];
        page.connection = Some(connection);
        let latest = page.sequence;
        let first = latest - missed as u64;
        let changes: Vec<_> = page.backlog.iter().skip(page.backlog.len() - missed).cloned().collect();
        self.send(connection, ServerMessage::Resumed { sequence: first, latest, now });
        for (sequence, changes) in (first + 1..).zip(changes) {
            self.send(connection, ServerMessage::Changed { sequence, changes });
        }
    }

    /// A page that is new, or has missed too much. Another page of the same seat is forgotten, and
    /// what it reported of its device.
    fn begin_page(&mut self, now: Timestamp, seat: usize, known: Option<usize>, id: PageId, connection: ConnectionId) {
        if known.is_none() {
            self.seats[seat].check = DeviceCheck::default();
            self.seats[seat].capture = Capture::Live;
            if self.pages.iter().any(|page| page.seat == seat) {
                self.drop_media(seat);
            }
        }
        let last = self.pages.iter().find(|page| page.seat == seat).map_or(0, |page| page.sequence);
        self.pages.retain(|page| page.seat != seat);
        let sequence = u64::try_from(now.as_millis()).unwrap_or(0).max(last + 1);
        let view = self.view_at(seat);
        self.send(connection, ServerMessage::Snapshot { sequence, now, view: view.clone() });
        self.pages.push(Page { id, seat, connection: Some(connection), sequence, view, backlog: VecDeque::new() });
    }

    pub(super) fn disconnect(&mut self, now: Timestamp, connection: ConnectionId, goodbye: bool) {
        if let Some(seat) = self.seats.iter().position(|seat| goodbye && seat.connection() == Some(connection)) {
            self.drop_media(seat);
        }
        for page in &mut self.pages {
            if page.connection == Some(connection) {
                page.connection = None;
            }
        }
        for seat in &mut self.seats {
            if seat.connection() == Some(connection) {
                seat.link = Link::Down { since: now };
                if self.backend != CallBackend::Embedded {
                    // Only the page knew.
                    seat.media = MediaLink::None;
                }
            }
        }
    }

    pub(super) fn update_pages(&mut self) {
        for at in 0..self.pages.len() {
            let view = self.view_at(self.pages[at].seat);
            let page = &mut self.pages[at];
            let changes = diff(&page.view, &view);
            if changes.is_empty() {
                continue;
            }
            page.sequence += 1;
            page.view = view;
            if page.backlog.len() == BACKLOG {
                page.backlog.pop_front();
            }
            page.backlog.push_back(changes.clone());
            if let Some(connection) = page.connection {
                let message = ServerMessage::Changed { sequence: page.sequence, changes };
                self.outputs.push_back(Output::Send { connection, message });
            }
        }
    }
}
