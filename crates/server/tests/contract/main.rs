//! The API against its own description: Schemathesis makes requests out of `/api/openapi.json`, as each kind of caller,
//! and looks at every answer. Run by `cargo xtask test api`, which installs Schemathesis.

#[path = "../support/mod.rs"]
mod support;

use std::path::PathBuf;
use std::process::{Command, Stdio};

use support::{Client, Server, When};

/// No answer may be a fault of ours, or another than is described. Whether an odd request is refused is left out: what
/// is not described is ignored, as browsers' and proxies' additions have to be.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,\
    response_headers_conformance,unsupported_method";
/// Requests for an operation in each phase, and seconds for a caller.
const BOUNDS: [&str; 4] = ["--max-examples", "60", "--max-time", "20"];

/// Runs Schemathesis as somebody; gives what it printed where it found something.
async fn findings(server: &Server, who: &str, client: &Client, config: &str) -> Option<String> {
    let program = std::env::var("SCHEMATHESIS").expect("SCHEMATHESIS names the program: run `cargo xtask test api`");
    let file: PathBuf = server.folder().join("schemathesis.toml");
    std::fs::write(&file, config).expect("a configuration");
    let mut run = Command::new(program);
    run.current_dir(server.folder()).arg("--config-file").arg(&file).arg("run");
    run.arg(format!("{}/api/openapi.json", server.url)).args(BOUNDS);
    run.args(["--checks", CHECKS, "--phases", "examples,coverage,fuzzing", "--seed", "1", "--no-color"]);
    run.args(["--continue-on-failure", "--header", &format!("Origin: {}", server.origin)]);
    if !client.cookies().is_empty() {
        run.args(["--header", &format!("Cookie: {}", client.cookie_header())]);
    }
    let run = tokio::task::spawn_blocking(move || run.stdin(Stdio::null()).output());
    let output = run.await.expect("no panic").expect("Schemathesis runs");
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("Test cases:"), "{who}: nothing was tried\n{said}");
    (!output.status.success()).then(|| format!("as {who}:\n{said}"))
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Schemathesis: cargo xtask test api"]
async fn the_api_answers_as_it_is_described() {
    let server = Server::start().await;
    let mut booked = Vec::new();
    for when in [When::Now, When::Later, When::Earlier] {
        booked.push(server.book(when).await.id);
    }
    let by_link = server.client();
    by_link.join_by_link(&server.link(booked[0]).await).await;
    let ids: Vec<String> = booked.iter().map(|id| format!("\"{id}\"")).collect();
    // Every other id is one that is there.
    let config = format!(
        "[dictionaries.appointments]\nvalues = [{}]\n[parameters]\n\"path.id\" = {{ dictionary = \"appointments\", probability = 0.5 }}\n",
        ids.join(", ")
    );
    let callers = [
        ("nobody", server.client()),
        ("a patient", server.sign_in(&server.patient).await),
        ("a provider", server.sign_in(&server.provider).await),
        ("a patient with a link", by_link),
    ];
    let mut found = Vec::new();
    for (who, client) in &callers {
        found.extend(findings(&server, who, client, &config).await);
    }
    assert!(found.is_empty(), "{}", found.join("\n\n"));
}
