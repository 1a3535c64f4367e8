//! Appointments: bookings, links, companions, integrators, and retention.

use std::time::Duration;

use bedside_store::{
    AdmissionRecord, ClientKey, ClientKeyHash, Conflict, DoneRequest, Invite, Issuer, NewUser, RequestHash,
    RightChanges, SessionRecord, Store, StoreError,
};
use bedside_visit::permission::ClinicRole;
use bedside_visit::{AdmissionId, AppointmentStatus, Companion, EndReason, Guarded, OwnWork, Person, Role, VisitPhase};

use crate::support;
use crate::support::{appointment, appointment_id, at, invite_hash, session, user_id, visit_id};
use crate::visits::save;
use crate::{begin, conflict};

pub(crate) async fn bookings(store: &dyn Store) {
    assert_eq!(store.count_appointments().await.unwrap(), 1);
    assert_eq!(store.get_appointment(appointment_id(10)).await.unwrap(), Some(Guarded::new(appointment())));
    assert_eq!(store.get_appointment(appointment_id(11)).await.unwrap(), None);

    let mut earlier = appointment();
    earlier.id = appointment_id(11);
    earlier.start = at(1800);
    earlier.reason = None;
    let mut transaction = begin(store).await;
    transaction.insert_appointment(&earlier, at(1)).await.unwrap();
    transaction.commit().await.unwrap();

    for user in [1, 2] {
        let day = store.list_appointments(user_id(user), at(0), at(86_400)).await.unwrap();
        assert_eq!(day, [earlier.clone(), appointment()].map(Guarded::new));
    }
    let from_its_start = store.list_appointments(user_id(1), at(1800), at(3600)).await.unwrap();
    assert_eq!(from_its_start, [Guarded::new(earlier)]);
    assert_eq!(store.list_appointments(user_id(9), at(0), at(86_400)).await.unwrap(), []);

    let mut transaction = begin(store).await;
    assert!(transaction.update_appointment_status(appointment_id(10), AppointmentStatus::NoShow).await.unwrap());
    assert!(!transaction.update_appointment_status(appointment_id(99), AppointmentStatus::NoShow).await.unwrap());
    let status =
        transaction.get_appointment(appointment_id(10)).await.unwrap().unwrap().unseal_for(OwnWork::Operator).status;
    assert_eq!(status, AppointmentStatus::NoShow);
    drop(transaction);
    let status = store.get_appointment(appointment_id(10)).await.unwrap().unwrap().unseal_for(OwnWork::Operator).status;
    assert_eq!(status, AppointmentStatus::Booked);

    let mut stranger = appointment();
    stranger.id = appointment_id(12);
    stranger.participants.patient.id = user_id(9);
    let refused = begin(store).await.insert_appointment(&stranger, at(1)).await;
    assert_eq!(conflict(refused), Some(Conflict::MissingReference));
    for (seconds, rule) in [(61, "duration_is_whole_minutes"), (240, "duration_is_5_to_1440_minutes")] {
        let mut odd = appointment();
        odd.id = appointment_id(12);
        odd.duration = std::time::Duration::from_secs(seconds);
        let refused = begin(store).await.insert_appointment(&odd, at(1)).await;
        assert!(matches!(refused, Err(StoreError::Invalid { rule: named }) if named == rule));
    }
}

pub(crate) async fn patient_link(store: &dyn Store) {
    let invite = Invite::new(invite_hash(1), appointment_id(10), (user_id(1), Role::Patient), at(0), at(500));
    let mut guest = session(3, 1);
    guest.invite = Some((appointment_id(10), Role::Patient));
    let stranger = session(4, 1).token_hash;

    let mut transaction = begin(store).await;
    let replaced = Invite::new(invite_hash(2), appointment_id(10), (user_id(1), Role::Patient), at(0), at(500));
    transaction.insert_invite(&replaced).await.unwrap();
    assert_eq!(transaction.delete_unused_invites(appointment_id(10), user_id(1)).await.unwrap(), 1);
    assert_eq!(transaction.get_invite(&replaced.token_hash).await.unwrap(), None);
    transaction.insert_invite(&invite).await.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(store.get_invite(&invite.token_hash).await.unwrap(), Some(invite.clone()));

    let mut transaction = begin(store).await;
    assert!(!transaction.use_invite(&invite.token_hash, &guest.token_hash, at(500)).await.unwrap());
    assert!(!transaction.use_invite(&invite_hash(9), &guest.token_hash, at(10)).await.unwrap());
    assert!(transaction.use_invite(&invite.token_hash, &guest.token_hash, at(10)).await.unwrap());
    transaction.insert_session(&guest).await.unwrap();
    transaction.commit().await.unwrap();

    let mut transaction = begin(store).await;
    assert!(!transaction.use_invite(&invite.token_hash, &stranger, at(11)).await.unwrap());
    assert!(transaction.use_invite(&invite.token_hash, &guest.token_hash, at(501)).await.unwrap());
    assert_eq!(transaction.delete_unused_invites(appointment_id(10), user_id(1)).await.unwrap(), 0);
    transaction.commit().await.unwrap();
    let used = Invite { used: Some((at(10), guest.token_hash)), ..invite };
    assert_eq!(store.get_invite(&used.token_hash).await.unwrap(), Some(used.clone()));
    assert_eq!(store.get_invite_of_session(&guest.token_hash).await.unwrap(), Some(used));
    assert_eq!(store.get_invite_of_session(&stranger).await.unwrap(), None);
    assert_eq!(store.get_session(&guest.token_hash).await.unwrap(), Some(guest));
}

/// The patient asks to join from another device.
pub(crate) async fn another_device(store: &dyn Store) {
    let asked = |number: u128, byte: u8, second| AdmissionRecord {
        id: AdmissionId::new(uuid::Uuid::from_u128(number)),
        invite: invite_hash(1),
        appointment: appointment_id(10),
        user: user_id(1),
        role: Role::Patient,
        session: session(byte, 1).token_hash,
        device: Some("Safari on iPhone".into()),
        asked_at: at(second),
        answered: None,
    };
    let (first, second) = (asked(70, 70, 20), asked(71, 71, 21));
    let mut transaction = begin(store).await;
    transaction.insert_admission(&second).await.unwrap();
    transaction.insert_admission(&first).await.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(store.list_admissions(at(19)).await.unwrap(), [first.clone(), second.clone()]);
    assert_eq!(store.list_admissions(at(20)).await.unwrap(), std::slice::from_ref(&second));
    assert_eq!(store.get_admission_of_session(&first.session).await.unwrap(), Some(first.clone()));
    assert_eq!(store.get_admission_of_session(&session(72, 1).token_hash).await.unwrap(), None);

    let mut transaction = begin(store).await;
    assert!(transaction.answer_admission(first.id, true, at(22)).await.unwrap());
    assert!(!transaction.answer_admission(first.id, false, at(23)).await.unwrap(), "once");
    assert!(transaction.rebind_invite(&invite_hash(1), &first.session, at(22)).await.unwrap());
    assert!(
        !transaction.rebind_invite(&invite_hash(1), &first.session, at(500)).await.unwrap(),
        "the link has expired"
    );
    assert!(!transaction.rebind_invite(&invite_hash(9), &first.session, at(22)).await.unwrap(), "no such link");
    transaction.commit().await.unwrap();
    let answered = AdmissionRecord { answered: Some((at(22), true)), ..first.clone() };
    assert_eq!(store.get_admission_of_session(&first.session).await.unwrap(), Some(answered));
    assert_eq!(store.list_admissions(at(19)).await.unwrap(), [second]);
    let invite = store.get_invite(&invite_hash(1)).await.unwrap().unwrap();
    assert_eq!(invite.used, Some((at(22), first.session)));

    let mut transaction = begin(store).await;
    assert_eq!(transaction.delete_old_admissions(at(21)).await.unwrap(), 1);
    assert_eq!(transaction.delete_old_admissions(at(22)).await.unwrap(), 1);
    transaction.commit().await.unwrap();
}

/// An interpreter is added, joins by a link, and is removed.
pub(crate) async fn companions(store: &dyn Store) {
    let person = Person { id: user_id(5), name: "Ines".into(), specialty: None, birth_date: None, avatar_url: None };
    let ines = NewUser { person: person.clone(), email: None, password_hash: None };
    let mut transaction = begin(store).await;
    transaction.insert_user(&ines, at(0)).await.unwrap();
    transaction.insert_companion(appointment_id(10), user_id(5), Role::Interpreter, at(1)).await.unwrap();
    transaction.commit().await.unwrap();
    let again = begin(store).await.insert_companion(appointment_id(10), user_id(5), Role::Guest, at(2)).await;
    assert_eq!(conflict(again), Some(Conflict::AlreadyExists));
    let patient = begin(store).await.insert_companion(appointment_id(10), user_id(1), Role::Patient, at(2)).await;
    assert!(matches!(patient, Err(StoreError::Invalid { .. })), "{patient:?}");

    let booked = store.get_appointment(appointment_id(10)).await.unwrap().unwrap().unseal_for(OwnWork::Operator);
    assert_eq!(booked.participants.companions, [Companion { role: Role::Interpreter, person }]);
    assert_eq!(store.list_appointments(user_id(5), at(0), at(86_400)).await.unwrap(), [Guarded::new(booked)]);

    let link = Invite::new(invite_hash(5), appointment_id(10), (user_id(5), Role::Interpreter), at(0), at(500));
    let mut session = session(5, 5);
    session.invite = Some((appointment_id(10), Role::Interpreter));
    let mut transaction = begin(store).await;
    transaction.insert_invite(&link).await.unwrap();
    assert_eq!(
        transaction.delete_unused_invites(appointment_id(10), user_id(1)).await.unwrap(),
        0,
        "another user's links"
    );
    transaction.insert_session(&session).await.unwrap();
    assert!(transaction.use_invite(&link.token_hash, &session.token_hash, at(10)).await.unwrap());
    transaction.commit().await.unwrap();
    assert_eq!(store.get_session(&session.token_hash).await.unwrap(), Some(session.clone()));

    let epoch = store.get_rights_epoch().await.unwrap();
    let mut transaction = begin(store).await;
    assert_eq!(transaction.revoke_invites(appointment_id(10), user_id(5)).await.unwrap(), 1);
    assert!(transaction.delete_companion(appointment_id(10), user_id(5)).await.unwrap());
    assert!(!transaction.delete_companion(appointment_id(10), user_id(5)).await.unwrap());
    transaction.commit().await.unwrap();
    // The end of their session and their removal.
    let changes = RightChanges { epoch: epoch + 2, of: Some(vec![user_id(5); 2]) };
    assert_eq!(store.get_right_changes(epoch).await.unwrap(), changes);
    assert_eq!(store.get_rights_epoch().await.unwrap(), epoch + 2);
    let none = RightChanges { epoch: epoch + 2, of: Some(vec![]) };
    assert_eq!(store.get_right_changes(epoch + 2).await.unwrap(), none);
    assert_eq!(store.get_session(&session.token_hash).await.unwrap(), None);
    let revoked = store.get_invite(&link.token_hash).await.unwrap().unwrap();
    assert_eq!((revoked.expires_at.as_millis(), revoked.used), (0, Some((at(10), session.token_hash))));
    assert_eq!(store.list_appointments(user_id(5), at(0), at(86_400)).await.unwrap(), []);
}

/// Cancelling an appointment is reported to all its participants, including companions. Other status changes are not.
pub(crate) async fn a_cancelled_appointment_changes_rights(store: &dyn Store) {
    let mut transaction = begin(store).await;
    transaction.insert_companion(appointment_id(13), user_id(5), Role::Guest, at(1)).await.unwrap();
    transaction.commit().await.unwrap();
    let epoch = store.get_rights_epoch().await.unwrap();
    for status in [AppointmentStatus::Arrived, AppointmentStatus::Cancelled, AppointmentStatus::Cancelled] {
        let mut transaction = begin(store).await;
        assert!(transaction.update_appointment_status(appointment_id(13), status).await.unwrap());
        transaction.commit().await.unwrap();
    }
    let everyone = [1, 2, 5].map(user_id).to_vec();
    let changes = RightChanges { epoch: epoch + 3, of: Some(everyone) };
    assert_eq!(store.get_right_changes(epoch).await.unwrap(), changes);
}

/// A request is repeated, and later forgotten.
pub(crate) async fn done_requests(store: &dyn Store) {
    let hash = |n: u8| RequestHash::new([n; 32]);
    let done = DoneRequest { key: hash(1), request: hash(2), made: appointment_id(13).uuid(), at: at(5) };
    let mut transaction = begin(store).await;
    assert_eq!(transaction.get_done_request(&done.key).await.unwrap(), None);
    transaction.insert_done_request(&done).await.unwrap();
    assert_eq!(transaction.get_done_request(&done.key).await.unwrap(), Some(done));
    assert_eq!(conflict(transaction.insert_done_request(&done).await), Some(Conflict::AlreadyExists));
    assert_eq!(transaction.delete_old_done_requests(at(5)).await.unwrap(), 0);
    transaction.commit().await.unwrap();
    let mut transaction = begin(store).await;
    assert_eq!(transaction.delete_old_done_requests(at(6)).await.unwrap(), 1);
    assert_eq!(transaction.get_done_request(&done.key).await.unwrap(), None);
    transaction.commit().await.unwrap();
}

/// An integrator is added and disabled.
pub(crate) async fn programs(store: &dyn Store) {
    let ehr = Person { id: user_id(6), name: "Records".into(), specialty: None, birth_date: None, avatar_url: None };
    let grants = "appointments:read people:write".parse().unwrap();
    let key_id = uuid::Uuid::from_u128(60);
    let secret_hash = ClientKeyHash::new([6; 32]);
    let key = ClientKey { id: key_id, user: user_id(6), secret_hash, grants, created_at: at(0) };
    let signs = |user, jwks: &str| Issuer {
        issuer: "https://ehr.example".into(),
        user,
        jwks: jwks.into(),
        vouches_for_providers: !jwks.is_empty() && jwks != "{}",
    };
    let mut transaction = begin(store).await;
    transaction.insert_user(&NewUser { person: ehr, email: None, password_hash: None }, at(0)).await.unwrap();
    transaction.insert_client_key(&key).await.unwrap();
    assert!(transaction.save_issuer(&signs(user_id(6), "{}"), at(0)).await.unwrap());
    transaction.commit().await.unwrap();
    assert_eq!(store.get_client_key(key_id).await.unwrap(), None, "not an integrator yet");
    assert_eq!(store.get_issuer("https://ehr.example").await.unwrap(), None);

    let mut transaction = begin(store).await;
    transaction.update_clinic_role(user_id(6), Some(ClinicRole::Integrator)).await.unwrap();
    assert!(transaction.save_issuer(&signs(user_id(6), "{\"keys\":[]}"), at(1)).await.unwrap());
    assert!(!transaction.save_issuer(&signs(user_id(5), "{}"), at(1)).await.unwrap(), "another's name");
    transaction.commit().await.unwrap();
    assert_eq!(store.get_client_key(key_id).await.unwrap(), Some(key));
    let issuer = store.get_issuer("https://ehr.example").await.unwrap();
    assert_eq!(issuer, Some(signs(user_id(6), "{\"keys\":[]}")));
    assert!(store.list_people().await.unwrap().iter().all(|one| one.person.id != user_id(6)));

    let mut transaction = begin(store).await;
    assert!(transaction.update_disabled(user_id(6), Some(at(2))).await.unwrap());
    transaction.commit().await.unwrap();
    assert_eq!(store.get_client_key(key_id).await.unwrap(), None);
    assert_eq!(store.get_issuer("https://ehr.example").await.unwrap(), None);

    let mut transaction = begin(store).await;
    let came = SessionRecord { vouched_by: Some(user_id(6)), ..support::session(77, 1) };
    transaction.insert_session(&came).await.unwrap();
    transaction.insert_session(&support::session(78, 1)).await.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(store.get_session(&came.token_hash).await.unwrap(), Some(came.clone()));
    let mut transaction = begin(store).await;
    assert_eq!(transaction.delete_sessions_vouched_by(user_id(6)).await.unwrap(), 1);
    assert_eq!(
        transaction.delete_session(&support::session(78, 1).token_hash).await.unwrap().map(|it| it.vouched_by),
        Some(None)
    );
    assert!(transaction.delete_client_key(key_id).await.unwrap());
    assert!(!transaction.delete_client_key(key_id).await.unwrap());
    assert!(!transaction.delete_issuer("https://ehr.example", user_id(5)).await.unwrap());
    assert!(transaction.delete_issuer("https://ehr.example", user_id(6)).await.unwrap());
    transaction.commit().await.unwrap();
}

/// Free text is deleted when it is old, unless it is under legal hold.
pub(crate) async fn forgetting(store: &dyn Store) {
    let booking = appointment_id(10);
    let start = appointment().start;
    let expired = || store.list_expired(start + Duration::from_millis(1));
    assert!(store.list_expired(start).await.unwrap().iter().all(|expired| expired.appointment != booking));
    assert!(expired().await.unwrap().iter().all(|expired| expired.appointment != booking), "a visit is under way");
    let mut open = store.get_open_visit(booking).await.unwrap().unwrap();
    open.phase = VisitPhase::Ended { started: Some(at(100)), at: at(110), reason: EndReason::Ended };
    save(store, &open).await;
    let before = expired().await.unwrap();
    let of_booking = before.iter().find(|expired| expired.appointment == booking).unwrap();
    assert!(of_booking.messages > 0 && of_booking.reason && !of_booking.held);

    let mut transaction = begin(store).await;
    assert!(transaction.update_hold(booking, Some(at(90))).await.unwrap());
    assert!(!transaction.update_hold(appointment_id(99), Some(at(90))).await.unwrap());
    assert!(!transaction.forget_appointment(booking, at(91)).await.unwrap(), "held");
    transaction.commit().await.unwrap();
    assert!(expired().await.unwrap().iter().any(|expired| expired.appointment == booking && expired.held));

    let mut transaction = begin(store).await;
    transaction.update_hold(booking, None).await.unwrap();
    assert!(transaction.forget_appointment(booking, at(92)).await.unwrap());
    assert!(!transaction.forget_appointment(booking, at(93)).await.unwrap(), "once");
    transaction.commit().await.unwrap();
    assert!(expired().await.unwrap().iter().all(|expired| expired.appointment != booking));
    let kept = store.get_appointment(booking).await.unwrap().unwrap().unseal_for(OwnWork::Operator);
    assert_eq!((kept.reason, kept.start), (None, start));
    assert_eq!(store.list_messages(visit_id(20)).await.unwrap(), []);
    assert!(!store.list_consents(booking).await.unwrap().is_empty(), "consents are kept");
}
