//! Disturbances of a running program: a log that is not read, a disk that hangs, renewed files, a second instance, a
//! closed terminal.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::desk::{Desk, Serving, free_port};
use crate::support::{Client, PATIENCE, soon};

/// Creates a pipe: the program's standard error, and its reader.
fn pipe() -> (Stdio, std::io::PipeReader) {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    (Stdio::from(writer), reader)
}

fn make_fifo(path: &str) {
    assert!(Command::new("mkfifo").arg(path).status().expect("mkfifo").success());
}

async fn health(client: &Client) -> Value {
    soon("health", client.get("/healthz")).await.json()
}

/// Waits on a separate thread until the program exits.
async fn ended(serving: Serving) -> bool {
    soon("the exit", tokio::task::spawn_blocking(|| serving.ended())).await.expect("waited for")
}

/// The pipe is full after 64 KiB and is not read.
#[tokio::test]
async fn a_log_that_is_not_read_stops_nothing() {
    let desk = Desk::new();
    let (log, mut reader) = pipe();
    let serving = Serving::start_saying(&desk, &["serve"], free_port(), "debug", log);
    let client = Client::new(&serving);
    for _ in 0..1_500 {
        // At debug level every request logs.
        assert_eq!(soon("an answer", client.get("/livez")).await.status, 200);
    }
    serving.signal("TERM");
    // The pipe is still not read.
    let end = ended(serving).await;
    assert!(end, "it exits successfully");
    let mut text = Vec::new();
    reader.read_to_end(&mut text).expect("read");
    assert!(!text.is_empty());
}

/// A network mount that hangs, simulated by a FIFO that is not opened for reading.
#[tokio::test]
async fn heads_of_the_audit_log_on_a_place_that_hangs_stop_nothing() {
    let desk = Desk::new();
    desk.add_user("Grace Hopper", "grace@example.org");
    std::fs::remove_file(desk.path("data/bedside.heads")).unwrap_or_default();
    make_fifo(&desk.path("data/bedside.heads"));
    let serving = Serving::start(&desk, &["serve"], free_port());
    let client = Client::new(&serving);
    assert_eq!(soon("an answer", client.get("/livez")).await.status, 200);
    assert_eq!(soon("readiness", client.get("/readyz")).await.status, 200);
    assert!(health(&client).await["checks"]["audit_heads"]["last_kept"].is_null(), "no head was kept");
    serving.signal("TERM");
    assert!(ended(serving).await, "it exits within its time limit");
}

#[tokio::test]
async fn a_second_program_on_the_same_database_is_refused_and_names_the_first() {
    let desk = Desk::new();
    let serving = Serving::start(&desk, &["serve"], free_port());
    let (id, address) = (serving.id(), crate::support::Site::address(&serving));
    let listen = format!("127.0.0.1:{}", free_port());
    let variables = [
        ("BEDSIDE_SERVER__LISTEN", listen.as_str()),
        ("BEDSIDE_MEDIA__PORT", "0"),
        ("BEDSIDE_MEDIA__BIND", "127.0.0.1"),
    ];
    let said = desk.run_with(&["serve"], &variables).refused();
    assert!(said.contains(&format!("process {id}, listening on {address}")), "{said}");
    // Commands can run at the same time.
    desk.add_user("Grace Hopper", "grace@example.org");
    desk.run(&["audit", "export"]).worked();
    let port = address.port();
    serving.kill();
    Serving::start(&desk, &["serve"], port).terminate();
}

/// Writes a certificate and its key to the desk's folder, and returns the certificate.
fn write_pair(desk: &Desk, name: &str) -> Vec<u8> {
    let made = rcgen::generate_simple_self_signed([name.to_owned()]).expect("made");
    std::fs::write(desk.path("certificate.pem"), made.cert.pem()).expect("written");
    std::fs::write(desk.path("key.pem"), made.signing_key.serialize_pem()).expect("written");
    made.cert.der().to_vec()
}

async fn shown(port: u16) -> Vec<u8> {
    let client = reqwest::Client::builder().tls_danger_accept_invalid_certs(true).tls_info(true).no_proxy();
    let answer = client.build().expect("a client").get(format!("https://localhost:{port}/livez")).send().await;
    let answer = answer.expect("answered");
    let info = answer.extensions().get::<reqwest::tls::TlsInfo>().expect("TLS");
    info.peer_certificate().expect("a certificate").to_vec()
}

#[tokio::test]
async fn a_renewed_certificate_is_served_after_sighup_and_nothing_ends() {
    let desk = Desk::new();
    let first = write_pair(&desk, "localhost");
    desk.config("[server.tls]\nmode = 'files'\ncertificate = 'certificate.pem'\nkey = 'key.pem'\n");
    let port = free_port();
    let url = format!("https://localhost:{port}");
    let arguments = ["serve", "--config", "bedside.toml"];
    let serving = Serving::start_as(url, &desk, &arguments, port, "info", Stdio::null());
    assert_eq!(shown(port).await, first);
    let second = write_pair(&desk, "localhost");
    assert_eq!(shown(port).await, first, "the old certificate is still served");
    serving.signal("HUP");
    let served = async {
        while shown(port).await != second {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    soon("the renewed certificate", served).await;
    // A certificate for another host is refused, and the old one stays.
    write_pair(&desk, "another.example.org");
    serving.signal("HUP");
    let said = desk.run_with(
        &["check-config", "--config", "bedside.toml"],
        &[("BEDSIDE_SERVER__PUBLIC_URL", "https://localhost")],
    );
    assert!(said.refused().contains("the certificate is for another.example.org"));
    assert_eq!(shown(port).await, second);
    serving.terminate();
}

#[test]
fn check_config_says_until_when_the_certificate_is_valid() {
    let desk = Desk::new();
    write_pair(&desk, "visits.example.org");
    let tls = "[server.tls]\nmode = 'files'\ncertificate = 'certificate.pem'\nkey = 'key.pem'\n";
    desk.config(&format!("[server]\npublic_url = 'https://visits.example.org'\n{tls}"));
    let said = desk.run(&["check-config", "--config", "bedside.toml"]).worked();
    assert!(said.contains("the certificate expires on 4096-01-01"), "{said}");
}

/// Standard output is closed (`>&-`), or on a full disk.
#[test]
fn output_that_cannot_be_written_ends_nothing() {
    let desk = Desk::new();
    let shell = |script: &str| {
        let program = env!("CARGO_BIN_EXE_bedside");
        let mut command = Command::new("sh");
        command.args(["-c", &script.replace("bedside", program)]).current_dir(desk.path("")).env_clear();
        command.env("BEDSIDE_PASSWORD", crate::support::PASSWORD).stdin(Stdio::null()).output().expect("it runs")
    };
    let full = shell("bedside user add --name 'Grace Hopper' --email grace@example.org >/dev/full");
    let said = String::from_utf8_lossy(&full.stderr).into_owned();
    assert!(!full.status.success() && !said.contains("panicked"), "{said}");
    assert!(said.contains("cannot write to standard output"), "{said}");
    let exported = desk.run(&["audit", "export"]).worked();
    assert!(exported.contains("user.added"), "the command is carried out: {exported}");
    let closed = shell("bedside audit verify --heads /dev/null >&- 2>&-");
    assert!(closed.status.success(), "writing to a closed output succeeds: {closed:?}");

    let port = free_port();
    let listen = format!("127.0.0.1:{port}");
    for output in ["/dev/full", "/dev/null"] {
        let file = File::options().write(true).open(output).expect("a device");
        let mut child = desk
            .command(&["serve"])
            .envs([
                ("BEDSIDE_SERVER__LISTEN", listen.as_str()),
                ("BEDSIDE_MEDIA__PORT", "0"),
                ("BEDSIDE_MEDIA__BIND", "127.0.0.1"),
            ])
            .stdout(file)
            .stderr(File::options().write(true).open("/dev/full").expect("a device"))
            .spawn()
            .expect("it runs");
        let answers = || {
            let mut stream = std::net::TcpStream::connect(&listen).ok()?;
            let request = b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
            std::io::Write::write_all(&mut stream, request).ok()?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).ok()?;
            answer.contains("200 OK").then_some(())
        };
        let tries = PATIENCE.as_millis() / 50;
        let up = (0..tries).any(|_| {
            std::thread::sleep(Duration::from_millis(50));
            answers().is_some()
        });
        let killed = Command::new("kill").arg(child.id().to_string()).status().expect("kill").success();
        assert!(up && killed, "{output}");
        assert!(child.wait().expect("it ends").success(), "{output}");
    }
}

/// A commit that does not return: `fsync` hangs while a file exists.
const HANGING: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>
static void hang(void) { while (access(getenv("HANG"), F_OK) == 0) usleep(20000); }
int fsync(int fd) { hang(); return syscall(SYS_fsync, fd); }
int fdatasync(int fd) { hang(); return syscall(SYS_fdatasync, fd); }
"#;

#[tokio::test]
#[allow(clippy::print_stderr, reason = "a test that is skipped says so")]
async fn a_hanging_disk_is_reported_and_does_not_prevent_shutdown() {
    let desk = Desk::new();
    std::fs::write(desk.path("hang.c"), HANGING).expect("written");
    let library = desk.path("hang.so");
    let compiler = Command::new("cc").args(["-shared", "-fPIC", "-o", &library, &desk.path("hang.c"), "-ldl"]).status();
    if !compiler.is_ok_and(|status| status.success()) {
        eprintln!("SKIPPED: there is no C compiler");
        return;
    }
    let (port, hang) = (free_port(), desk.path("hang"));
    let mut child = desk
        .command(&["serve"])
        .envs([
            ("BEDSIDE_SERVER__LISTEN", format!("127.0.0.1:{port}").as_str()),
            ("BEDSIDE_SERVER__PUBLIC_URL", format!("http://localhost:{port}").as_str()),
            ("BEDSIDE_MEDIA__PORT", "0"),
            ("BEDSIDE_MEDIA__BIND", "127.0.0.1"),
            ("LD_PRELOAD", library.as_str()),
            ("HANG", hang.as_str()),
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("it runs");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut line).expect("text");
    assert!(line.contains("listening"), "{line}");
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let get = async |path: &str| {
        let sent = client.get(format!("http://localhost:{port}{path}")).send();
        soon(path, sent).await.expect("answered").status().as_u16()
    };
    assert_eq!(get("/readyz").await, 200);
    std::fs::write(&hang, "").expect("written");
    let failing = async {
        while get("/readyz").await != 503 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    soon("not ready", failing).await;
    assert_eq!(get("/livez").await, 200);
    assert!(Command::new("kill").arg(child.id().to_string()).status().expect("kill").success());
    let ended = tokio::task::spawn_blocking(move || {
        let tries = PATIENCE.as_millis() / 50;
        let ended = (0..tries).find_map(|_| {
            std::thread::sleep(Duration::from_millis(50));
            child.try_wait().expect("asked")
        });
        let _ = child.kill();
        let _ = child.wait();
        ended
    });
    let ended = ended.await.expect("waited for");
    std::fs::remove_file(&hang).expect("removed");
    assert!(ended.is_some(), "stopping has a time limit for everything");
}

/// File descriptors run out, and become available again.
#[tokio::test]
async fn when_descriptors_have_run_out_the_program_serves_again_once_some_are_free() {
    let desk = Desk::new();
    let port = free_port();
    let script = format!("ulimit -n 48; exec {} serve", env!("CARGO_BIN_EXE_bedside"));
    let mut child = Command::new("sh")
        .args(["-c", &script])
        .current_dir(desk.path(""))
        .env_clear()
        .envs([
            ("BEDSIDE_SERVER__LISTEN", format!("127.0.0.1:{port}").as_str()),
            ("BEDSIDE_SERVER__PUBLIC_URL", format!("http://localhost:{port}").as_str()),
            ("BEDSIDE_MEDIA__PORT", "0"),
            ("BEDSIDE_MEDIA__BIND", "127.0.0.1"),
            ("BEDSIDE_MEDIA__WORKERS", "1"),
        ])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("it runs");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut line).expect("text");
    assert!(line.contains("listening"), "{line}");
    let address = format!("127.0.0.1:{port}");
    let many: Vec<_> = (0..60).filter_map(|_| std::net::TcpStream::connect(&address).ok()).collect();
    assert!(many.len() > 40, "the system accepts them for the program");
    drop(many);
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let ready = async {
        loop {
            let answer = client.get(format!("http://localhost:{port}/readyz")).send().await;
            if answer.is_ok_and(|answer| answer.status().as_u16() == 200) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let served = tokio::time::timeout(PATIENCE, ready).await;
    let _ = child.kill();
    let _ = child.wait();
    assert!(served.is_ok(), "it serves again");
}
