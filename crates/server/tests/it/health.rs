//! `/livez`, `/readyz` and `/healthz`: their responses during a failure and after recovery.

use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use bedside::config::Config;
use serde_json::Value;

use crate::support::{Client, PASSWORD, Server, raw, soon};

/// A separate disk of a few megabytes. `None` unless the test runs as root, because only root can mount one.
pub(crate) struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    #[allow(clippy::print_stderr, reason = "a test that is skipped says so")]
    pub(crate) fn new(megabytes: u32) -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let size = format!("size={megabytes}m");
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(folder.path()).status();
        let mounted = mount.is_ok_and(|status| status.success());
        if !mounted {
            eprintln!("SKIPPED: mounting a small disk needs root");
        }
        mounted.then_some(Self(folder))
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Fills the disk completely.
    pub(crate) fn fill(&self) {
        let mut file = std::fs::File::create(self.path().join("filler")).expect("a file");
        for size in [65_536, 4_096, 1] {
            while file.write_all(&vec![7; size]).is_ok() {}
        }
    }

    pub(crate) fn empty(&self) {
        std::fs::remove_file(self.path().join("filler")).expect("removed");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.path()).status();
    }
}

/// Returns the body once the response has this status. What is known of the store is up to a second old.
async fn until(client: &Client, path: &str, status: u16) -> String {
    soon(path, async {
        loop {
            let reply = client.get(path).await;
            if reply.status == status {
                return reply.body;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    })
    .await
}

async fn checks(client: &Client, status: u16) -> Value {
    serde_json::from_str(&until(client, "/healthz", status).await).expect("JSON")
}

#[tokio::test]
async fn health_details_are_shown_only_with_permission() {
    let server = Server::start().await;
    let client = server.client();
    let report = checks(&client, 200).await;
    for check in ["store", "media", "tasks", "audit_heads", "certificate"] {
        assert_eq!(report["checks"][check]["status"], "ok", "{report}");
    }
    assert!(report["checks"]["disk"]["free_bytes"].as_u64().is_some_and(|free| free > 0), "{report}");
    assert!(report["checks"]["media"]["running"].as_u64().is_some_and(|running| running > 0), "{report}");
    // A request forwarded by a proxy does not come from this machine.
    let other = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: 192.0.2.1\r\nConnection: close\r\n\r\n";
    let answer = raw(&server, other).await;
    let word = report["status"].as_str().expect("a word");
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with(&format!("\r\n\r\n{word}\n")), "{answer}");
    server.stop().await;
}

/// The disk is temporarily full: this is reported, and ends as soon as there is space.
#[tokio::test]
async fn a_full_disk_is_reported_and_the_program_recovers() {
    let Some(disk) = SmallDisk::new(24) else { return };
    let on_disk = |config: &mut Config| config.database.path = disk.path().join("bedside.db");
    let server = Server::start_with(on_disk).await;
    let client = server.client();
    assert_eq!(until(&client, "/readyz", 200).await, "ok\n");
    disk.fill();
    assert_eq!(until(&client, "/readyz", 503).await, "failing\n");
    assert_eq!(client.get("/livez").await.status, 200);
    let report = checks(&client, 503).await;
    assert_eq!(report["status"], "failing", "{report}");
    assert_eq!(report["checks"]["disk"]["detail"], "no disk space left for the database", "{report}");
    // Writes fail once the write-ahead log has no space left.
    let mut refused = false;
    for _ in 0..400 {
        if server.client().try_sign_in(&server.patient.email, PASSWORD).await.status >= 500 {
            refused = true;
            break;
        }
        server.clock.advance(std::time::Duration::from_secs(60));
    }
    assert!(refused, "the disk is full");
    disk.empty();
    assert_eq!(
        server.client().try_sign_in(&server.patient.email, PASSWORD).await.status,
        303,
        "writes succeed immediately"
    );
    assert_eq!(until(&client, "/readyz", 200).await, "ok\n");
    server.stop().await;
}
