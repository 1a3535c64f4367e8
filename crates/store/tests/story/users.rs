//! Users: accounts, factors, sessions, and who works at the clinic.

use bedside_store::{
    Conflict, PasskeyRecord, PasswordHash, PasswordReset, ProviderLink, ResetHash, RightChanges, SealedSecret,
    SessionRecord, Store,
};
use bedside_visit::permission::ClinicRole;
use bedside_visit::{Guarded, OwnWork, Timestamp};

use crate::support::{appointment, appointment_id, at, book, patient, provider, session, user_id};
use crate::{begin, conflict};

pub(crate) async fn people(store: &dyn Store) {
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
pub(crate) async fn second_step(store: &dyn Store) {
    let secret = |byte| SealedSecret(vec![byte; 48]);
    let mut transaction = begin(store).await;
    assert!(transaction.insert_second_step(user_id(2), &secret(1)).await.unwrap());
    assert!(transaction.use_second_step(user_id(2), 5).await.unwrap());
    assert!(!transaction.insert_second_step(user_id(2), &secret(2)).await.unwrap(), "the user already has one");
    assert!(!transaction.use_second_step(user_id(2), 5).await.unwrap(), "used time steps stay used");
    assert!(!transaction.insert_second_step(user_id(9), &secret(1)).await.unwrap(), "no such user");
    transaction.commit().await.unwrap();
    assert_eq!(store.get_account_of(user_id(2)).await.unwrap().unwrap().second_step, Some(secret(1)));
    let mut transaction = begin(store).await;
    assert!(transaction.update_second_step(user_id(2), None).await.unwrap());
    transaction.commit().await.unwrap();
}

async fn works_here(store: &dyn Store, user: u128) -> bool {
    store.get_account_of(user_id(user)).await.unwrap().unwrap().works_here
}

pub(crate) async fn sign_in(store: &dyn Store) {
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

pub(crate) async fn password_reset(store: &dyn Store) {
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

pub(crate) async fn provider_link(store: &dyn Store) {
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

pub(crate) async fn passkey(store: &dyn Store) {
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

/// A user joins the front desk and books.
pub(crate) async fn the_clinic(store: &dyn Store) {
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

    let ids = |listed: Vec<Guarded<_>>| -> Vec<_> {
        listed
            .into_iter()
            .map(|one: Guarded<bedside_visit::Appointment>| one.unseal_for(OwnWork::Operator).id)
            .collect()
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
