//! Tests of encryption at rest and of key handling.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::path::Path;

use bedside_store::{RetiredRoot, RootId, SealedSecret, SqliteStore, Store, StoreError};
use bedside_visit::{ChatMessage, Guarded, OwnWork, VisitPhase};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions};
use support::{appointment, appointment_id, at, book, keyring, opened, patient, provider, user_id, visit, visit_id};
use tempfile::TempDir;

const SAID: &str = "it hurts behind the left knee";

async fn shell(directory: &Path) -> SqliteConnection {
    SqliteConnectOptions::new().filename(directory.join("bedside.db")).connect().await.unwrap()
}

async fn run(directory: &Path, statement: &str) {
    sqlx::raw_sql(AssertSqlSafe(statement.to_owned())).execute(&mut shell(directory).await).await.unwrap();
}

/// A clinic in which a message was sent.
async fn clinic(directory: &Path) -> SqliteStore {
    let store = support::sqlite(directory).await;
    book(&store).await;
    let mut transaction = store.begin().await.unwrap();
    transaction.save_visit(&visit(20, VisitPhase::Planned)).await.unwrap();
    for (number, text) in [(1, SAID), (2, "Since Monday")] {
        let message = ChatMessage { number, from: user_id(1), at: at(21), text: text.to_owned().try_into().unwrap() };
        transaction.insert_message(visit_id(20), &message).await.unwrap();
    }
    transaction.update_second_step(user_id(2), Some(&SealedSecret(vec![7; 48]))).await.unwrap();
    assert!(transaction.use_second_step(user_id(2), 5).await.unwrap());
    transaction.commit().await.unwrap();
    store
}

/// Checks that all encrypted values read back as written.
async fn is_whole(store: &dyn Store) {
    assert_eq!(store.get_person(user_id(1)).await.unwrap(), Some(patient().person));
    assert_eq!(store.get_appointment(appointment_id(10)).await.unwrap(), Some(Guarded::new(appointment())));
    let messages = store.list_messages(visit_id(20)).await.unwrap();
    let texts: Vec<&str> = messages.iter().map(|message| message.text.reveal()).collect();
    assert_eq!(texts, [SAID, "Since Monday"]);
    let account = store.get_account(&provider().email.unwrap()).await.unwrap().unwrap();
    assert_eq!(account.name, provider().person.name);
}

/// Returns the plain-text words found in any of the database's files.
fn plain_words(directory: &Path) -> Vec<&'static str> {
    let read = |file: std::io::Result<std::fs::DirEntry>| match std::fs::read(file.unwrap().path()) {
        // SQLite removes its write-ahead log when the last connection of a closed pool ends.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        contents => Some(contents.unwrap()),
    };
    let files: Vec<Vec<u8>> = std::fs::read_dir(directory).unwrap().filter_map(read).collect();
    let holds = |word: &str| files.iter().any(|file| file.windows(word.len()).any(|at| at == word.as_bytes()));
    let words = ["Zofia", "O'Neill", "1980-02-29", "Follow-up", "A rash; it itches", SAID, "Since Monday"];
    words.into_iter().filter(|word| holds(word)).collect()
}

#[tokio::test]
async fn nothing_of_people_is_in_the_files_but_their_addresses() {
    let directory = TempDir::new().unwrap();
    let store = clinic(directory.path()).await;
    is_whole(&store).await;
    let copy = directory.path().join("copy.db");
    run(directory.path(), &format!("VACUUM INTO '{}'", copy.display())).await;
    assert!(copy.exists());
    assert_eq!(plain_words(directory.path()), [""; 0]);
    let address = b"ada@clinic.example";
    let wal = std::fs::read(directory.path().join("bedside.db-wal")).unwrap();
    assert!(wal.windows(address.len()).any(|at| at == address), "plain text is found");
}

/// Values and keys cannot be swapped between rows or owners.
#[tokio::test]
async fn rows_that_were_swapped_do_not_open() {
    for (statement, place) in [
        (
            "UPDATE users SET name = (SELECT name FROM users WHERE id <> u.id) FROM users u WHERE u.id = users.id",
            "users.name",
        ),
        ("UPDATE messages SET text = (SELECT text FROM messages WHERE number = 2) WHERE number = 1", "messages.text"),
        ("UPDATE appointments SET reason = kind", "appointments.reason"),
        ("UPDATE appointments SET kind = reason", "appointments.kind"),
        ("UPDATE messages SET text = CAST(substr(text, 1, length(text) - 1) || x'00' AS BLOB)", "messages.text"),
        ("DELETE FROM data_keys", "users.birth_date"),
        (
            "UPDATE data_keys SET wrapped = (SELECT wrapped FROM data_keys WHERE owner LIKE '%2') WHERE owner LIKE '%1'",
            "users.key_wrapped",
        ),
    ] {
        let directory = TempDir::new().unwrap();
        clinic(directory.path()).await.close().await;
        run(directory.path(), statement).await;
        let store = opened(directory.path(), keyring(1, None)).await;
        let faults = [
            store.get_person(user_id(1)).await.map(drop).err(),
            store.get_appointment(appointment_id(10)).await.map(drop).err(),
            store.list_messages(visit_id(20)).await.map(drop).err(),
        ];
        let said: Vec<String> = faults.into_iter().flatten().map(|fault| fault.to_string()).collect();
        let wanted = format!("the database holds an unreadable value in {place}");
        assert!(said.contains(&wanted), "{statement}: {said:?}");
    }
}

#[tokio::test]
async fn another_key_is_refused_at_once_and_none_opens_nothing() {
    let directory = TempDir::new().unwrap();
    let store = clinic(directory.path()).await;
    assert_eq!(store.list_roots().await.unwrap(), [RootId::new([1; 8])]);
    store.close().await;
    let path = directory.path().join("bedside.db");
    let refused = SqliteStore::open(&path).await.unwrap().with_keys(keyring(2, None)).await.unwrap_err();
    let said = refused.to_string();
    assert!(matches!(refused, StoreError::OtherKey { table: "data_keys", .. }), "{said}");
    for words in ["0101010101010101", "0202020202020202", "database.key", "database.old_key"] {
        assert!(said.contains(words), "{said}");
    }
    let locked = SqliteStore::open(&path).await.unwrap();
    assert!(matches!(locked.get_person(user_id(1)).await, Err(StoreError::NoKey)));
    assert!(matches!(locked.list_messages(visit_id(20)).await, Err(StoreError::NoKey)));
    assert!(locked.list_audit(0, 10).await.is_ok(), "plain columns stay readable");
    is_whole(&opened(directory.path(), keyring(1, None)).await).await;

    // Another process has re-wrapped the keys under another root key in the meantime.
    let store = opened(directory.path(), keyring(1, None)).await;
    run(directory.path(), "UPDATE data_keys SET root = x'0303030303030303'").await;
    let error = store.get_person(user_id(1)).await.unwrap_err();
    assert!(matches!(error, StoreError::OtherKey { table: "users", .. }), "{error}");
    let mut transaction = store.begin().await.unwrap();
    let error = transaction.insert_appointment(&appointment(), at(0)).await.unwrap_err();
    assert!(matches!(error, StoreError::OtherKey { .. }), "{error}");
}

#[tokio::test]
async fn another_root_key_takes_everything_over_bit_by_bit() {
    let directory = TempDir::new().unwrap();
    let before = clinic(directory.path()).await;
    let store = opened(directory.path(), keyring(2, Some(1))).await;
    is_whole(&store).await;
    let (one, two) = (RootId::new([1; 8]), RootId::new([2; 8]));
    let roots = async || store.get_sealing_report().await.unwrap().roots;
    assert_eq!(roots().await, [(one, 3)]);

    let mut transaction = store.begin().await.unwrap();
    assert_eq!(transaction.rewrap_keys(1).await.unwrap(), 1);
    drop(transaction);
    assert_eq!(roots().await, [(one, 3)], "an uncommitted change has no effect");
    for left in [2, 1] {
        let mut transaction = store.begin().await.unwrap();
        assert_eq!(transaction.rewrap_keys(1).await.unwrap(), 1);
        transaction.commit().await.unwrap();
        assert_eq!(roots().await, [(one, left), (two, 3 - left)]);
        is_whole(&store).await;
        // Interrupted half-way.
        assert!(
            SqliteStore::open(&directory.path().join("bedside.db"))
                .await
                .unwrap()
                .with_keys(keyring(2, None))
                .await
                .is_err()
        );
    }
    let mut transaction = store.begin().await.unwrap();
    assert_eq!(transaction.rewrap_keys(10).await.unwrap(), 1);
    assert_eq!(transaction.rewrap_keys(10).await.unwrap(), 0);
    transaction.commit().await.unwrap();
    assert_eq!(roots().await, [(two, 3)]);
    is_whole(&opened(directory.path(), keyring(2, None)).await).await;
    // A process that has only the old root key.
    assert!(matches!(before.get_person(user_id(2)).await, Err(StoreError::OtherKey { .. })));
    let mut transaction = store.begin().await.unwrap();
    let retired = RetiredRoot { root: one, at: at(5), sealed: SealedSecret(vec![1; 68]) };
    transaction.save_retired_root(&retired).await.unwrap();
    transaction.commit().await.unwrap();
    let mut new = patient();
    new.person.id = user_id(3);
    let refused = before.begin().await.unwrap().insert_user(&new, at(6)).await;
    assert!(matches!(refused, Err(StoreError::ReplacedKey { has }) if has == one));
    store.begin().await.unwrap().insert_user(&new, at(6)).await.unwrap();
}

#[tokio::test]
async fn other_data_keys_seal_everything_anew() {
    let directory = TempDir::new().unwrap();
    let store = clinic(directory.path()).await;
    let mut shell = shell(directory.path()).await;
    let statement = "SELECT id, wrapped FROM data_keys ORDER BY owner";
    let keys = sqlx::query_as::<_, (Vec<u8>, Vec<u8>)>(statement).fetch_all(&mut shell).await.unwrap();
    let rotate = async |before, limit| {
        let mut transaction = store.begin().await.unwrap();
        let rotated = transaction.rotate_keys(before, at(200), limit).await.unwrap();
        transaction.commit().await.unwrap();
        is_whole(&store).await;
        rotated
    };
    assert_eq!(rotate(at(0), 10).await, 0, "no key is that old");
    assert_eq!(rotate(at(100), 2).await, 2);
    assert_eq!(rotate(at(100), 2).await, 1);
    assert_eq!(rotate(at(100), 2).await, 0);
    let report = store.get_sealing_report().await.unwrap();
    assert_eq!((report.oldest, report.roots), (Some(at(200)), vec![(RootId::new([1; 8]), 3)]));
    let counted = [2, 1, 1, 1, 2];
    assert_eq!(report.values.iter().map(|(_, _, count)| *count).collect::<Vec<_>>(), counted);
    let after = sqlx::query_as::<_, (Vec<u8>, Vec<u8>)>(statement).fetch_all(&mut shell).await.unwrap();
    assert!(keys.iter().zip(&after).all(|(before, after)| before.0 != after.0 && before.1 != after.1));
    is_whole(&opened(directory.path(), keyring(1, None)).await).await;
}

#[tokio::test]
async fn second_steps_and_old_roots_are_kept_as_they_are_given() {
    let directory = TempDir::new().unwrap();
    let store = clinic(directory.path()).await;
    let mut transaction = store.begin().await.unwrap();
    assert_eq!(transaction.list_second_steps(None, 10).await.unwrap(), [(user_id(2), SealedSecret(vec![7; 48]))]);
    assert_eq!(transaction.list_second_steps(Some(user_id(2)), 10).await.unwrap(), []);
    assert!(transaction.reseal_second_step(user_id(2), &SealedSecret(vec![8; 48])).await.unwrap());
    assert!(!transaction.reseal_second_step(user_id(1), &SealedSecret(vec![8; 48])).await.unwrap(), "has none");
    assert!(!transaction.use_second_step(user_id(2), 5).await.unwrap(), "used time steps stay used");
    let retired = |byte| RetiredRoot { root: RootId::new([1; 8]), at: at(5), sealed: SealedSecret(vec![byte; 68]) };
    for byte in [1, 2] {
        transaction.save_retired_root(&retired(byte)).await.unwrap();
    }
    assert_eq!(transaction.list_retired_roots().await.unwrap(), [retired(2)]);
    transaction.commit().await.unwrap();
    assert_eq!(store.list_retired_roots().await.unwrap(), [retired(2)]);
}

/// A database from the version before encryption, with people in it.
async fn plain(directory: &Path) {
    let folder = TempDir::new().unwrap();
    for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations/sqlite")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if name.as_str() < "0011" {
            std::fs::copy(&path, folder.path().join(name)).unwrap();
        }
    }
    drop(SqliteStore::open(&directory.join("bedside.db")).await.unwrap());
    let mut shell = shell(directory).await;
    sqlx::migrate::Migrator::new(folder.path()).await.unwrap().run(&mut shell).await.unwrap();
    let (patient, provider, visit) = (user_id(1), user_id(2), visit_id(20));
    let rows = format!(
        "INSERT INTO users (id, name, birth_date, created_at) VALUES ('{patient}', 'Zofia Zażółć 🌱', '1980-02-29', 0);
         INSERT INTO users (id, email, name, specialty, avatar_url, created_at) VALUES
             ('{provider}', 'ada@clinic.example', 'Dr Ada O''Neill', 'Dermatology', 'https://clinic.example/ada.png', 0);
         INSERT INTO appointments
             (id, start_at, duration_minutes, kind, reason, status, patient_id, provider_id, created_at)
             VALUES ('{0}', {1}, 30, 'Follow-up', 'A rash; it itches', 'booked', '{patient}', '{provider}', 0),
                    ('{2}', 0, 30, 'Follow-up', NULL, 'booked', '{patient}', '{provider}', 0);
         INSERT INTO visits (sequence, id, appointment_id, phase) VALUES (7, '{visit}', '{0}', 'planned');
         INSERT INTO messages (visit_id, number, user_id, at, text) VALUES
             ('{visit}', 1, '{patient}', 0, '{SAID}'), ('{visit}', 2, '{patient}', 0, 'Since Monday');",
        appointment_id(10),
        appointment().start.as_millis(),
        appointment_id(11),
    );
    run(directory, &rows).await;
}

#[tokio::test]
async fn a_plain_database_is_sealed_once_and_nothing_plain_is_left() {
    let directory = TempDir::new().unwrap();
    plain(directory.path()).await;
    assert_eq!(plain_words(directory.path()).len(), 7);

    // Without a key, migration goes as far as it can, and no plain text is lost.
    let locked = SqliteStore::open(&directory.path().join("bedside.db")).await.unwrap();
    assert!(matches!(locked.migrate().await, Err(StoreError::NoKey)));
    locked.close().await;

    let store = opened(directory.path(), keyring(1, None)).await;
    store.migrate().await.unwrap();
    assert_eq!(plain_words(directory.path()), [""; 0], "while the database is open");
    is_whole(&store).await;
    let other = store.get_appointment(appointment_id(11)).await.unwrap().unwrap().unseal_for(OwnWork::Operator);
    assert_eq!((other.kind.as_str(), other.reason), ("Follow-up", None));
    store.migrate().await.unwrap();
    store.close().await;
    assert_eq!(plain_words(directory.path()), [""; 0]);
    is_whole(&opened(directory.path(), keyring(1, None)).await).await;
}

/// If interrupted after values were encrypted and before the plain text was overwritten, the next start continues.
#[tokio::test]
async fn sealing_that_was_stopped_half_way_is_finished() {
    let directory = TempDir::new().unwrap();
    plain(directory.path()).await;
    let store = opened(directory.path(), keyring(1, None)).await;
    run(
        directory.path(),
        "CREATE TRIGGER stop BEFORE UPDATE OF text ON messages BEGIN SELECT RAISE(ABORT, 'a stop'); END",
    )
    .await;
    assert!(store.migrate().await.is_err());
    assert!(store.get_person(user_id(1)).await.is_err(), "no value is partially encrypted");
    run(directory.path(), "DROP TRIGGER stop").await;
    store.migrate().await.unwrap();
    is_whole(&store).await;

    // A crash between encrypting the last value and overwriting leaves the empty table, and remains in free pages.
    run(
        directory.path(),
        &format!(
            "PRAGMA secure_delete = OFF; CREATE TABLE unsealed (text TEXT); INSERT INTO unsealed VALUES ('{SAID}');
                  DELETE FROM unsealed; DROP TABLE unsealed;
                  CREATE TABLE unsealed (place TEXT, row TEXT, owner TEXT, at INTEGER, text TEXT)"
        ),
    )
    .await;
    assert_eq!(plain_words(directory.path()), [SAID]);
    store.migrate().await.unwrap();
    assert_eq!(plain_words(directory.path()), [""; 0]);
}

/// Every text column must either be encrypted or be listed here as plain.
#[tokio::test]
async fn every_plain_column_is_known() {
    // IDs, codes, and texts that are documented as plain.
    const IDENTIFIERS: [&str; 9] =
        ["id", "owner", "user_id", "booked_by", "patient_id", "provider_id", "appointment_id", "visit_id", "terms_id"];
    const PLAIN: [&str; 41] = [
        "users.email",
        "users.password_hash",
        "users.specialty",
        "users.avatar_url",
        "appointments.status",
        "appointments.call_backend",
        "sessions.device",
        "audit.link_made_by",
        "invites.made_by",
        "sessions.link_made_by",
        "sessions.vouched_by",
        "visits.phase",
        "visits.end_reason",
        "participants.role",
        "participants.commands",
        "participants.consent_terms",
        "audit.actor",
        "audit.client",
        "audit.on_behalf_of",
        "audit.action",
        "audit.subject",
        "audit.detail",
        "backend_reports.event",
        "backend_reports.call_session",
        "terms.language",
        "terms.text",
        "consents.method",
        "users.clinic_role",
        "companions.role",
        "invites.role",
        "sessions.role",
        "client_keys.scopes",
        "issuers.issuer",
        "issuers.jwks",
        "admissions.device",
        "provider_links.issuer",
        "provider_links.subject",
        "jobs.kind",
        "done_requests.made",
        "passkeys.name",
        "passkeys.credential",
    ];
    let directory = TempDir::new().unwrap();
    let _store = support::sqlite(directory.path()).await;
    let columns: Vec<(String, String)> = sqlx::query_as(
        "SELECT t.name, c.name FROM sqlite_schema t JOIN pragma_table_info(t.name) c
         WHERE t.type = 'table' AND c.type = 'TEXT' AND t.name <> '_sqlx_migrations'",
    )
    .fetch_all(&mut shell(directory.path()).await)
    .await
    .unwrap();
    let plain = columns.iter().filter(|(_, column)| !IDENTIFIERS.contains(&column.as_str()));
    let plain: Vec<String> = plain.map(|(table, column)| format!("{table}.{column}")).collect();
    for column in &plain {
        assert!(PLAIN.contains(&column.as_str()), "{column} holds plain text: encrypt it or list it here");
    }
    assert_eq!(plain.len(), PLAIN.len(), "{plain:?}");
}
