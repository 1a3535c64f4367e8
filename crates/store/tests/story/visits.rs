//! Visits: records, messages, consent, and reports of call backends.

use bedside_store::{AuditEntry, BackendReport, Conflict, Latencies, Receipt, ReportedVisit, Store, StoreError, Terms};
use bedside_visit::{
    AppointmentStatus, AuditAction, CallBackend, ChatMessage, Consent, ConsentRecord, EndReason, OwnWork, TermsId,
    VisitPhase, VisitRecord,
};

use crate::support::{appointment_id, at, patient, user_id, visit, visit_id};
use crate::{begin, conflict};

/// A patient gives consent, withdraws it, and gives it again.
async fn consents(store: &dyn Store, visit: &VisitRecord) -> Terms {
    let terms = Terms { id: TermsId::new([7; 16]), language: "en".to_owned(), text: "I agree.".to_owned() };
    let line =
        |given, second| ConsentRecord { visit: visit.id, user: user_id(1), given, terms: terms.id, at: at(second) };
    let mut transaction = begin(store).await;
    assert!(transaction.insert_consent(&line(true, 21)).await.is_err(), "unknown terms");
    drop(transaction);

    let mut transaction = begin(store).await;
    transaction.insert_terms(&terms, at(1)).await.unwrap();
    transaction.insert_terms(&Terms { text: "Other words".to_owned(), ..terms.clone() }, at(2)).await.unwrap();
    let lines = [line(true, 21), line(false, 22), line(true, 25)];
    for each in &lines {
        transaction.insert_consent(each).await.unwrap();
    }
    transaction.commit().await.unwrap();
    assert_eq!(store.get_terms(terms.id).await.unwrap(), Some(terms.clone()), "unchanged");
    assert_eq!(store.get_terms(TermsId::new([8; 16])).await.unwrap(), None);
    assert_eq!(store.list_consents(visit.appointment).await.unwrap(), lines);
    assert_eq!(store.list_consents(appointment_id(11)).await.unwrap(), []);
    terms
}

pub(crate) async fn visits(store: &dyn Store) {
    let booking = appointment_id(10);
    assert_eq!(store.get_open_visit(booking).await.unwrap(), None);
    assert_eq!(store.get_latest_visit(booking).await.unwrap(), None);

    let mut first = visit(20, VisitPhase::Planned);
    first.participants[0].entered = Some(at(20));
    save(store, &first).await;
    assert_eq!(store.get_open_visit(booking).await.unwrap(), Some(first.clone()));
    assert_eq!(store.list_started_visits().await.unwrap(), []);

    let terms = consents(store, &first).await;
    first.phase = VisitPhase::Started { at: at(30) };
    first.connected = Some(at(31));
    first.participants[1].entered = Some(at(30));
    first.participants[0].microphone = false;
    first.participants[0].consent = Some(Consent { at: at(25), terms: terms.id });
    first.participants[0].commands = ["a-1", "a-2"].map(|name| name.to_owned().try_into().unwrap()).to_vec();
    first.participants[1].declined = Some(at(29));
    first.ring_until = Some(at(75));
    save(store, &first).await;
    assert_eq!(store.get_open_visit(booking).await.unwrap(), Some(first.clone()));
    assert_eq!(store.list_started_visits().await.unwrap(), std::slice::from_ref(&first));

    let said = |number, text: &str| ChatMessage {
        number,
        from: user_id(1),
        at: at(32),
        text: text.to_owned().try_into().unwrap(),
    };
    let mut transaction = begin(store).await;
    transaction.insert_message(first.id, &said(1, "Good morning")).await.unwrap();
    transaction.insert_message(first.id, &said(2, "مرحبا")).await.unwrap();
    transaction.commit().await.unwrap();
    let doubled = begin(store).await.insert_message(first.id, &said(2, "again")).await;
    assert_eq!(conflict(doubled), Some(Conflict::AlreadyExists));
    save(store, &first).await;
    assert_eq!(store.list_messages(first.id).await.unwrap(), [said(1, "Good morning"), said(2, "مرحبا")]);
    assert_eq!(store.list_messages(visit_id(99)).await.unwrap(), []);

    let refused = begin(store).await.save_visit(&visit(21, VisitPhase::Planned)).await;
    assert_eq!(conflict(refused), Some(Conflict::VisitOpen));
    let mut elsewhere = first.clone();
    elsewhere.appointment = appointment_id(11);
    assert_eq!(conflict(begin(store).await.save_visit(&elsewhere).await), Some(Conflict::AlreadyExists));

    first.phase = VisitPhase::Ended { started: Some(at(30)), at: at(90), reason: EndReason::Ended };
    for participant in &mut first.participants {
        participant.entered = None;
        participant.left = Some(at(90));
    }
    save(store, &first).await;
    assert_eq!(store.get_open_visit(booking).await.unwrap(), None);
    assert_eq!(store.get_latest_visit(booking).await.unwrap(), Some(first.clone()));
    assert_eq!(store.list_started_visits().await.unwrap(), []);

    // Its ID sorts before the first one's, but the order is the one in which visits began.
    let second = visit(19, VisitPhase::Started { at: at(100) });
    save(store, &second).await;
    save(store, &first).await;
    assert_eq!(store.get_open_visit(booking).await.unwrap(), Some(second.clone()));
    assert_eq!(store.get_latest_visit(booking).await.unwrap(), Some(second.clone()));
    assert_eq!(store.list_started_visits().await.unwrap(), std::slice::from_ref(&second));

    let mut alone = second;
    alone.phase = VisitPhase::Ended { started: None, at: at(110), reason: EndReason::Missed };
    alone.participants.clear();
    let mut transaction = begin(store).await;
    transaction.save_visit(&alone).await.unwrap();
    assert_eq!(transaction.get_open_visit(booking).await.unwrap(), None);
    assert_eq!(transaction.get_latest_visit(booking).await.unwrap(), Some(alone.clone()));
    for reason in [EndReason::Abandoned, EndReason::Closed, EndReason::Cancelled] {
        alone.phase = VisitPhase::Ended { started: None, at: at(110), reason };
        transaction.save_visit(&alone).await.unwrap();
        assert_eq!(transaction.get_latest_visit(booking).await.unwrap(), Some(alone.clone()));
    }
}

pub(crate) async fn backends(store: &dyn Store) {
    let mut transaction = begin(store).await;
    assert!(transaction.update_appointment_backend(appointment_id(11), CallBackend::CometChat).await.unwrap());
    assert!(!transaction.update_appointment_backend(appointment_id(99), CallBackend::CometChat).await.unwrap());
    transaction.commit().await.unwrap();
    let moved = store.get_appointment(appointment_id(11)).await.unwrap().unwrap().unseal_for(OwnWork::Operator);
    assert_eq!(moved.backend, CallBackend::CometChat);

    let report = |key: u8, session: Option<&str>, between| BackendReport {
        key: [key; 32],
        at: at(120),
        event: "call_started",
        call_session: session.map(str::to_owned),
        between,
    };
    let two = Some([user_id(2), user_id(1)]);
    let latest = ReportedVisit { appointment: appointment_id(10), visit: visit_id(19) };
    let known = Receipt::New(Some(latest));
    for (report, receipt) in [
        (report(1, Some("s"), None), Receipt::New(None)),
        (report(2, Some("s"), two), known),
        (report(2, Some("s"), two), Receipt::Known),
        (report(3, Some("s"), None), known),
        (report(4, None, two), known),
        (report(5, None, Some([user_id(1), user_id(9)])), Receipt::New(None)),
    ] {
        let mut transaction = begin(store).await;
        assert_eq!(transaction.insert_backend_report(&report).await.unwrap(), receipt, "{report:?}");
        transaction.commit().await.unwrap();
    }
    let long = report(6, Some(&"x".repeat(201)), None);
    let refused = begin(store).await.insert_backend_report(&long).await;
    assert!(matches!(refused, Err(StoreError::Invalid { .. })));
}

pub(crate) async fn save(store: &dyn Store, visit: &bedside_visit::VisitRecord) {
    let mut transaction = begin(store).await;
    transaction.save_visit(visit).await.unwrap();
    transaction.commit().await.unwrap();
}

pub(crate) async fn half_a_change_is_none(store: &dyn Store) {
    let before = store.get_appointment(appointment_id(10)).await.unwrap();
    let counted = store.statistics();
    let mut transaction = begin(store).await;
    transaction.update_appointment_status(appointment_id(10), AppointmentStatus::Cancelled).await.unwrap();
    transaction.append_audit(&AuditEntry::new(at(200), AuditAction::AppointmentCancelled)).await.unwrap();
    // Uncommitted changes are invisible to readers.
    assert_eq!(store.get_appointment(appointment_id(10)).await.unwrap(), before);
    drop(transaction);
    assert_eq!(store.get_appointment(appointment_id(10)).await.unwrap(), before);
    assert_eq!(store.list_audit(0, 10).await.unwrap(), []);

    let mut transaction = begin(store).await;
    transaction.append_audit(&AuditEntry::new(at(200), AuditAction::UserAdded)).await.unwrap();
    assert!(transaction.insert_user(&patient(), at(200)).await.is_err());
    drop(transaction);
    assert_eq!(store.list_audit(0, 10).await.unwrap(), []);

    let times = |latencies: Latencies| latencies.counts.iter().sum::<u64>();
    let now = store.statistics();
    assert_eq!(times(now.waits), times(counted.waits) + 2);
    assert_eq!((now.commits, now.busy), (counted.commits, 0));
    assert!(times(now.commits) > 0 && now.commits.sum > 0, "{now:?}");
}
