//! What people do in a visit: each command, and when it may not be.

use super::{Context, REMEMBERED_COMMANDS, Ring, Visit, index};
use super::{Output, ROLES};
use crate::record::{AuditAction, EndReason, VisitPhase};
use crate::seat::Attendance;
use crate::signalling::{Command, Refusal, ServerMessage};
use crate::{AppointmentStatus, CommandId, ConnectionId, Role, Timestamp, UserId};

impl Visit {
    pub(super) fn command(&mut self, context: Context, connection: ConnectionId, id: CommandId, command: Command) {
        let Some(role) = self.viewers.iter().find(|v| v.connection == connection).map(|v| v.role) else {
            return;
        };
        if self.done[index(role)].contains(&id) {
            self.send(connection, ServerMessage::Acknowledged { id });
            return;
        }
        match self.perform(context, role, command) {
            Ok(()) => {
                let done = &mut self.done[index(role)];
                if done.len() == REMEMBERED_COMMANDS {
                    done.pop_front();
                }
                done.push_back(id.clone());
                self.send(connection, ServerMessage::Acknowledged { id });
            }
            Err(refusal) => self.send(connection, ServerMessage::Refused { id, refusal }),
        }
    }

    fn perform(&mut self, context: Context, role: Role, command: Command) -> Result<(), Refusal> {
        match command {
            Command::Enter => self.enter(context, role, false),
            Command::Rejoin => self.enter(context, role, true),
            Command::Leave => self.leave(context.now, role),
            Command::SetMedia { microphone, camera } => self.set_media(role, microphone, camera),
            Command::ReportCheck { check } => self.seat_mut(role).check = check,
            Command::Decline => return self.only(role, Role::Patient)?.decline(context.now),
            Command::Start => self.only(role, Role::Provider)?.start(context),
            Command::Cancel => return self.only(role, Role::Provider)?.cancel(),
            Command::KeepWaiting => return self.only(role, Role::Provider)?.keep_waiting(),
            Command::MarkMissed => return self.only(role, Role::Provider)?.mark_missed(context.now),
            Command::End => return self.only(role, Role::Provider)?.end_for_all(context.now),
        }
        Ok(())
    }

    fn only(&mut self, role: Role, wanted: Role) -> Result<&mut Self, Refusal> {
        if role == wanted { Ok(self) } else { Err(Refusal::WrongRole) }
    }

    /// `by_choice`: a click of the person's own, which also brings back those who left and opens a
    /// new waiting room after the end.
    fn enter(&mut self, context: Context, role: Role, by_choice: bool) {
        if matches!(self.phase, VisitPhase::Ended { .. }) {
            if !by_choice {
                return;
            }
            self.begin_again(context);
        }
        let may = match self.seat(role).attendance {
            Attendance::In { .. } => false,
            Attendance::Out => true,
            Attendance::Left { .. } | Attendance::Declined { .. } => by_choice,
        };
        if may {
            self.seat_mut(role).attendance = Attendance::In { since: context.now };
            self.empty = None;
            self.audit(Some(self.seat(role).user), AuditAction::VisitEntered);
            if role == Role::Patient {
                self.set_status(match self.status {
                    AppointmentStatus::Booked | AppointmentStatus::NoShow => AppointmentStatus::Arrived,
                    kept @ (AppointmentStatus::Arrived
                    | AppointmentStatus::Fulfilled
                    | AppointmentStatus::Cancelled) => kept,
                });
            }
        }
    }

    fn leave(&mut self, now: Timestamp, role: Role) {
        if self.seat(role).entered().is_some() {
            self.seat_mut(role).attendance = Attendance::Left { at: now };
            self.audit(Some(self.seat(role).user), AuditAction::VisitLeft);
            self.drop_media(role);
            self.note_emptiness(now);
        }
    }

    fn set_media(&mut self, role: Role, microphone: bool, camera: bool) {
        let seat = self.seat_mut(role);
        if (seat.microphone, seat.camera) != (microphone, camera) {
            seat.microphone = microphone;
            seat.camera = camera;
            let user = seat.user;
            self.outputs.push_back(Output::Publish { user, microphone, camera });
            self.audit(Some(user), AuditAction::VisitMediaChanged);
        }
    }

    fn decline(&mut self, now: Timestamp) -> Result<(), Refusal> {
        let started = matches!(self.phase, VisitPhase::Started { .. });
        if !started || self.seat(Role::Patient).entered().is_some() {
            return Err(Refusal::NotNow);
        }
        self.seat_mut(Role::Patient).attendance = Attendance::Declined { at: now };
        self.audit(Some(self.seat(Role::Patient).user), AuditAction::VisitCallDeclined);
        Ok(())
    }

    /// Pressing "Start meeting" again, or after having left, is the same wish.
    fn start(&mut self, context: Context) {
        if matches!(self.phase, VisitPhase::Ended { .. }) {
            self.begin_again(context);
        }
        self.enter(context, Role::Provider, true);
        if matches!(self.phase, VisitPhase::Planned) {
            self.phase = VisitPhase::Started { at: context.now };
            self.ring = Ring::Until(context.now + self.rules.ring);
            self.audit(Some(self.seat(Role::Provider).user), AuditAction::VisitStarted);
        }
    }

    /// Back to before the start, while the patient is not in.
    fn cancel(&mut self) -> Result<(), Refusal> {
        self.while_calling()?;
        self.phase = VisitPhase::Planned;
        self.forget_declined();
        self.audit(Some(self.seat(Role::Provider).user), AuditAction::VisitCallCancelled);
        Ok(())
    }

    fn keep_waiting(&mut self) -> Result<(), Refusal> {
        self.while_calling()?;
        self.ring = Ring::Forever;
        self.forget_declined();
        Ok(())
    }

    /// The patient may be asked again.
    fn forget_declined(&mut self) {
        let patient = self.seat_mut(Role::Patient);
        if matches!(patient.attendance, Attendance::Declined { .. }) {
            patient.attendance = Attendance::Out;
        }
    }

    fn mark_missed(&mut self, now: Timestamp) -> Result<(), Refusal> {
        let over = matches!(self.phase, VisitPhase::Ended { .. });
        if over || self.connected.is_some() || self.seat(Role::Patient).entered().is_some() {
            return Err(Refusal::NotNow);
        }
        self.end(now, Some(self.seat(Role::Provider).user), EndReason::Missed);
        Ok(())
    }

    fn end_for_all(&mut self, now: Timestamp) -> Result<(), Refusal> {
        match self.phase {
            VisitPhase::Planned => Err(Refusal::NotNow),
            VisitPhase::Started { .. } => {
                self.end(now, Some(self.seat(Role::Provider).user), EndReason::Ended);
                Ok(())
            }
            VisitPhase::Ended { .. } => Ok(()),
        }
    }

    /// Started, never connected, and the patient not in.
    fn while_calling(&self) -> Result<(), Refusal> {
        let started = matches!(self.phase, VisitPhase::Started { .. });
        if started && self.connected.is_none() && self.seat(Role::Patient).entered().is_none() {
            Ok(())
        } else {
            Err(Refusal::NotNow)
        }
    }

    pub(super) fn end(&mut self, at: Timestamp, actor: Option<UserId>, reason: EndReason) {
        let started = match self.phase {
            VisitPhase::Planned => None,
            VisitPhase::Started { at } => Some(at),
            VisitPhase::Ended { .. } => return,
        };
        self.phase = VisitPhase::Ended { started, at, reason };
        self.empty = None;
        for role in ROLES {
            let seat = self.seat_mut(role);
            if seat.entered().is_some() {
                seat.attendance = Attendance::Left { at };
            }
            self.drop_media(role);
        }
        match reason {
            EndReason::Missed => {
                self.audit(actor, AuditAction::VisitMissed);
                self.set_status(AppointmentStatus::NoShow);
            }
            EndReason::Ended | EndReason::Abandoned => {
                self.audit(actor, AuditAction::VisitEnded);
                if self.connected.is_some() {
                    self.set_status(AppointmentStatus::Fulfilled);
                }
            }
        }
    }

    /// The next visit of the same appointment, with nobody in it. What people chose to send stays.
    fn begin_again(&mut self, context: Context) {
        self.id = context.fresh;
        self.phase = VisitPhase::Planned;
        self.connected = None;
        self.ring = Ring::Forever;
        for seat in &mut self.seats {
            seat.attendance = Attendance::Out;
        }
    }
}
