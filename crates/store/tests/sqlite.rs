//! Tests specific to SQLite: files, settings and constraints.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use bedside_store::{Actor, AuditEntry, Chain, ChainFault, Conflict, SqliteStore, StorageFault, Store, StoreError};
use bedside_visit::{AuditAction, CallBackend, ChatMessage, Guarded, OwnWork, Timestamp, VisitPhase};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, SqlSafeStr};
use support::{
    appointment, appointment_id, at, book, invite_hash, keyring, patient, provider, session, user_id, visit, visit_id,
};
use tempfile::TempDir;
use uuid::Uuid;

/// Opens a raw connection, like an operator with a database shell.
async fn shell(directory: &Path) -> SqliteConnection {
    SqliteConnectOptions::new().filename(directory.join("bedside.db")).connect().await.unwrap()
}

async fn run(shell: &mut SqliteConnection, statement: impl SqlSafeStr) -> Result<(), String> {
    sqlx::raw_sql(statement).execute(shell).await.map(drop).map_err(|error| error.to_string())
}

/// A mounted file system of a few megabytes. `None` unless run as root, which is required for mounting.
struct SmallDisk(TempDir);

impl SmallDisk {
    #[allow(clippy::print_stderr, reason = "a test that is skipped says so")]
    fn new(megabytes: u32) -> Option<Self> {
        let folder = TempDir::new().unwrap();
        let size = format!("size={megabytes}m");
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(folder.path()).status();
        let mounted = mount.is_ok_and(|status| status.success());
        if !mounted {
            eprintln!("SKIPPED: mounting a small disk needs root");
        }
        mounted.then_some(Self(folder))
    }

    /// Fills the disk completely.
    fn fill(&self) {
        let mut file = std::fs::File::create(self.0.path().join("filler")).unwrap();
        for size in [65_536, 4_096, 1] {
            while std::io::Write::write_all(&mut file, &vec![7; size]).is_ok() {}
        }
    }

    fn empty(&self) {
        std::fs::remove_file(self.0.path().join("filler")).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.0.path()).status();
    }
}

/// SQLite rolls back automatically when the disk is full. A connection that then cannot be rolled back is not used
/// again.
#[tokio::test]
async fn after_a_full_disk_has_space_again_the_next_write_works() {
    let Some(disk) = SmallDisk::new(3) else { return };
    let store = support::sqlite(disk.0.path()).await;
    book(&store).await;
    disk.fill();
    let mut failed = None;
    // Writes succeed until the WAL is full; then they fail.
    for number in 0..2_000 {
        let wrote = async {
            let mut transaction = store.begin().await?;
            for _ in 0..50 {
                transaction.append_audit(&AuditEntry::new(at(number), AuditAction::UserAdded)).await?;
            }
            transaction.commit().await
        };
        if let Err(error) = wrote.await {
            failed = Some(error);
            break;
        }
    }
    let failed = failed.expect("the disk is full");
    assert_eq!(failed.to_string(), "database error: the disk is full", "{failed:?}");
    assert!(store.get_appointment(appointment_id(10)).await.unwrap().is_some(), "reads still work");
    disk.empty();
    store.check_writable().await.unwrap();
    let mut transaction = store.begin().await.unwrap();
    transaction.append_audit(&AuditEntry::new(at(1), AuditAction::UserAdded)).await.unwrap();
    transaction.commit().await.unwrap();
    store.check_contents().await.unwrap();
    store.close().await;
}

#[tokio::test]
async fn what_storage_failed_with_is_named() {
    let directory = TempDir::new().unwrap();
    let store = support::sqlite(directory.path()).await;
    store.close().await;
    let file = directory.path().join("bedside.db");
    let mut bytes = std::fs::read(&file).unwrap();
    let last_page = bytes.len() - 4_096;
    bytes[last_page..].fill(0x5a);
    std::fs::write(&file, bytes).unwrap();
    let store = SqliteStore::open(&file).await.unwrap();
    let failed = store.check_contents().await.unwrap_err();
    assert_eq!(failed.to_string(), "database error: the database file is damaged");
    assert!(matches!(failed, StoreError::Unavailable { fault: StorageFault::Damaged, .. }));
}

#[cfg(unix)]
#[tokio::test]
async fn a_database_that_others_could_read_is_made_private() {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = TempDir::new().unwrap();
    let store = support::sqlite(directory.path()).await;
    store.close().await;
    let file = directory.path().join("bedside.db");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let store = support::sqlite(directory.path()).await;
    book(&store).await;
    for name in ["bedside.db", "bedside.db-wal"] {
        let mode = directory.path().join(name).metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

/// Two processes that start for the first time at the same time.
#[tokio::test]
async fn migrations_of_two_programs_wait_for_each_other() {
    for _ in 0..5 {
        let directory = TempDir::new().unwrap();
        let file = directory.path().join("bedside.db");
        let (one, two) = (SqliteStore::open(&file).await.unwrap(), SqliteStore::open(&file).await.unwrap());
        let (first, second) = tokio::join!(one.migrate(), two.migrate());
        first.unwrap();
        second.unwrap();
        assert_eq!(two.pending_migrations().await.unwrap(), 0);
    }
}

#[tokio::test]
async fn a_reopened_database_has_everything() {
    let directory = TempDir::new().unwrap();
    let store = support::sqlite(directory.path()).await;
    book(&store).await;
    store.close().await;
    assert!(!directory.path().join("bedside.db-wal").exists());

    let store = support::opened(directory.path(), keyring(1, None)).await;
    assert_eq!(store.pending_migrations().await.unwrap(), 0);
    assert_eq!(store.get_appointment(appointment_id(10)).await.unwrap(), Some(Guarded::new(appointment())));
}

#[tokio::test]
async fn a_database_that_was_not_closed_has_what_was_committed() {
    let directory = TempDir::new().unwrap();
    let store = support::sqlite(directory.path()).await;
    book(&store).await;
    let mut transaction = store.begin().await.unwrap();
    transaction.insert_session(&session(1, 1)).await.unwrap();

    // The files as a crash at this point would leave them.
    let crashed = TempDir::new().unwrap();
    for file in ["bedside.db", "bedside.db-wal"] {
        std::fs::copy(directory.path().join(file), crashed.path().join(file)).unwrap();
    }
    let store = support::sqlite(crashed.path()).await;
    assert_eq!(store.get_appointment(appointment_id(10)).await.unwrap(), Some(Guarded::new(appointment())));
    assert_eq!(store.get_session(&session(1, 1).token_hash).await.unwrap(), None);
}

/// Deletes the text and its data key, so that any remains stay encrypted.
#[tokio::test]
async fn what_is_forgotten_is_not_in_the_file_any_more() {
    let directory = TempDir::new().unwrap();
    let store = support::sqlite(directory.path()).await;
    book(&store).await;
    write(&store, "it hurts behind the left knee").await;
    let mut shell = shell(directory.path()).await;
    let mut kept = Vec::new();
    for statement in [
        "SELECT text FROM messages",
        "SELECT reason FROM appointments",
        "SELECT wrapped FROM data_keys k JOIN appointments a ON a.id = k.owner",
    ] {
        kept.push(sqlx::query_scalar::<_, Vec<u8>>(statement).fetch_one(&mut shell).await.unwrap());
    }
    sqlx::Connection::close(shell).await.unwrap();
    assert!(kept.iter().all(|bytes| is_in_files(directory.path(), bytes)));
    let mut transaction = store.begin().await.unwrap();
    assert!(transaction.forget_appointment(appointment_id(10), at(90)).await.unwrap());
    transaction.commit().await.unwrap();
    store.close().await;
    assert!(!kept.iter().any(|bytes| is_in_files(directory.path(), bytes)));
}

/// Writes a message from Ada in visit 20.
async fn write(store: &dyn Store, text: &str) {
    let mut transaction = store.begin().await.unwrap();
    transaction.save_visit(&visit(20, VisitPhase::Planned)).await.unwrap();
    let message = ChatMessage { number: 1, from: user_id(1), at: at(21), text: text.to_owned().try_into().unwrap() };
    transaction.insert_message(visit_id(20), &message).await.unwrap();
    transaction.commit().await.unwrap();
}

/// Returns whether any file of the database contains these bytes.
fn is_in_files(directory: &Path, wanted: &[u8]) -> bool {
    let files = ["bedside.db", "bedside.db-wal", "bedside.db-shm"];
    files.iter().any(|name| {
        let bytes = std::fs::read(directory.join(name)).unwrap_or_default();
        bytes.windows(wanted.len()).any(|window| window == wanted)
    })
}

#[tokio::test]
async fn migrating_twice_changes_nothing() {
    let directory = TempDir::new().unwrap();
    let store = support::opened(directory.path(), keyring(1, None)).await;
    assert!(store.pending_migrations().await.unwrap() > 0);
    assert!(store.count_users().await.is_err(), "opening does not migrate");
    store.migrate().await.unwrap();
    assert_eq!(store.pending_migrations().await.unwrap(), 0);
    book(&store).await;
    store.migrate().await.unwrap();
    assert_eq!(store.count_users().await.unwrap(), 2);
}

#[tokio::test]
async fn a_newer_database_is_refused() {
    let directory = TempDir::new().unwrap();
    let store = support::sqlite(directory.path()).await;
    let mut shell = shell(directory.path()).await;
    run(
        &mut shell,
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
                     VALUES (9999, 'from the future', 1, x'00', 0)",
    )
    .await
    .unwrap();

    let reopened = SqliteStore::open(&directory.path().join("bedside.db")).await;
    for refused in [reopened.map(drop), store.migrate().await, store.pending_migrations().await.map(drop)] {
        let error = refused.unwrap_err();
        assert!(matches!(error, StoreError::Newer { database: 9999, .. }), "{error}");
        assert!(error.to_string().starts_with("the database has version 9999, but this program knows only"), "{error}");
    }
}

#[tokio::test]
async fn an_altered_migration_is_refused() {
    let directory = TempDir::new().unwrap();
    let store = support::sqlite(directory.path()).await;
    run(&mut shell(directory.path()).await, "UPDATE _sqlx_migrations SET checksum = x'00'").await.unwrap();
    assert!(matches!(store.migrate().await, Err(StoreError::Migration(_))));
}

#[tokio::test]
async fn a_migration_that_fails_is_undone() {
    let directory = TempDir::new().unwrap();
    let store = SqliteStore::open(&directory.path().join("bedside.db")).await.unwrap();
    let mut shell = shell(directory.path()).await;
    run(&mut shell, "CREATE TABLE users (id TEXT)").await.unwrap();
    assert!(matches!(store.migrate().await, Err(StoreError::Migration(_))));
    assert!(run(&mut shell, "SELECT 1 FROM appointments").await.is_err());
}

/// Migrates a database of the first release with its visits.
#[tokio::test]
async fn a_database_of_the_first_release_is_brought_up_to_date() {
    let directory = TempDir::new().unwrap();
    let first = directory.path().join("0001_initial.sql");
    std::fs::write(&first, include_str!("../migrations/sqlite/0001_initial.sql")).unwrap();
    let migrator = sqlx::migrate::Migrator::new(directory.path()).await.unwrap();
    let store = support::opened(directory.path(), keyring(1, None)).await;
    let mut shell = shell(directory.path()).await;
    migrator.run(&mut shell).await.unwrap();
    let (visit_id, patient, provider) = (support::visit_id(20), user_id(1), user_id(2));
    let rows = format!(
        "INSERT INTO users (id, name, created_at) VALUES ('{patient}', 'Ada', 0), ('{provider}', 'Grace', 0);
         INSERT INTO appointments
             (id, start_at, duration_minutes, kind, status, patient_id, provider_id, created_at)
             VALUES ('{0}', 0, 30, 'Visit', 'booked', '{patient}', '{provider}', 0);
         INSERT INTO visits (sequence, id, appointment_id, phase, started_at) VALUES (7, '{visit_id}', '{0}', 'started', 5);
         INSERT INTO participants VALUES ('{visit_id}', '{patient}', 'patient', 4, NULL, 0, 1);",
        appointment_id(10)
    );
    run(&mut shell, sqlx::AssertSqlSafe(rows)).await.unwrap();

    store.migrate().await.unwrap();
    let booked = store.get_appointment(appointment_id(10)).await.unwrap().unwrap().unseal_for(OwnWork::Operator);
    assert_eq!(booked.backend, CallBackend::Embedded);
    let visits = store.list_started_visits().await.unwrap();
    assert_eq!(visits.len(), 1);
    assert_eq!((visits[0].id, visits[0].ring_until), (visit_id, None));
    let seat = &visits[0].participants[0];
    assert_eq!(
        (seat.user, seat.entered, seat.microphone, seat.camera),
        (patient, Some(Timestamp::from_millis(4)), false, true)
    );
    let next: i64 = sqlx::query_scalar("SELECT seq FROM sqlite_sequence WHERE name = 'visits'")
        .fetch_one(&mut shell)
        .await
        .unwrap();
    assert_eq!(next, 7, "the order of visits continues");
    let broken: i64 =
        sqlx::query_scalar("SELECT count(*) FROM pragma_foreign_key_check").fetch_one(&mut shell).await.unwrap();
    assert_eq!(broken, 0);
}

#[tokio::test]
async fn a_file_that_cannot_be_opened_is_named_with_the_reason() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("file");
    std::fs::write(&file, "This is a text and not a database. ".repeat(40)).unwrap();
    for (path, reason) in [
        (directory.path().join("missing/bedside.db"), "its directory does not exist"),
        (directory.path().to_owned(), "it is a directory"),
        (file.join("bedside.db"), "a part of the path is not a directory"),
        (file, "it is not a database"),
    ] {
        let error = SqliteStore::open(&path).await.unwrap_err();
        assert_eq!(error.to_string(), format!("cannot open the database {}: {reason}", path.display()));
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_directory_without_permission_is_named() {
    use std::os::unix::fs::PermissionsExt;

    let directory = TempDir::new().unwrap();
    std::fs::set_permissions(directory.path(), PermissionsExt::from_mode(0o555)).unwrap();
    let path = directory.path().join("bedside.db");
    // Root can write anywhere, so there is nothing to test.
    if std::fs::write(directory.path().join("probe"), "").is_err() {
        let error = SqliteStore::open(&path).await.unwrap_err();
        assert_eq!(error.to_string(), format!("cannot open the database {}: permission denied", path.display()));
    }
}

#[cfg(unix)]
#[tokio::test]
async fn only_its_owner_may_read_a_new_database() {
    use std::os::unix::fs::PermissionsExt;

    let directory = TempDir::new().unwrap();
    let store = support::sqlite(directory.path()).await;
    book(&store).await;
    for file in std::fs::read_dir(directory.path()).unwrap() {
        let file = file.unwrap();
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", file.file_name());
    }
}

#[tokio::test]
async fn the_audit_log_is_append_only() {
    let directory = TempDir::new().unwrap();
    let store = support::sqlite(directory.path()).await;
    let mut transaction = store.begin().await.unwrap();
    transaction.append_audit(&AuditEntry::new(at(1), AuditAction::SignedIn)).await.unwrap();
    transaction.commit().await.unwrap();
    let before = store.list_audit(0, 10).await.unwrap();

    let mut shell = shell(directory.path()).await;
    for statement in [
        "UPDATE audit SET at = 0",
        "DELETE FROM audit",
        "INSERT OR REPLACE INTO audit (sequence, at, action) VALUES (1, 0, 'x')",
    ] {
        let error = run(&mut shell, statement).await.unwrap_err();
        assert!(error.contains("append-only"), "{error}");
    }
    assert_eq!(store.list_audit(0, 10).await.unwrap(), before);
}

/// A process with write access to the file can drop the triggers. The hash chain detects changes.
#[tokio::test]
async fn what_is_done_to_the_audit_log_behind_the_programs_back_shows() {
    for (statement, fault) in [
        ("UPDATE audit SET detail = 'x' WHERE sequence = 2", Some(ChainFault::Altered(2))),
        ("UPDATE audit SET actor = NULL WHERE sequence = 3", Some(ChainFault::Altered(3))),
        ("UPDATE audit SET subject = NULL WHERE sequence = 2", Some(ChainFault::Altered(2))),
        ("UPDATE audit SET subject = actor WHERE sequence = 4", Some(ChainFault::Altered(4))),
        ("UPDATE audit SET detail = subject, subject = NULL WHERE sequence = 4", Some(ChainFault::Altered(4))),
        ("UPDATE audit SET hash = zeroblob(32) WHERE sequence = 3", Some(ChainFault::Altered(3))),
        ("UPDATE audit SET hash = NULL WHERE sequence = 3", Some(ChainFault::Unsealed(3))),
        ("DELETE FROM audit WHERE sequence = 2", Some(ChainFault::Missing(2))),
        ("DELETE FROM audit", Some(ChainFault::Missing(1))),
        ("DELETE FROM audit WHERE sequence = 4", Some(ChainFault::Missing(4))),
        ("SELECT 1", None),
    ] {
        let directory = TempDir::new().unwrap();
        let store = support::sqlite(directory.path()).await;
        let write = async |count| {
            let mut transaction = store.begin().await.unwrap();
            for _ in 0..count {
                let entry = AuditEntry::new(at(1), AuditAction::UserDisabled).by(user_id(2)).about(user_id(1));
                transaction.append_audit(&entry).await.unwrap();
            }
            transaction.commit().await.unwrap();
        };
        write(4).await;
        let mut shell = shell(directory.path()).await;
        run(&mut shell, "DROP TRIGGER audit_is_not_updated; DROP TRIGGER audit_is_not_deleted").await.unwrap();
        run(&mut shell, statement).await.unwrap();
        // The server continues to write.
        write(1).await;
        let mut chain = Chain::default();
        let lines = store.list_audit(0, 10).await.unwrap();
        assert_eq!(lines.iter().try_for_each(|line| chain.take(line)).err(), fault, "{statement}");
    }
}

/// Rows written by a version that recorded no subjects, with their hashes.
const BEFORE_SUBJECTS: &str = "\
    INSERT INTO audit (sequence, at, actor, action, appointment_id, visit_id, detail, hash) VALUES
        (1, 1790000001000, NULL, 'user.added', NULL, NULL, 'operator',
            x'b7dea8f513e0d299b687abe75e26ff464e0affaf81f0b52b903b5c1a9247a69a'),
        (2, 1790000002000, '00000000-0000-0000-0000-000000000002', 'session.signed_in', NULL, NULL, NULL,
            x'd8bcfa28e96c26b39f1ec367d7b50a2ee2c5995563fc506321fa21692670a4db'),
        (3, 1790000003000, '00000000-0000-0000-0000-000000000002', 'visit.started',
            '00000000-0000-0000-0000-00000000000a', '00000000-0000-0000-0000-000000000014', NULL,
            x'3e78f77dd08ed42af1f7e714524ca35295dff96b77aeb9d2476dce6142586d43'),
        (4, 1790000004000, '00000000-0000-0000-0000-000000000001', 'access.denied',
            '00000000-0000-0000-0000-000000000063', NULL, 'not_found',
            x'585bfe7157da2c39f45b94193cdbdd8f5eb5c179de4a0e40c38a108c61b72f5e');";

/// Rows from an earlier version are valid, are continued, and are protected from changes.
#[tokio::test]
async fn an_audit_log_from_before_there_were_subjects_goes_on() {
    for (statement, fault) in [
        ("SELECT 1", None),
        (
            "UPDATE audit SET subject = '00000000-0000-0000-0000-000000000001' WHERE sequence = 2",
            Some(ChainFault::Altered(2)),
        ),
        ("UPDATE audit SET actor = NULL WHERE sequence = 3", Some(ChainFault::Altered(3))),
        ("UPDATE audit SET subject = NULL WHERE sequence = 5", Some(ChainFault::Altered(5))),
        (
            "UPDATE audit SET client = '00000000-0000-0000-0000-00000000000a' WHERE sequence = 2",
            Some(ChainFault::Altered(2)),
        ),
        ("UPDATE audit SET on_behalf_of = NULL WHERE sequence = 5", Some(ChainFault::Altered(5))),
    ] {
        let (directory, before) = (TempDir::new().unwrap(), TempDir::new().unwrap());
        let migrations = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations/sqlite")).unwrap();
        for path in migrations.map(|entry| entry.unwrap().path()) {
            let name = path.file_name().unwrap().to_str().unwrap();
            if name < "0013" {
                std::fs::copy(&path, before.path().join(name)).unwrap();
            }
        }
        let store = support::opened(directory.path(), keyring(1, None)).await;
        let mut shell = shell(directory.path()).await;
        sqlx::migrate::Migrator::new(before.path()).await.unwrap().run(&mut shell).await.unwrap();
        run(&mut shell, BEFORE_SUBJECTS).await.unwrap();
        store.migrate().await.unwrap();
        let mut transaction = store.begin().await.unwrap();
        let actor = Actor {
            user: user_id(2),
            client: Some(Uuid::from_u128(10)),
            on_behalf_of: Some(user_id(3)),
            link_made_by: None,
        };
        let entry = AuditEntry::new(at(5), AuditAction::UserDisabled).by(actor).about(user_id(1));
        transaction.append_audit(&entry).await.unwrap();
        transaction.commit().await.unwrap();

        run(&mut shell, "DROP TRIGGER audit_is_not_updated").await.unwrap();
        run(&mut shell, statement).await.unwrap();
        let (mut chain, lines) = (Chain::default(), store.list_audit(0, 10).await.unwrap());
        assert_eq!(lines.iter().try_for_each(|line| chain.take(line)).err(), fault, "{statement}");
        assert_eq!(lines.len(), 5);
    }
}

#[tokio::test]
async fn the_database_itself_keeps_the_rules() {
    let directory = TempDir::new().unwrap();
    let store = support::sqlite(directory.path()).await;
    book(&store).await;
    let mut transaction = store.begin().await.unwrap();
    transaction.save_visit(&visit(20, VisitPhase::Planned)).await.unwrap();
    transaction.commit().await.unwrap();

    let mut shell = shell(directory.path()).await;
    for (statement, rule) in [
        ("UPDATE appointments SET patient_id = provider_id", "patient_is_not_the_provider"),
        ("UPDATE appointments SET duration_minutes = 4", "duration_is_5_to_1440_minutes"),
        ("UPDATE appointments SET status = 'lost'", "appointment_status_is_known"),
        ("UPDATE appointments SET start_at = 'soon'", "cannot store TEXT value"),
        ("UPDATE visits SET ended_at = 1", "visit_phase_has_its_moments"),
        ("UPDATE participants SET camera = 2", "camera_is_a_flag"),
        ("UPDATE users SET birth_date = '1980-02-29'", "cannot store TEXT value"),
        ("UPDATE users SET name = x'416461'", "name_is_sealed"),
        ("DELETE FROM users", "FOREIGN KEY"),
        ("DELETE FROM visits", "FOREIGN KEY"),
        (
            "INSERT INTO visits (id, appointment_id, phase)
             SELECT 'ffffffff-ffff-ffff-ffff-ffffffffffff', appointment_id, 'planned' FROM visits",
            "UNIQUE constraint failed: visits.appointment_id",
        ),
    ] {
        let error = run(&mut shell, statement).await.unwrap_err();
        assert!(error.contains(rule), "{statement}: {error}");
    }
}

#[tokio::test]
async fn references_must_exist() {
    let directory = TempDir::new().unwrap();
    let store = support::sqlite(directory.path()).await;
    let mut transaction = store.begin().await.unwrap();
    for refused in [
        transaction.insert_session(&session(1, 1)).await,
        transaction.save_visit(&visit(20, VisitPhase::Planned)).await,
        transaction.insert_appointment(&appointment(), at(0)).await,
    ] {
        assert!(matches!(refused, Err(StoreError::Conflict(Conflict::MissingReference))));
    }
}

#[tokio::test]
async fn an_unreadable_row_is_named_without_its_value() {
    let directory = TempDir::new().unwrap();
    let store = support::sqlite(directory.path()).await;
    book(&store).await;
    let mut shell = shell(directory.path()).await;
    run(&mut shell, "UPDATE users SET birth_date = zeroblob(50) WHERE birth_date IS NOT NULL").await.unwrap();
    for error in
        [store.get_person(user_id(1)).await.unwrap_err(), store.get_appointment(appointment_id(10)).await.unwrap_err()]
    {
        assert_eq!(error.to_string(), "the database holds an unreadable value in users.birth_date");
        assert!(!format!("{error:?}").contains("1980"));
    }
}

#[tokio::test]
async fn writers_take_turns_and_readers_do_not_wait() {
    let directory = TempDir::new().unwrap();
    let store: Arc<dyn Store> = Arc::new(support::sqlite(directory.path()).await);
    book(&*store).await;
    let writers: Vec<_> = (0..20)
        .map(|number| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                let mut transaction = store.begin().await.unwrap();
                transaction.insert_session(&session(number, 1)).await.unwrap();
                assert_eq!(store.count_users().await.unwrap(), 2);
                transaction.commit().await.unwrap();
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    let mut transaction = store.begin().await.unwrap();
    assert_eq!(transaction.delete_sessions_of(user_id(1)).await.unwrap(), 20);
}

#[tokio::test]
async fn of_two_that_use_a_link_at_once_one_succeeds() {
    let directory = TempDir::new().unwrap();
    let store: Arc<dyn Store> = Arc::new(support::sqlite(directory.path()).await);
    book(&*store).await;
    let mut transaction = store.begin().await.unwrap();
    let invite = bedside_store::Invite::new(
        invite_hash(1),
        appointment_id(10),
        (user_id(1), bedside_visit::Role::Patient),
        at(0),
        at(500),
    );
    transaction.insert_invite(&invite).await.unwrap();
    transaction.commit().await.unwrap();

    let attempts: Vec<_> = (0..8)
        .map(|number| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                let mut transaction = store.begin().await.unwrap();
                let session = session(number, 1).token_hash;
                let used = transaction.use_invite(&invite_hash(1), &session, at(1)).await.unwrap();
                transaction.commit().await.unwrap();
                used
            })
        })
        .collect();
    let mut successes = 0;
    for attempt in attempts {
        successes += usize::from(attempt.await.unwrap());
    }
    assert_eq!(successes, 1);
}

#[tokio::test]
async fn an_abandoned_transaction_lets_the_next_one_begin() {
    let directory = TempDir::new().unwrap();
    let store = support::sqlite(directory.path()).await;
    book(&store).await;
    for number in 0..50 {
        let mut transaction = store.begin().await.unwrap();
        // Cancelled in the middle of a statement, as when a client disconnects.
        let session = session(number, 1);
        let insert = transaction.insert_session(&session);
        let _ = tokio::time::timeout(std::time::Duration::ZERO, insert).await;
    }
    let mut transaction = store.begin().await.unwrap();
    assert_eq!(transaction.delete_sessions_of(user_id(1)).await.unwrap(), 0);
}

#[tokio::test]
async fn another_programs_lock_is_waited_for_then_busy() {
    let directory = TempDir::new().unwrap();
    let store = support::sqlite(directory.path()).await;
    let mut shell = shell(directory.path()).await;
    run(&mut shell, "BEGIN IMMEDIATE").await.unwrap();
    assert!(matches!(store.begin().await, Err(StoreError::Busy)));
    assert_eq!(store.statistics().busy, 1);
    run(&mut shell, "ROLLBACK").await.unwrap();
    assert!(store.begin().await.is_ok());
}

#[tokio::test]
async fn nothing_secret_is_printed() {
    let directory = TempDir::new().unwrap();
    let store = support::sqlite(directory.path()).await;
    book(&store).await;
    let account = store.get_account(&provider().email.unwrap()).await.unwrap().unwrap();
    let invite = bedside_store::Invite {
        used: Some((at(1), session(77, 1).token_hash)),
        ..bedside_store::Invite::new(
            invite_hash(77),
            appointment_id(10),
            (user_id(1), bedside_visit::Role::Patient),
            at(0),
            at(500),
        )
    };
    let printed = format!(
        "{store:?} {:?} {:?} {account:?} {:?} {invite:?} {:?}",
        patient(),
        provider(),
        session(77, 1),
        store.get_appointment(appointment_id(10)).await.unwrap()
    );
    for secret in ["argon2id", "ada@", "Zofia", "O'Neill", "1980", "itches", "77, 77"] {
        assert!(!printed.contains(secret), "{secret} in {printed}");
    }
}

/// Earlier versions stored a domain as typed. Since domains are normalized, such an address no longer matched at sign-in.
#[tokio::test]
async fn addresses_of_earlier_versions_get_the_form_that_is_looked_for() {
    let directory = TempDir::new().unwrap();
    let store = support::sqlite(directory.path()).await;
    let mut shell = shell(directory.path()).await;
    let mut transaction = store.begin().await.unwrap();
    for number in 1..=4 {
        let mut user = support::patient();
        (user.person.id, user.email) = (user_id(number), None);
        transaction.insert_user(&user, at(u64::try_from(number).unwrap())).await.unwrap();
    }
    transaction.commit().await.unwrap();
    let kelvin = "\u{212a}ate@example.org";
    for (number, email) in
        [(1, "ada@m\u{fc}ller.example"), (2, "Ada@M\u{fc}LLER.example"), (3, kelvin), (4, "grace@example.org")]
    {
        sqlx::query("UPDATE users SET email = ? WHERE id = ?")
            .bind(email)
            .bind(user_id(number).to_string())
            .execute(&mut shell)
            .await
            .unwrap();
    }
    for _ in 0..2 {
        store.migrate().await.unwrap();
        let found = store.get_account(&"ada@m\u{fc}ller.example".parse().unwrap()).await.unwrap();
        assert_eq!(found.map(|account| account.user), Some(user_id(1)), "the older account of the two");
        let listed = store.list_people().await.unwrap();
        let address = |number| {
            let one = listed.iter().find(|one| one.person.id == user_id(number)).unwrap();
            one.email.as_ref().unwrap().reveal().to_owned()
        };
        assert_eq!(address(1), "ada@xn--mller-kva.example");
        assert_eq!(address(2), "Ada@M\u{fc}LLER.example", "the normalized address is taken by the first");
        assert_eq!(address(3), kelvin, "no longer a valid address, but still listed");
        assert_eq!(address(4), "grace@example.org");
    }
}
