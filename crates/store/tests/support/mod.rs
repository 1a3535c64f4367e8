//! People, appointments and moments for the tests.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::path::Path;
use std::time::Duration;

use bedside_store::{
    InviteHash, Keyring, NewUser, PasswordHash, RootId, SealingKey, SessionHash, SessionRecord, SqliteStore, Store,
};
use bedside_visit::{
    Appointment, AppointmentId, AppointmentStatus, CallBackend, ParticipantRecord, Participants, Person, Private, Role,
    Timestamp, UserId, VisitId, VisitPhase, VisitRecord,
};
use uuid::Uuid;

pub(crate) async fn sqlite(directory: &Path) -> SqliteStore {
    let store = opened(directory, keyring(1, None)).await;
    store.migrate().await.unwrap();
    store
}

/// The database as it is, with keys of one's own.
pub(crate) async fn opened(directory: &Path, keyring: Keyring) -> SqliteStore {
    SqliteStore::open(&directory.join("bedside.db")).await.unwrap().with_keys(keyring).await.unwrap()
}

/// A root key for every number.
pub(crate) fn keyring(current: u8, old: Option<u8>) -> Keyring {
    let root = |number: u8| (RootId::new([number; 8]), SealingKey::new(&[number; 32]).unwrap());
    Keyring::new(root(current), old.map(root))
}

/// Seconds after some morning.
pub(crate) fn at(seconds: u64) -> Timestamp {
    Timestamp::from_millis(1_790_000_000_000) + Duration::from_secs(seconds)
}

pub(crate) fn user_id(number: u128) -> UserId {
    UserId::new(Uuid::from_u128(number))
}

pub(crate) fn appointment_id(number: u128) -> AppointmentId {
    AppointmentId::new(Uuid::from_u128(number))
}

pub(crate) fn visit_id(number: u128) -> VisitId {
    VisitId::new(Uuid::from_u128(number))
}

pub(crate) fn patient() -> NewUser {
    NewUser {
        person: Person {
            id: user_id(1),
            name: "Zofia Zażółć 🌱".into(),
            specialty: None,
            birth_date: Some(Private::new("1980-02-29".parse().unwrap())),
            avatar_url: None,
        },
        email: None,
        password_hash: None,
    }
}

pub(crate) fn provider() -> NewUser {
    NewUser {
        person: Person {
            id: user_id(2),
            name: "Dr Ada O'Neill".into(),
            specialty: Some("Dermatology".into()),
            birth_date: None,
            avatar_url: Some("https://clinic.example/ada.png".into()),
        },
        email: Some("ada@clinic.example".parse().unwrap()),
        password_hash: Some(PasswordHash::new("$argon2id$one".into())),
    }
}

pub(crate) fn appointment() -> Appointment {
    Appointment {
        id: appointment_id(10),
        start: at(3600),
        duration: Duration::from_secs(30 * 60),
        kind: "Follow-up".into(),
        reason: Some("A rash; it itches".into()),
        status: AppointmentStatus::Booked,
        participants: Participants::two(patient().person, provider().person),
        backend: CallBackend::Embedded,
        booked_by: None,
    }
}

pub(crate) fn visit(number: u128, phase: VisitPhase) -> VisitRecord {
    let seat = |user, role| ParticipantRecord {
        user,
        role,
        entered: None,
        left: None,
        declined: None,
        microphone: true,
        camera: true,
        consent: None,
        commands: vec![],
    };
    VisitRecord {
        id: visit_id(number),
        appointment: appointment_id(10),
        phase,
        connected: None,
        ring_until: None,
        participants: vec![seat(user_id(1), Role::Patient), seat(user_id(2), Role::Provider)],
    }
}

pub(crate) fn session(byte: u8, user: u128) -> SessionRecord {
    SessionRecord {
        device: Some("Firefox on Linux".to_owned()),
        token_hash: SessionHash::new([byte; 32]),
        user: user_id(user),
        clinic_role: None,
        invite: None,
        vouched_by: None,
        link_made_by: None,
        created_at: at(0),
        last_seen_at: at(0),
        expires_at: at(600),
    }
}

pub(crate) fn invite_hash(byte: u8) -> InviteHash {
    InviteHash::new([byte; 32])
}

/// Two users and their appointment.
pub(crate) async fn book(store: &dyn Store) {
    let mut transaction = store.begin().await.unwrap();
    transaction.insert_user(&patient(), at(0)).await.unwrap();
    transaction.insert_user(&provider(), at(0)).await.unwrap();
    transaction.insert_appointment(&appointment(), at(0)).await.unwrap();
    transaction.commit().await.unwrap();
}
