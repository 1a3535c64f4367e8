//! Where the visit stands for each person: derived from the machine's state, never stored.

use crate::machine::{PATIENT, PROVIDER, Ring, Visit};
use crate::record::VisitPhase;
use crate::seat::{Attendance, Link, MediaLink, Seat};
use crate::view::{ParticipantView, Presence, Stage, View};
use crate::{Role, TermsId, Timestamp, UserId};

impl Visit {
    /// What a person is shown; `None` for a stranger.
    #[must_use]
    pub fn view(&self, user: UserId) -> Option<View> {
        self.seats.iter().position(|seat| seat.user == user).map(|seat| self.view_at(seat))
    }

    /// What the provider is shown.
    #[must_use]
    pub fn provider_view(&self) -> View {
        self.view_at(PROVIDER)
    }

    pub(crate) fn view_at(&self, at: usize) -> View {
        let you = &self.seats[at];
        let provider = you.role == Role::Provider;
        let mut others: Vec<&Seat> = self.seats.iter().filter(|seat| seat.user != you.user).collect();
        others.sort_by_key(|seat| seat.role != you.role.counterpart());
        View {
            visit: self.id,
            stage: if provider { self.provider_stage() } else { self.stage_of(you) },
            backend: self.backend,
            you: participant(you, true, self.rules.terms),
            others: others.into_iter().map(|seat| participant(seat, provider, self.rules.terms)).collect(),
            messages: if may_read(you) { self.messages.clone() } else { Vec::new() },
        }
    }

    /// The patient's, and likewise that of everyone who comes beside them.
    fn stage_of(&self, you: &Seat) -> Stage {
        let provider = &self.seats[PROVIDER];
        let started = match self.phase {
            VisitPhase::Ended { at, reason, .. } => return Stage::Ended { at, reason },
            VisitPhase::Planned => None,
            VisitPhase::Started { at } => Some(at),
        };
        // A companion is with the provider as soon as both are in; the patient's moment is written down.
        let met = if you.role == Role::Patient { self.connected } else { started };
        match (you.attendance, started) {
            (Attendance::Left { at }, _) => Stage::Left { at },
            (Attendance::Out, Some(since)) if provider.entered().is_some() => Stage::Called { since },
            (Attendance::Out | Attendance::Declined { .. }, _) => Stage::Preparing,
            (Attendance::In { since }, None) => Stage::Waiting { since },
            (Attendance::In { since }, Some(_)) => match (met, provider.attendance) {
                (Some(at), Attendance::In { .. }) => connected_to(provider, at),
                (Some(_), Attendance::Left { at }) => Stage::Alone { since: at },
                (
                    _,
                    Attendance::In { .. } | Attendance::Out | Attendance::Left { .. } | Attendance::Declined { .. },
                ) => Stage::Waiting { since },
            },
        }
    }

    fn provider_stage(&self) -> Stage {
        let patient = &self.seats[PATIENT];
        let own = self.seats[PROVIDER].attendance;
        let since = match (self.phase, own) {
            (VisitPhase::Ended { at, reason, .. }, _) => return Stage::Ended { at, reason },
            (VisitPhase::Planned | VisitPhase::Started { .. }, Attendance::Left { at }) => return Stage::Left { at },
            (VisitPhase::Planned, _) => return Stage::Idle,
            (VisitPhase::Started { at }, _) => at,
        };
        match (patient.attendance, self.connected) {
            (Attendance::In { .. }, connected) => connected_to(patient, connected.unwrap_or(since)),
            (Attendance::Declined { at }, _) => Stage::Declined { at },
            (Attendance::Left { at }, Some(_)) => Stage::Alone { since: at },
            (Attendance::Out | Attendance::Left { .. }, _) => match self.ring {
                Ring::Until(until) => Stage::Calling { since, until: Some(until) },
                Ring::Forever => Stage::Calling { since, until: None },
                Ring::Over { .. } => Stage::Unanswered { since },
            },
        }
    }
}

fn participant(seat: &Seat, in_full: bool, terms: Option<TermsId>) -> ParticipantView {
    // To other terms is not to these.
    let consent = seat.consent.filter(|consent| in_full && Some(consent.terms) == terms);
    ParticipantView {
        user: seat.user,
        name: seat.name.clone(),
        role: seat.role,
        presence: presence(seat),
        microphone: seat.microphone,
        camera: seat.camera,
        media: seat.media == MediaLink::Up,
        capture: seat.capture,
        consent: consent.map(|consent| consent.at),
        check: in_full.then_some(seat.check),
        device_changed: seat.device_changed.filter(|_| in_full),
    }
}

/// Companions read what is written once they have come in, where the others see them.
const fn may_read(seat: &Seat) -> bool {
    match seat.role {
        Role::Patient | Role::Provider => true,
        Role::Guest | Role::Interpreter | Role::Observer => {
            matches!(seat.attendance, Attendance::In { .. } | Attendance::Left { .. })
        }
    }
}

fn connected_to(other: &Seat, since: Timestamp) -> Stage {
    other.away().map_or(Stage::Connected { since }, |since| Stage::Reconnecting { since })
}

fn presence(seat: &Seat) -> Presence {
    match (seat.attendance, seat.link) {
        (Attendance::In { since }, _) => {
            seat.link_lost().map_or(Presence::Here { since }, |since| Presence::Away { since })
        }
        (Attendance::Left { at }, _) => Presence::Left { at },
        (Attendance::Out | Attendance::Declined { .. }, Link::Up { since, .. }) => Presence::Preparing { since },
        (Attendance::Out | Attendance::Declined { .. }, Link::Down { .. } | Link::Never) => Presence::Absent,
    }
}
