//! Where the visit stands for each person: derived from the machine's state, never stored.

use crate::machine::{Ring, Visit, index};
use crate::record::VisitPhase;
use crate::seat::{Attendance, Link, MediaLink, Seat};
use crate::view::{ParticipantView, Presence, Stage, View};
use crate::{Role, Timestamp};

impl Visit {
    /// What the person in `role` is shown.
    #[must_use]
    pub fn view(&self, role: Role) -> View {
        View {
            visit: self.id,
            stage: match role {
                Role::Patient => self.patient_stage(),
                Role::Provider => self.provider_stage(),
            },
            you: self.participant(role, true),
            other: self.participant(role.other(), role == Role::Provider),
        }
    }

    fn patient_stage(&self) -> Stage {
        let provider = self.seat(Role::Provider);
        let started = match self.phase {
            VisitPhase::Ended { at, reason, .. } => return Stage::Ended { at, reason },
            VisitPhase::Planned => None,
            VisitPhase::Started { at } => Some(at),
        };
        match (self.seat(Role::Patient).attendance, started) {
            (Attendance::Left { at }, _) => Stage::Left { at },
            (Attendance::Out, Some(since)) if provider.entered().is_some() => Stage::Called { since },
            (Attendance::Out | Attendance::Declined { .. }, _) => Stage::Preparing,
            (Attendance::In { since }, None) => Stage::Waiting { since },
            (Attendance::In { since }, Some(_)) => match (self.connected, provider.attendance) {
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
        let patient = self.seat(Role::Patient);
        let own = self.seat(Role::Provider).attendance;
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
                Ring::Over => Stage::Unanswered { since },
            },
        }
    }

    fn participant(&self, role: Role, with_check: bool) -> ParticipantView {
        let seat = self.seat(role);
        ParticipantView {
            user: seat.user,
            name: self.names[index(role)].clone(),
            role,
            presence: presence(seat),
            microphone: seat.microphone,
            camera: seat.camera,
            media: seat.media == MediaLink::Up,
            check: with_check.then_some(seat.check),
        }
    }
}

fn connected_to(other: &Seat, since: Timestamp) -> Stage {
    match (other.link, other.media) {
        (Link::Down { since }, _) | (Link::Up { .. }, MediaLink::Lost { since }) => Stage::Reconnecting { since },
        (Link::Up { .. }, MediaLink::Up | MediaLink::None) | (Link::Never, _) => Stage::Connected { since },
    }
}

fn presence(seat: &Seat) -> Presence {
    match (seat.attendance, seat.link) {
        (Attendance::In { .. }, Link::Down { since }) => Presence::Away { since },
        (Attendance::In { since }, Link::Up { .. } | Link::Never) => Presence::Here { since },
        (Attendance::Left { at }, _) => Presence::Left { at },
        (Attendance::Out | Attendance::Declined { .. }, Link::Up { since, .. }) => Presence::Preparing { since },
        (Attendance::Out | Attendance::Declined { .. }, Link::Down { .. } | Link::Never) => Presence::Absent,
    }
}
