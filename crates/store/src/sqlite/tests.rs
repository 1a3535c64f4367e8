//! Tests of what is not visible through the trait: connection settings and query plans.

use sqlx::sqlite::SqliteConnection;
use tempfile::TempDir;

use super::SqliteStore;
use super::open::READERS;
use crate::Store;

async fn store(directory: &TempDir) -> SqliteStore {
    let store = SqliteStore::open(&directory.path().join("bedside.db")).await.unwrap();
    store.migrate().await.unwrap();
    store
}

#[tokio::test]
async fn every_connection_is_durable_and_checks_references() {
    let directory = TempDir::new().unwrap();
    let store = store(&directory).await;

    let mut connections = vec![store.writer.acquire().await.unwrap()];
    for _ in 0..READERS {
        connections.push(store.readers.acquire().await.unwrap());
    }
    for (index, connection) in connections.iter_mut().enumerate() {
        let journal: String = sqlx::query_scalar("PRAGMA journal_mode").fetch_one(&mut **connection).await.unwrap();
        assert_eq!(journal, "wal");
        // 2 is FULL.
        assert_eq!(setting(connection, "PRAGMA synchronous").await, 2);
        assert_eq!(setting(connection, "PRAGMA foreign_keys").await, 1);
        assert_eq!(setting(connection, "PRAGMA busy_timeout").await, 5000);
        assert_eq!(setting(connection, "PRAGMA query_only").await, i64::from(index > 0));
    }
}

#[tokio::test]
async fn readers_refuse_to_write() {
    let directory = TempDir::new().unwrap();
    let store = store(&directory).await;
    let mut reader = store.reader().await.unwrap();
    assert!(sqlx::query("DELETE FROM sessions").execute(&mut *reader).await.is_err());
}

#[tokio::test]
async fn nothing_that_grows_is_scanned() {
    let directory = TempDir::new().unwrap();
    let store = store(&directory).await;
    let mut reader = store.reader().await.unwrap();
    for statement in [
        "EXPLAIN QUERY PLAN SELECT id FROM appointments a
         WHERE ((a.patient_id = ?1 AND a.start_at >= ?2 AND a.start_at < ?3)
             OR (a.provider_id = ?1 AND a.start_at >= ?2 AND a.start_at < ?3))",
        "EXPLAIN QUERY PLAN SELECT v.id FROM visits v WHERE v.appointment_id = ? AND v.ended_at IS NULL",
        "EXPLAIN QUERY PLAN SELECT max(sequence) FROM visits WHERE appointment_id = ?",
        "EXPLAIN QUERY PLAN SELECT id FROM visits v WHERE v.phase = 'started' ORDER BY v.sequence",
        "EXPLAIN QUERY PLAN SELECT user_id FROM sessions WHERE expires_at <= ?",
        "EXPLAIN QUERY PLAN SELECT used_at FROM invites WHERE session_hash = ?",
        "EXPLAIN QUERY PLAN SELECT name FROM passkeys WHERE user_id = ?",
        "EXPLAIN QUERY PLAN SELECT subject FROM provider_links WHERE user_id = ? AND issuer = ?",
        "EXPLAIN QUERY PLAN DELETE FROM password_resets WHERE user_id = ?",
    ] {
        let plan: Vec<(i64, i64, i64, String)> = sqlx::query_as(statement).fetch_all(&mut *reader).await.unwrap();
        for (_, _, _, step) in plan {
            // Scanning a partial index that contains only the wanted rows is fine.
            assert!(!step.starts_with("SCAN") || step.contains("started_visits"), "{statement}: {step}");
        }
    }
}

async fn setting(connection: &mut SqliteConnection, pragma: &'static str) -> i64 {
    sqlx::query_scalar(pragma).fetch_one(connection).await.unwrap()
}
