//! A test scenario of users who book, meet and meet again, run against every implementation of the store.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::time::Duration;

use bedside_store::{
    AdmissionRecord, AuditEntry, BackendReport, ClientKey, ClientKeyHash, Conflict, DoneRequest, Invite, Issuer, Job,
    Latencies, NewUser, PasskeyRecord, PasswordHash, PasswordReset, ProviderLink, Receipt, ReportedVisit, RequestHash,
    ResetHash, RightChanges, SealedSecret, SessionRecord, Store, StoreError, Terms, Transaction,
};
use bedside_visit::permission::ClinicRole;
use bedside_visit::{
    AdmissionId, AppointmentStatus, AuditAction, CallBackend, ChatMessage, Companion, Consent, ConsentRecord,
    EndReason, OwnWork, Person, Role, Sealed, TermsId, Timestamp, VisitPhase, VisitRecord,
};
use support::{
    appointment, appointment_id, at, book, invite_hash, patient, provider, session, user_id, visit, visit_id,
};
use tempfile::TempDir;

#[tokio::test]
async fn on_sqlite() {
    let directory = TempDir::new().unwrap();
    let store = support::sqlite(directory.path()).await;
    story(&store).await;
    jobs(&store).await;
    copies(&store, directory.path()).await;
    store.close().await;
}

async fn story(store: &dyn Store) {
    people(store).await;
    second_step(store).await;
    bookings(store).await;
    sign_in(store).await;
    password_reset(store).await;
    provider_link(store).await;
    passkey(store).await;
    patient_link(store).await;
    another_device(store).await;
    companions(store).await;
    the_clinic(store).await;
    a_cancelled_appointment_changes_rights(store).await;
    done_requests(store).await;
    programs(store).await;
    visits(store).await;
    backends(store).await;
    forgetting(store).await;
    half_a_change_is_none(store).await;
    audit(store).await;
}

async fn begin(store: &dyn Store) -> Box<dyn Transaction> {
    store.begin().await.unwrap()
}

fn conflict(result: Result<(), StoreError>) -> Option<Conflict> {
    match result {
        Err(StoreError::Conflict(conflict)) => Some(conflict),
        Ok(()) | Err(_) => None,
    }
}

async fn people(store: &dyn Store) {
    assert_eq!(store.count_users().await.unwrap(), 0);
    assert_eq!(store.get_person(user_id(1)).await.unwrap(), None);
    book(store).await;
    assert_eq!(store.count_users().await.unwrap(), 2);
    assert_eq!(store.get_person(user_id(1)).await.unwrap(), Some(patient().person));
    assert_eq!(store.get_person(user_id(2)).await.unwrap(), Some(provider().person));

    let ada = "ADA@clinic.example".parse().unwrap();
    let account = store.get_account(&ada).await.unwrap().unwrap();
    assert_eq!((account.user, account.disabled_at), (user_id(2), None));
    assert_eq!(account.name, provider().person.name);
    assert_eq!(account.password_hash, provider().password_hash);
    assert_eq!(store.get_account(&"eve@clinic.example".parse().unwrap()).await.unwrap(), None);

    let mut same_address = patient();
    same_address.person.id = user_id(3);
    same_address.email = provider().email;
    assert_eq!(conflict(begin(store).await.insert_user(&same_address, at(1)).await), Some(Conflict::EmailTaken));
    assert_eq!(conflict(begin(store).await.insert_user(&patient(), at(1)).await), Some(Conflict::AlreadyExists));
    let mut nameless = patient();
    nameless.person.id = user_id(3);
    nameless.person.name = "".into();
    let refused = begin(store).await.insert_user(&nameless, at(1)).await.unwrap_err();
    assert_eq!(refused.to_string(), "a value violates the constraint name_has_1_to_600_characters");

    let mut transaction = begin(store).await;
    let password = PasswordHash::new("$argon2id$two".into());
    assert!(transaction.update_password(user_id(2), &password).await.unwrap());
    assert!(!transaction.update_password(user_id(9), &password).await.unwrap());
    assert_eq!(transaction.get_account(&ada).await.unwrap().unwrap().password_hash, Some(password.clone()));
    transaction.commit().await.unwrap();
    assert_eq!(store.get_account(&ada).await.unwrap().unwrap().password_hash, Some(password));
}

/// Setting a first TOTP secret never replaces an existing one.
async fn second_step(store: &dyn Store) {
    let secret = |byte| SealedSecret(vec![byte; 48]);
    let mut transaction = begin(store).await;
    assert!(transaction.insert_second_step(user_id(2), &secret(1)).await.unwrap());
    assert!(transaction.use_second_step(user_id(2), 5).await.unwrap());
    assert!(!transaction.insert_second_step(user_id(2), &secret(2)).await.unwrap(), "the user already has one");
    assert!(!transaction.use_second_step(user_id(2), 5).await.unwrap(), "used time steps stay used");
    assert!(!transaction.insert_second_step(user_id(9), &secret(1)).await.unwrap(), "nobody");
    transaction.commit().await.unwrap();
    assert_eq!(store.get_account_of(user_id(2)).await.unwrap().unwrap().second_step, Some(secret(1)));
    let mut transaction = begin(store).await;
    assert!(transaction.update_second_step(user_id(2), None).await.unwrap());
    transaction.commit().await.unwrap();
}

async fn works_here(store: &dyn Store, user: u128) -> bool {
    store.get_account_of(user_id(user)).await.unwrap().unwrap().works_here
}

async fn bookings(store: &dyn Store) {
    assert_eq!(store.count_appointments().await.unwrap(), 1);
    assert_eq!(store.get_appointment(appointment_id(10)).await.unwrap(), Some(Sealed::new(appointment())));
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
        assert_eq!(day, [earlier.clone(), appointment()].map(Sealed::new));
    }
    let from_its_start = store.list_appointments(user_id(1), at(1800), at(3600)).await.unwrap();
    assert_eq!(from_its_start, [Sealed::new(earlier)]);
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

async fn sign_in(store: &dyn Store) {
    let (first, second) = (session(1, 2), session(2, 2));
    let mut transaction = begin(store).await;
    transaction.insert_session(&first).await.unwrap();
    transaction.insert_session(&second).await.unwrap();
    assert_eq!(transaction.get_session(&first.token_hash).await.unwrap(), Some(first.clone()));
    transaction.commit().await.unwrap();
    assert_eq!(store.get_session(&first.token_hash).await.unwrap(), Some(first.clone()));
    assert_eq!(store.get_session(&session(9, 2).token_hash).await.unwrap(), None);

    let mut transaction = begin(store).await;
    assert!(transaction.update_session_seen(&first.token_hash, at(60)).await.unwrap());
    assert!(transaction.update_session_seen(&first.token_hash, at(30)).await.unwrap());
    assert!(!transaction.update_session_seen(&session(9, 2).token_hash, at(60)).await.unwrap());
    transaction.commit().await.unwrap();
    let seen = SessionRecord { last_seen_at: at(60), ..first.clone() };
    assert_eq!(store.get_session(&first.token_hash).await.unwrap(), Some(seen.clone()));

    disable(store, Some(at(61))).await;
    assert_eq!(store.get_session(&first.token_hash).await.unwrap(), None);
    let account = store.get_account(&provider().email.unwrap()).await.unwrap().unwrap();
    assert_eq!(account.disabled_at, Some(at(61)));
    disable(store, None).await;
    assert_eq!(store.get_session(&first.token_hash).await.unwrap(), Some(seen.clone()));

    let mut transaction = begin(store).await;
    assert_eq!(transaction.delete_session(&first.token_hash).await.unwrap(), Some(seen));
    assert_eq!(transaction.delete_session(&first.token_hash).await.unwrap(), None);
    assert_eq!(transaction.delete_expired_sessions(at(599)).await.unwrap(), 0);
    assert_eq!(transaction.delete_expired_sessions(at(600)).await.unwrap(), 1);
    transaction.insert_session(&first).await.unwrap();
    transaction.insert_session(&second).await.unwrap();
    assert_eq!(transaction.delete_sessions_of(user_id(1)).await.unwrap(), 0);
    assert_eq!(transaction.delete_sessions_of(user_id(2)).await.unwrap(), 2);
    transaction.commit().await.unwrap();
    assert_eq!(store.get_session(&second.token_hash).await.unwrap(), None);

    let mut transaction = begin(store).await;
    transaction.insert_session(&first).await.unwrap();
    transaction.insert_session(&session(3, 1)).await.unwrap();
    assert_eq!(transaction.delete_all_sessions().await.unwrap(), 2);
    assert_eq!(transaction.delete_all_sessions().await.unwrap(), 0);
    transaction.commit().await.unwrap();
}

async fn disable(store: &dyn Store, since: Option<Timestamp>) {
    let mut transaction = begin(store).await;
    assert!(transaction.update_disabled(user_id(2), since).await.unwrap());
    assert!(!transaction.update_disabled(user_id(9), since).await.unwrap());
    transaction.commit().await.unwrap();
}

async fn password_reset(store: &dyn Store) {
    let reset = |n, user| PasswordReset {
        token_hash: ResetHash::new([n; 32]),
        user: user_id(user),
        created_at: at(0),
        expires_at: at(30),
    };
    let (first, second, others) = (reset(1, 2), reset(2, 2), reset(3, 1));
    let mut transaction = begin(store).await;
    for one in [&first, &others, &second] {
        transaction.replace_password_reset(one).await.unwrap();
    }
    transaction.commit().await.unwrap();
    assert_eq!(store.get_password_reset(&first.token_hash).await.unwrap(), None, "replaced by a newer one");
    assert_eq!(store.get_password_reset(&second.token_hash).await.unwrap(), Some(second.clone()));

    disable(store, Some(at(1))).await;
    assert_eq!(store.get_password_reset(&second.token_hash).await.unwrap(), None);
    assert_eq!(begin(store).await.use_password_reset(&second.token_hash, at(2)).await.unwrap(), None);
    disable(store, None).await;
    let mut transaction = begin(store).await;
    assert_eq!(transaction.use_password_reset(&second.token_hash, at(30)).await.unwrap(), None, "expired");
    assert_eq!(transaction.use_password_reset(&second.token_hash, at(29)).await.unwrap(), Some(user_id(2)));
    assert_eq!(transaction.use_password_reset(&second.token_hash, at(29)).await.unwrap(), None, "once");
    assert_eq!(transaction.delete_password_resets_of(user_id(1)).await.unwrap(), 1);
    assert_eq!(transaction.use_password_reset(&others.token_hash, at(1)).await.unwrap(), None);
    transaction.commit().await.unwrap();
}

async fn provider_link(store: &dyn Store) {
    let link = |subject: &str, user| ProviderLink {
        issuer: "https://id.example".into(),
        subject: subject.into(),
        user: user_id(user),
        created_at: at(1),
    };
    let mut transaction = begin(store).await;
    transaction.insert_provider_link(&link("a", 1)).await.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(store.get_provider_link("https://id.example", "a").await.unwrap(), Some(link("a", 1)));
    assert_eq!(
        store.get_provider_link("https://id.example/", "a").await.unwrap(),
        None,
        "issuers are compared exactly"
    );
    assert_eq!(
        store.get_provider_link("https://id.example", "A").await.unwrap(),
        None,
        "subjects are compared exactly"
    );
    assert_eq!(store.get_provider_link_of(user_id(1), "https://id.example").await.unwrap(), Some(link("a", 1)));
    assert_eq!(store.get_provider_link_of(user_id(2), "https://id.example").await.unwrap(), None);
    for taken in [link("a", 2), link("b", 1)] {
        assert_eq!(conflict(begin(store).await.insert_provider_link(&taken).await), Some(Conflict::AlreadyExists));
    }
    let mut transaction = begin(store).await;
    assert_eq!(store.list_provider_links("https://id.example").await.unwrap(), [link("a", 1)]);
    assert_eq!(store.list_provider_links("https://id.example/").await.unwrap(), []);
    assert!(!transaction.delete_provider_link(user_id(2), "https://id.example").await.unwrap());
    assert!(transaction.delete_provider_link(user_id(1), "https://id.example").await.unwrap());
    transaction.commit().await.unwrap();
    assert_eq!(store.get_provider_link("https://id.example", "a").await.unwrap(), None);
}

async fn passkey(store: &dyn Store) {
    let passkey = |n: u8, user| PasskeyRecord {
        credential_id: vec![n; 16],
        user: user_id(user),
        name: "A phone".into(),
        credential: "{}".into(),
        created_at: at(u64::from(n)),
        used_at: None,
    };
    let mut transaction = begin(store).await;
    for one in [passkey(2, 2), passkey(1, 2), passkey(3, 1)] {
        transaction.insert_passkey(&one).await.unwrap();
    }
    transaction.commit().await.unwrap();
    assert_eq!(conflict(begin(store).await.insert_passkey(&passkey(1, 1)).await), Some(Conflict::AlreadyExists));
    assert_eq!(store.list_passkeys(user_id(2)).await.unwrap(), [passkey(1, 2), passkey(2, 2)]);
    assert_eq!(store.get_passkey(&[9; 16]).await.unwrap(), None);

    let mut transaction = begin(store).await;
    assert!(transaction.update_passkey_used(&[1; 16], "{\"counter\":1}", at(9)).await.unwrap());
    assert!(!transaction.update_passkey_used(&[9; 16], "{}", at(9)).await.unwrap());
    assert!(!transaction.delete_passkey(user_id(1), &[2; 16]).await.unwrap(), "another user's passkey");
    assert!(transaction.delete_passkey(user_id(2), &[2; 16]).await.unwrap());
    transaction.commit().await.unwrap();
    let used = PasskeyRecord { credential: "{\"counter\":1}".into(), used_at: Some(at(9)), ..passkey(1, 2) };
    assert_eq!(store.get_passkey(&[1; 16]).await.unwrap(), Some(used.clone()));
    assert_eq!(store.list_passkeys(user_id(2)).await.unwrap(), [used]);
}

async fn patient_link(store: &dyn Store) {
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
async fn another_device(store: &dyn Store) {
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
async fn companions(store: &dyn Store) {
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
    assert_eq!(store.list_appointments(user_id(5), at(0), at(86_400)).await.unwrap(), [Sealed::new(booked)]);

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

/// A user joins the front desk and books.
async fn the_clinic(store: &dyn Store) {
    let mut booked = appointment();
    booked.id = appointment_id(13);
    booked.booked_by = Some(user_id(5));
    let mut transaction = begin(store).await;
    assert!(transaction.update_clinic_role(user_id(5), Some(ClinicRole::Staff)).await.unwrap());
    assert!(!transaction.update_clinic_role(user_id(9), Some(ClinicRole::Staff)).await.unwrap());
    transaction.insert_session(&session(6, 5)).await.unwrap();
    transaction.insert_appointment(&booked, at(0)).await.unwrap();
    transaction.commit().await.unwrap();
    let hash = session(6, 5).token_hash;
    assert_eq!(store.get_session(&hash).await.unwrap().unwrap().clinic_role, Some(ClinicRole::Staff));
    assert_eq!(store.list_sign_ins(user_id(5), at(1)).await.unwrap()[0].clinic_role, Some(ClinicRole::Staff));

    let ids = |listed: Vec<Sealed<_>>| -> Vec<_> {
        listed.into_iter().map(|one: Sealed<bedside_visit::Appointment>| one.unseal_for(OwnWork::Operator).id).collect()
    };
    let all = store.list_bookings(None, at(3600), at(86_400)).await.unwrap();
    assert_eq!(ids(all), [appointment_id(10), appointment_id(13)]);
    let theirs = store.list_bookings(Some(user_id(5)), at(3600), at(86_400)).await.unwrap();
    assert_eq!(ids(theirs), [appointment_id(13)]);
    assert_eq!(store.list_bookings(None, at(3601), at(86_400)).await.unwrap(), []);

    let mut people = store.list_people().await.unwrap();
    people.sort_by_key(|one| one.person.id);
    let of: Vec<_> = people.iter().map(|one| (one.person.id, one.clinic_role, one.provides)).collect();
    let staff = (user_id(5), Some(ClinicRole::Staff), false);
    assert_eq!(of, [(user_id(1), None, false), (user_id(2), None, true), staff]);
    assert_eq!(
        [works_here(store, 1).await, works_here(store, 2).await, works_here(store, 5).await],
        [false, true, true]
    );

    let epoch = store.get_rights_epoch().await.unwrap();
    let mut transaction = begin(store).await;
    assert!(transaction.update_clinic_role(user_id(5), None).await.unwrap());
    assert_eq!(transaction.delete_session(&hash).await.unwrap().unwrap().clinic_role, None);
    transaction.commit().await.unwrap();
    let changes = RightChanges { epoch: epoch + 2, of: Some(vec![user_id(5); 2]) };
    assert_eq!(store.get_right_changes(epoch).await.unwrap(), changes);
    assert!(!works_here(store, 5).await);
}

/// Cancelling an appointment is reported to all its participants, including companions. Other status changes are not.
async fn a_cancelled_appointment_changes_rights(store: &dyn Store) {
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
async fn done_requests(store: &dyn Store) {
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
async fn programs(store: &dyn Store) {
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

/// Free text is deleted when it is old, unless it is under legal hold.
async fn forgetting(store: &dyn Store) {
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

async fn visits(store: &dyn Store) {
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

async fn backends(store: &dyn Store) {
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

async fn save(store: &dyn Store, visit: &bedside_visit::VisitRecord) {
    let mut transaction = begin(store).await;
    transaction.save_visit(visit).await.unwrap();
    transaction.commit().await.unwrap();
}

async fn half_a_change_is_none(store: &dyn Store) {
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

async fn jobs(store: &dyn Store) {
    let mail = |number: u128, user: Option<u128>| Job {
        id: uuid::Uuid::from_u128(number),
        user: user.map(user_id),
        kind: "reset".to_owned(),
        created_at: at(u64::try_from(number).unwrap()),
        tries: 0,
    };
    let (first, second) = (mail(1, Some(2)), mail(2, None));
    let mut transaction = begin(store).await;
    transaction.insert_job(&second).await.unwrap();
    transaction.insert_job(&first).await.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(store.list_due_jobs(at(0), 9).await.unwrap(), []);
    assert_eq!(store.list_due_jobs(at(2), 9).await.unwrap(), [first.clone(), second.clone()]);
    assert_eq!(store.list_due_jobs(at(2), 1).await.unwrap(), std::slice::from_ref(&first));
    let mut transaction = begin(store).await;
    assert!(transaction.postpone_job(first.id, at(60)).await.unwrap());
    assert!(transaction.delete_job(second.id).await.unwrap());
    assert!(!transaction.delete_job(second.id).await.unwrap());
    assert!(!transaction.postpone_job(second.id, at(60)).await.unwrap());
    transaction.commit().await.unwrap();
    assert_eq!(store.count_jobs().await.unwrap(), 1);
    assert_eq!(store.list_due_jobs(at(59), 9).await.unwrap(), []);
    assert_eq!(store.list_due_jobs(at(60), 9).await.unwrap(), [Job { tries: 1, ..first.clone() }]);
    // The link is created when the mail is sent. The job stays queued until then.
    let reset = PasswordReset {
        token_hash: ResetHash::new([77; 32]),
        user: user_id(2),
        created_at: at(60),
        expires_at: at(120),
    };
    let mut transaction = begin(store).await;
    transaction.replace_password_reset(&reset).await.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(store.count_jobs().await.unwrap(), 1);
    // Pending reset mails are deleted together with the links.
    let mut transaction = begin(store).await;
    transaction.delete_password_resets_of(user_id(2)).await.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(store.count_jobs().await.unwrap(), 0);
}

/// A backup contains everything as of that moment and is writable. An existing file is not overwritten.
async fn copies(store: &dyn Store, directory: &std::path::Path) {
    store.check_writable().await.unwrap();
    store.check_contents().await.unwrap();
    let (end, elsewhere) = (store.get_audit_end().await.unwrap(), directory.join("copy"));
    std::fs::create_dir(&elsewhere).unwrap();
    store.back_up(&elsewhere.join("bedside.db")).await.unwrap();
    assert!(store.back_up(&elsewhere.join("bedside.db")).await.is_err());
    let mut transaction = begin(store).await;
    transaction.append_restored(at(500), 17).await.unwrap();
    transaction.commit().await.unwrap();

    let copy = support::opened(&elsewhere, support::keyring(1, None)).await;
    copy.check_contents().await.unwrap();
    copy.check_writable().await.unwrap();
    assert_eq!(copy.get_audit_end().await.unwrap(), end);
    assert_eq!(copy.get_person(user_id(1)).await.unwrap(), store.get_person(user_id(1)).await.unwrap());
    let lines = store.list_audit(end.unwrap().0, 10).await.unwrap();
    assert_eq!(lines.iter().map(bedside_store::AuditRow::restored_over).collect::<Vec<_>>(), [Some(17)]);
    copy.close().await;
}

async fn audit(store: &dyn Store) {
    let started = AuditEntry::new(at(100), AuditAction::VisitStarted)
        .by(user_id(2))
        .about(user_id(1))
        .of_appointment(appointment_id(10))
        .of_visit(visit_id(19));
    // Denials are recorded even for appointments that do not exist.
    let denied =
        AuditEntry::new(at(99), AuditAction::AccessDenied).of_appointment(appointment_id(99)).with_detail("not_found");
    let mut transaction = begin(store).await;
    transaction.append_audit(&started).await.unwrap();
    transaction.append_audit(&denied).await.unwrap();
    transaction.commit().await.unwrap();

    let rows = store.list_audit(0, 10).await.unwrap();
    assert_eq!(rows.len(), 2);
    assert!(0 < rows[0].sequence && rows[0].sequence < rows[1].sequence);
    assert_eq!((rows[0].at, rows[0].actor, rows[0].action.as_str()), (at(100), Some(user_id(2)), "visit.started"));
    assert_eq!((rows[0].appointment, rows[0].visit), (Some(appointment_id(10)), Some(visit_id(19))));
    assert_eq!((rows[0].subject, rows[1].subject), (Some(user_id(1)), None));
    assert_eq!((rows[1].actor, rows[1].visit, rows[1].detail.as_deref()), (None, None, Some("not_found")));
    assert_eq!(store.list_audit(0, 1).await.unwrap(), rows[..1]);
    assert_eq!(store.list_audit(rows[0].sequence, 10).await.unwrap(), rows[1..]);
    assert_eq!(rows[1].restored_over(), None);
}
