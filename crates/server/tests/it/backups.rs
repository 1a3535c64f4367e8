//! `bedside backup` and `bedside restore`: a backup while the program is running, and its restore.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;

use crate::desk::{Desk, Serving, free_port};
use crate::health::SmallDisk;
use crate::support::{Client, PASSWORD};

/// Returns the actions in the audit log, in order.
fn actions(desk: &Desk) -> Vec<String> {
    let out = desk.run(&["audit", "export"]).worked();
    let line =
        |line: &str| serde_json::from_str::<Value>(line).expect("JSON")["action"].as_str().expect("a code").to_owned();
    out.lines().map(line).collect()
}

/// Runs and stops the program, which writes a signed head.
fn serve(desk: &Desk) {
    Serving::start(desk, &["serve"], free_port()).terminate();
}

#[tokio::test]
async fn a_backup_of_a_running_program_is_restored_whole_and_ends_all_sessions() {
    let desk = Desk::new();
    desk.add_user("Grace Hopper", "grace@example.org");
    let port = free_port();
    let serving = Serving::start(&desk, &["serve"], port);
    let grace = Client::new(&serving);
    assert_eq!(grace.try_sign_in("grace@example.org", PASSWORD).await.status, 303);
    assert_eq!(grace.get("/account").await.status, 200);
    let said = desk.run(&["backup", "copy"]).worked();
    assert!(
        said.contains("audit log verified up to line 2") && said.contains("the key files are not included"),
        "{said}"
    );
    assert!(desk.run(&["backup", "copy"]).refused().contains("already exists"));
    for entry in fs::read_dir(desk.path("copy")).expect("a folder") {
        let file = entry.expect("an entry").path();
        assert_eq!(file.metadata().expect("there").permissions().mode() & 0o777, 0o600, "{file:?}");
        assert!(!file.ends_with("bedside.key"), "the backup does not contain the key");
    }
    // After the backup, one user is disabled and one is added.
    desk.run(&["user", "disable", "grace@example.org"]).worked();
    desk.add_user("Ada Lovelace", "ada@example.org");
    let refused = desk.run(&["restore", "copy"]).refused();
    assert!(refused.contains("another Bedside process uses this database"), "{refused}");
    serving.terminate();
    let lines = actions(&desk).len();
    assert_eq!(lines, 4);

    let said = desk.run(&["restore", "copy"]).worked();
    assert!(said.contains("2 later audit log lines are known"), "{said}");
    assert!(said.contains("1 sessions were ended"), "{said}");
    assert_eq!(actions(&desk), ["user.added", "session.signed_in", "database.restored"]);
    let verified = desk.run(&["audit", "verify"]).worked();
    assert!(verified.contains("line 3: the database was restored from a backup; 2 lines"), "{verified}");
    let serving = Serving::start(&desk, &["serve"], port);
    let again = Client::new(&serving);
    for (name, value) in grace.cookies() {
        again.set_cookie(&name, &value);
    }
    assert_eq!(again.get("/account").await.status, 303, "an old session is not valid again");
    let grace = Client::new(&serving);
    assert_eq!(grace.try_sign_in("grace@example.org", PASSWORD).await.status, 303);
    serving.terminate();
    // New lines exceed the old ones, and the earlier heads are still explained.
    for number in 0..3 {
        desk.add_user("Someone", &format!("user{number}@example.org"));
        serve(&desk);
    }
    let verified = desk.run(&["audit", "verify"]).worked();
    assert!(verified.contains("signed heads are of lines that a restore removed"), "{verified}");
    let kept: Vec<_> =
        fs::read_dir(desk.path("data")).expect("a folder").map(|file| file.expect("one").file_name()).collect();
    assert!(kept.iter().any(|name| name.to_string_lossy().starts_with("bedside.db.before-")), "{kept:?}");
}

#[test]
fn a_backup_with_its_keys_is_restored_on_a_new_machine_and_a_changed_one_is_not() {
    let desk = Desk::new();
    let id = desk.add_user("Grace Hopper", "grace@example.org");
    serve(&desk);
    desk.config("[clinic]\nname = 'Example Clinic'\n");
    desk.run(&["backup", "--config", "bedside.toml", "--with-keys", "copy"]).worked();
    let other = Desk::new();
    let copy = desk.path("copy");
    other.run(&["restore", &copy]).worked();
    assert_eq!(actions(&other), ["user.added", "database.restored"]);
    other.run(&["user", "disable", &id]).worked();
    other.run(&["audit", "verify"]).worked();

    let without = Desk::new();
    fs::remove_file(format!("{copy}/bedside.key")).expect("removed");
    let said = without.run(&["restore", &copy]).refused();
    assert!(said.contains("bedside.key"), "{said}");
    assert!(!Path::new(&without.path("data/bedside.db")).exists());
    let manifest = format!("{copy}/manifest.json");
    fs::write(format!("{copy}/bedside.heads"), "nothing").expect("written");
    let without_key = fs::read_to_string(&manifest).expect("read");
    let mut parsed: Value = serde_json::from_str(&without_key).expect("JSON");
    parsed["files"].as_object_mut().expect("files").remove("bedside.key");
    fs::write(&manifest, parsed.to_string()).expect("written");
    let said = other.run(&["restore", &copy]).refused();
    assert!(said.contains("bedside.heads has changed since the backup was made"), "{said}");
    fs::remove_file(&manifest).expect("removed");
    assert!(other.run(&["restore", &copy]).refused().contains("is not a complete backup"));
    assert_eq!(actions(&other).len(), 3, "the database is unchanged");
}

/// A restore is killed at any moment: the database is either the old one or the one from the backup, complete and
/// unmixed.
#[test]
fn a_restore_that_is_killed_leaves_the_old_database_or_the_new_one() {
    let desk = Desk::new();
    desk.add_user("Grace Hopper", "grace@example.org");
    desk.run(&["backup", "copy"]).worked();
    for moment in [4, 9, 16, 25, 36, 49, 64, 81, 100] {
        let before = actions(&desk);
        let mut restoring =
            desk.command(&["restore", "copy"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it runs");
        std::thread::sleep(Duration::from_millis(moment));
        let _ = restoring.kill();
        restoring.wait().expect("it ends");
        let after = actions(&desk);
        let restored = ["user.added", "database.restored"];
        assert!(after == before || after == restored, "{moment}: {before:?} {after:?}");
        desk.run(&["audit", "verify", "--heads", "/dev/null"]).worked();
        desk.add_user("Someone", &format!("user{moment}@example.org"));
    }
    desk.run(&["restore", "copy"]).worked();
    assert_eq!(actions(&desk), ["user.added", "database.restored"]);
}

/// A newer write-ahead log lies beside the database, as after a crash.
#[test]
fn the_log_of_another_database_is_never_mixed_with_a_restored_one() {
    let desk = Desk::new();
    desk.add_user("Grace Hopper", "grace@example.org");
    desk.run(&["backup", "copy"]).worked();
    for round in 0..3 {
        let serving = Serving::start(&desk, &["serve"], free_port());
        for number in 0..4 {
            desk.add_user("Someone", &format!("user{round}-{number}@example.org"));
        }
        serving.kill();
        assert!(
            fs::metadata(desk.path("data/bedside.db-wal")).is_ok_and(|log| log.len() > 0),
            "a write-ahead log is left, as after a crash"
        );
        desk.run(&["restore", "copy"]).worked();
        assert_eq!(actions(&desk), ["user.added", "database.restored"]);
        serve(&desk);
        desk.run(&["audit", "verify"]).worked();
    }
}

/// An older database file was copied by hand, against the manual, beside a newer log that does not belong to it.
#[test]
fn a_damaged_database_is_refused_at_the_start() {
    let desk = Desk::new();
    desk.add_user("Grace Hopper", "grace@example.org");
    let serving = Serving::start(&desk, &["serve"], free_port());
    desk.add_user("Ada Lovelace", "ada@example.org");
    serving.kill();
    let database = desk.path("data/bedside.db");
    let mut bytes = fs::read(&database).expect("read");
    let half = bytes.len() / 2;
    bytes[half..half + 4_096].fill(0x5a);
    fs::write(&database, bytes).expect("written");
    let listen = format!("127.0.0.1:{}", free_port());
    let variables = [("BEDSIDE_SERVER__LISTEN", listen.as_str()), ("BEDSIDE_MEDIA__PORT", "0")];
    let said = desk.run_with(&["serve"], &variables).refused();
    assert!(said.contains("damaged") && said.contains("bedside restore"), "{said}");
}

/// The disk is full: no backup of that name is left, and the old database is unchanged.
#[test]
fn a_full_disk_leaves_no_half_backup_and_no_half_restore() {
    let desk = Desk::new();
    desk.add_user("Grace Hopper", "grace@example.org");
    desk.run(&["backup", "copy"]).worked();
    let Some(disk) = SmallDisk::new(1) else { return };
    disk.fill();
    let folder = disk.path().join("copy").display().to_string();
    desk.run(&["backup", &folder]).refused();
    assert!(!Path::new(&folder).exists());
    disk.empty();
    // A database on the small disk, which has no space for a second one.
    let path = disk.path().join("bedside.db").display().to_string();
    let variables = [("BEDSIDE_DATABASE__PATH", path.as_str())];
    desk.run_with(&["migrate"], &variables).worked();
    fs::copy(desk.path("data/bedside.key"), disk.path().join("bedside.key")).expect("copied");
    disk.fill();
    let before = fs::read(&path).expect("read");
    desk.run_with(&["restore", "copy"], &variables).refused();
    assert_eq!(fs::read(&path).expect("read"), before);
    disk.empty();
    desk.run_with(&["restore", "copy"], &variables).worked();
}

/// An older copy was restored by hand: at startup the program logs how many signed lines are missing.
#[tokio::test]
async fn an_older_database_is_told_from_its_signed_heads() {
    let desk = Desk::new();
    desk.add_user("Grace Hopper", "grace@example.org");
    serve(&desk);
    let earlier = fs::read(desk.path("data/bedside.db")).expect("read");
    for number in 0..3 {
        desk.add_user("Someone", &format!("user{number}@example.org"));
    }
    serve(&desk);
    fs::write(desk.path("data/bedside.db"), earlier).expect("written");
    let serving = Serving::start(&desk, &["serve"], free_port());
    let client = Client::new(&serving);
    let told = async {
        loop {
            let report = client.get("/healthz").await.json();
            if report["checks"]["audit_heads"]["detail"].as_str().is_some_and(|detail| detail.contains("3 lines")) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    crate::support::soon("the missing lines", told).await;
    serving.terminate();
}
