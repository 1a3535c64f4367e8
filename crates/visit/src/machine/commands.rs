//! The commands of participants, and when each is refused.

use super::{Context, Output, PATIENT, PROVIDER, Ring, Visit};
use crate::chat::{ChatMessage, ChatText, Written};
use crate::record::{AuditAction, EndReason, VisitPhase};
use crate::seat::{Attendance, MediaLink};
use crate::signalling::{Command, Refusal, ServerMessage};
use crate::{
    AppointmentStatus, CallBackend, CommandId, ConnectionId, Consent, ConsentRecord, Role, TermsId, Timestamp, UserId,
};

impl Visit {
    pub(super) fn command(&mut self, context: Context, connection: ConnectionId, id: CommandId, command: Command) {
        let Some(seat) = self.seats.iter().position(|seat| seat.connection() == Some(connection)) else {
            return;
        };
        if self.seats[seat].has_done(&id) {
            self.send(connection, ServerMessage::Acknowledged { id });
            return;
        }
        let written = |visit: &Self| (visit.record(), visit.messages.len(), visit.backend);
        let before = written(self);
        match self.perform(context, seat, command) {
            Ok(()) => {
                let durable = written(self) != before;
                self.seats[seat].remember(id.clone(), durable);
                self.send(connection, ServerMessage::Acknowledged { id });
            }
            Err(refusal) => self.send(connection, ServerMessage::Refused { id, refusal }),
        }
    }

    fn perform(&mut self, context: Context, seat: usize, command: Command) -> Result<(), Refusal> {
        let role = self.seats[seat].role;
        match command {
            Command::Enter => self.enter(context, seat, false),
            Command::Rejoin => return self.rejoin(context, seat),
            Command::Leave => self.leave(context.now, seat),
            Command::SetMedia { microphone, camera } => return self.set_media(seat, microphone, camera),
            Command::ReportCheck { check } => self.seats[seat].check = check,
            Command::ReportCapture { capture } => self.seats[seat].capture = capture,
            Command::ReportMedia { carries } => return self.report_media(context.now, seat, carries),
            // Only backends other than the embedded one can deliver calls from strangers.
            Command::ReportStranger if self.backend == CallBackend::Embedded => return Err(Refusal::NotNow),
            Command::ReportStranger => self.audit(Some(self.seats[seat].user), AuditAction::StrangerRefused),
            Command::SetConsent { given, terms } => return self.set_consent(context.now, seat, given.then_some(terms)),
            Command::Say { text } => return self.say(context.now, seat, text),
            Command::Decline => return self.only(role, Role::Patient)?.decline(context.now),
            Command::Start => return self.only(role, Role::Provider)?.start(context),
            Command::Cancel => return self.only(role, Role::Provider)?.cancel(),
            Command::KeepWaiting => return self.only(role, Role::Provider)?.keep_waiting(),
            Command::MoveCall { backend } => return self.only(role, Role::Provider)?.move_call(backend),
            Command::MarkMissed => return self.only(role, Role::Provider)?.mark_missed(context.now),
            Command::End => return self.only(role, Role::Provider)?.end_for_all(context.now),
        }
        Ok(())
    }

    fn only(&mut self, role: Role, wanted: Role) -> Result<&mut Self, Refusal> {
        if role == wanted { Ok(self) } else { Err(Refusal::WrongRole) }
    }

    /// Joins the visit. With `by_choice`, i.e. on the user's click, it also readmits users who left and opens a new
    /// waiting room after the end.
    fn enter(&mut self, context: Context, seat: usize, by_choice: bool) {
        if matches!(self.phase, VisitPhase::Ended { .. }) {
            if !by_choice {
                return;
            }
            self.begin_again(context);
        }
        let may = match self.seats[seat].attendance {
            Attendance::In { .. } => false,
            Attendance::Out => true,
            Attendance::Left { .. } | Attendance::Declined { .. } => by_choice,
        };
        if may {
            self.seats[seat].attendance = Attendance::In { since: context.now };
            self.note_emptiness(context.now);
            self.audit(Some(self.seats[seat].user), AuditAction::VisitEntered);
            if seat == PATIENT {
                self.change_status(AppointmentStatus::arrive);
            }
        }
    }

    fn rejoin(&mut self, context: Context, seat: usize) -> Result<(), Refusal> {
        if matches!(self.phase, VisitPhase::Ended { .. }) {
            self.may_begin(context.now)?;
        }
        self.enter(context, seat, true);
        Ok(())
    }

    /// Nothing new may begin after the appointment was cancelled or the join window closed, or while the server is
    /// shutting down.
    fn may_begin(&self, now: Timestamp) -> Result<(), Refusal> {
        if self.status == AppointmentStatus::Cancelled {
            Err(Refusal::Cancelled)
        } else if now >= self.closes {
            Err(Refusal::Closed)
        } else if self.stopping.is_some() {
            Err(Refusal::Stopping)
        } else {
            Ok(())
        }
    }

    fn leave(&mut self, now: Timestamp, seat: usize) {
        if self.seats[seat].entered().is_some() {
            self.seats[seat].attendance = Attendance::Left { at: now };
            self.audit(Some(self.seats[seat].user), AuditAction::VisitLeft);
            self.drop_media(seat);
            self.note_emptiness(now);
        }
    }

    fn set_media(&mut self, seat: usize, microphone: bool, camera: bool) -> Result<(), Refusal> {
        let seat = &mut self.seats[seat];
        if (microphone || camera) && !seat.role.publishes() {
            return Err(Refusal::WrongRole);
        }
        if (seat.microphone, seat.camera) != (microphone, camera) {
            seat.microphone = microphone;
            seat.camera = camera;
            let user = seat.user;
            self.outputs.push_back(Output::Publish { user, microphone, camera });
            self.audit(Some(user), AuditAction::VisitMediaChanged);
        }
        Ok(())
    }

    /// With the embedded backend, the server observes the media connection itself and ignores reports.
    fn report_media(&mut self, now: Timestamp, seat: usize, carries: bool) -> Result<(), Refusal> {
        if self.backend == CallBackend::Embedded {
            return Err(Refusal::NotNow);
        }
        let seat = &mut self.seats[seat];
        seat.media = match (carries, seat.media) {
            (true, _) => MediaLink::Up,
            (false, MediaLink::Up) => MediaLink::Lost { since: now },
            (false, kept @ (MediaLink::None | MediaLink::Lost { .. })) => kept,
        };
        Ok(())
    }

    /// Moves the call to another backend. The visit continues; the pages connect to each other over the new backend.
    fn move_call(&mut self, backend: CallBackend) -> Result<(), Refusal> {
        if !self.rules.offers(backend) {
            return Err(Refusal::NoBackend);
        }
        if self.backend != backend {
            self.backend = backend;
            self.outputs.push_back(Output::SetBackend(backend));
            self.audit(Some(self.seats[PROVIDER].user), AuditAction::VisitBackendChanged);
            for seat in 0..self.seats.len() {
                self.drop_media(seat);
            }
        }
        Ok(())
    }

    /// Sets the consent: the accepted terms, or `None` to withdraw.
    fn set_consent(&mut self, at: Timestamp, seat: usize, given: Option<TermsId>) -> Result<(), Refusal> {
        if given.is_some() && given != self.rules.terms {
            return Err(Refusal::NotNow);
        }
        let seat = &mut self.seats[seat];
        let before = seat.consent.map(|consent| consent.terms);
        let Some(terms) = given.or(before).filter(|_| given != before) else { return Ok(()) };
        seat.consent = given.map(|terms| Consent { at, terms });
        let (user, given) = (seat.user, given.is_some());
        self.outputs.push_back(Output::SaveConsent(ConsentRecord { visit: self.id, user, given, terms, at }));
        self.audit(Some(user), if given { AuditAction::ConsentGiven } else { AuditAction::ConsentWithdrawn });
        Ok(())
    }

    /// Only participants who are in the visit may send messages.
    fn say(&mut self, at: Timestamp, seat: usize, text: ChatText) -> Result<(), Refusal> {
        let seat = &self.seats[seat];
        if seat.entered().is_none() || !seat.role.publishes() {
            return Err(Refusal::NotNow);
        }
        let is_company = |from: UserId| from != self.seats[PATIENT].user && from != self.seats[PROVIDER].user;
        let own = self.messages.iter().filter(|message| message.from == seat.user);
        let company = self.messages.iter().filter(|message| is_company(message.from));
        let fits = Written::count(own).and(&text).fits_one()
            && (!is_company(seat.user) || Written::count(company).and(&text).fits_company());
        if !fits {
            return Err(Refusal::Full);
        }
        let number = u32::try_from(self.messages.len() + 1).map_err(|_| Refusal::Full)?;
        let message = ChatMessage { number, from: seat.user, at, text };
        let user = seat.user;
        self.outputs.push_back(Output::SaveMessage { visit: self.id, message: message.clone() });
        self.audit(Some(user), AuditAction::VisitMessageSent);
        self.messages.push(message);
        Ok(())
    }

    fn decline(&mut self, now: Timestamp) -> Result<(), Refusal> {
        let started = matches!(self.phase, VisitPhase::Started { .. });
        if !started || !matches!(self.seats[PATIENT].attendance, Attendance::Out | Attendance::Declined { .. }) {
            return Err(Refusal::NotNow);
        }
        self.seats[PATIENT].attendance = Attendance::Declined { at: now };
        self.audit(Some(self.seats[PATIENT].user), AuditAction::VisitCallDeclined);
        Ok(())
    }

    /// Pressing "Start meeting" twice, or again after leaving, has the effect of pressing it once.
    fn start(&mut self, context: Context) -> Result<(), Refusal> {
        if !matches!(self.phase, VisitPhase::Started { .. }) {
            self.may_begin(context.now)?;
        }
        if matches!(self.phase, VisitPhase::Ended { .. }) {
            self.begin_again(context);
        }
        self.enter(context, PROVIDER, true);
        if matches!(self.phase, VisitPhase::Planned) {
            self.phase = VisitPhase::Started { at: context.now };
            self.ring = Ring::Until(context.now + self.rules.ring);
            self.audit(Some(self.seats[PROVIDER].user), AuditAction::VisitStarted);
        }
        Ok(())
    }

    /// Returns the visit to the state before the start, unless the patient is in.
    fn cancel(&mut self) -> Result<(), Refusal> {
        self.while_calling()?;
        self.phase = VisitPhase::Planned;
        self.ring = Ring::Forever;
        self.forget_declined();
        self.audit(Some(self.seats[PROVIDER].user), AuditAction::VisitCallCancelled);
        Ok(())
    }

    fn keep_waiting(&mut self) -> Result<(), Refusal> {
        self.while_calling()?;
        self.ring = Ring::Forever;
        self.forget_declined();
        Ok(())
    }

    /// Clears a declined call, so that the patient can be called again.
    fn forget_declined(&mut self) {
        let patient = &mut self.seats[PATIENT];
        if matches!(patient.attendance, Attendance::Declined { .. }) {
            patient.attendance = Attendance::Out;
        }
    }

    fn mark_missed(&mut self, now: Timestamp) -> Result<(), Refusal> {
        let over = matches!(self.phase, VisitPhase::Ended { .. });
        if over || self.connected.is_some() || self.seats[PATIENT].entered().is_some() {
            return Err(Refusal::NotNow);
        }
        self.end(now, Some(self.seats[PROVIDER].user), EndReason::Missed);
        Ok(())
    }

    fn end_for_all(&mut self, now: Timestamp) -> Result<(), Refusal> {
        match self.phase {
            VisitPhase::Planned => Err(Refusal::NotNow),
            VisitPhase::Started { .. } => {
                self.end(now, Some(self.seats[PROVIDER].user), EndReason::Ended);
                Ok(())
            }
            VisitPhase::Ended { .. } => Ok(()),
        }
    }

    /// Succeeds if the visit has started, was never connected, and the patient is not in.
    fn while_calling(&self) -> Result<(), Refusal> {
        let started = matches!(self.phase, VisitPhase::Started { .. });
        if started && self.connected.is_none() && self.seats[PATIENT].entered().is_none() {
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
        self.ring = Ring::Forever;
        for seat in 0..self.seats.len() {
            if self.seats[seat].entered().is_some() {
                self.seats[seat].attendance = Attendance::Left { at };
            }
            self.drop_media(seat);
        }
        match reason {
            EndReason::Missed => {
                self.audit(actor, AuditAction::VisitMissed);
                self.change_status(AppointmentStatus::no_show);
            }
            EndReason::Cancelled => self.audit(actor, AuditAction::VisitEnded),
            EndReason::Ended | EndReason::Abandoned | EndReason::Closed => {
                self.audit(actor, AuditAction::VisitEnded);
                if self.connected.is_some() {
                    self.change_status(AppointmentStatus::fulfil);
                }
            }
        }
    }

    /// Begins the next visit of the same appointment, with no participants in it. Media choices and consent are kept.
    fn begin_again(&mut self, context: Context) {
        self.id = context.fresh;
        self.phase = VisitPhase::Planned;
        self.connected = None;
        self.ring = Ring::Forever;
        self.messages.clear();
        for seat in &mut self.seats {
            seat.attendance = Attendance::Out;
        }
    }
}
