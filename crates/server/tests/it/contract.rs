//! Tests the API against its description: Schemathesis generates requests from `/api/openapi.json` for each kind of
//! caller and checks every response. Run by `cargo xtask test api`, which installs Schemathesis.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bedside::NewKey;
use bedside_store::AuditRow;
use bedside_visit::permission::ClinicRole;
use bedside_visit::{Appointment, Clock as _, UserId};

use crate::support::{Client, Server, When};

/// No response may be a server error, or differ from the description. Whether an unusual request is refused is not
/// checked: parameters that are not described are ignored, because browsers and proxies add some.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,\
    response_headers_conformance,unsupported_method";
/// Requests per operation and phase, and seconds per caller, all of which are used.
const BOUNDS: [&str; 4] = ["--max-examples", "60", "--max-time", "10"];

/// The scopes that an integrator may be granted.
const ALL: &str = "appointments:read appointments:write people:write";

/// Runs Schemathesis as a caller and returns its output if it reports failures.
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
    if let Some(token) = client.token() {
        run.args(["--header", &format!("Authorization: Bearer {token}")]);
    }
    let run = tokio::task::spawn_blocking(move || run.stdin(Stdio::null()).output());
    let output = run.await.expect("no panic").expect("Schemathesis runs");
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("Test cases:"), "{who}: no requests were sent\n{said}");
    (!output.status.success()).then(|| format!("as {who}:\n{said}"))
}

/// Creates the data that requests refer to. It is new for each caller, because the front desk cancels visits and
/// disables users.
async fn scene(server: &Server, program: &NewKey) -> (Appointment, String) {
    let (ada, grace) = (&server.patient.person, &server.provider.person);
    let visit = server.book(When::Now).await;
    let mut booked = vec![visit.id];
    for when in [When::Later, When::Earlier] {
        booked.push(server.book(when).await.id);
    }
    for when in [When::Now, When::Later] {
        booked.push(server.book_by(Some(program.user), ada, grace, when).await.id);
    }
    let other_user = server.add_person("Percy", None).await;
    let link = server.link(visit.id).await;
    server.client().join_by_link(&link).await;
    for _ in 0..3 {
        server.client().open_and_press(&link.replace(&server.origin, "")).await;
    }
    let asked = server.store.list_admissions(server.clock.now() - Duration::from_secs(60)).await.expect("read");
    let asked = asked.iter().filter(|asked| asked.appointment == visit.id).map(|asked| asked.id.to_string());
    let now = jiff::Timestamp::from_millisecond(server.clock.now().as_millis()).expect("a time");
    let day = jiff::SignedDuration::from_hours(24);
    // A separate client key for each caller, because the number of token requests per key is limited.
    let key = server.operator().new_key(program.user, ALL.parse().expect("scopes")).await.expect("a key");
    let basic = STANDARD.encode(format!("{}:{}", key.client_id, key.client_secret.reveal()));
    let quoted = |ids: Vec<String>| ids.iter().map(|id| format!("\"{id}\"")).collect::<Vec<_>>().join(", ");
    // Half of the values are existing ones.
    let config = format!(
        r#"
        dictionaries.appointments.values = [{appointments}]
        dictionaries.patients.values = [{patients}]
        dictionaries.providers.values = [{providers}]
        dictionaries.grants.values = ["appointments:read", "people:write appointments:write"]
        dictionaries.other_user.values = ["{other_user}"]
        dictionaries.entered.values = ["{visit}"]
        dictionaries.asked.values = [{asked}]
        dictionaries.moments.values = ["{from}", "{until}"]

        [parameters]
        "path.id" = {{ dictionary = "appointments", probability = 0.5 }}
        "path.user" = {{ dictionary = "patients", probability = 0.5 }}
        "body.userId" = {{ dictionary = "patients", probability = 0.5 }}
        "body.patientId" = {{ dictionary = "patients", probability = 0.7 }}
        "body.providerId" = {{ dictionary = "providers", probability = 0.7 }}
        "body.scope" = {{ dictionary = "grants", probability = 0.5 }}
        "query.from" = {{ dictionary = "moments", probability = 0.7 }}
        "query.until" = {{ dictionary = "moments", probability = 0.7 }}

        [[operations]]
        include-path = "/api/people/{{id}}/standing"
        parameters."path.id" = {{ dictionary = "other_user", probability = 0.5 }}

        [[operations]]
        include-path = "/api/appointments/{{id}}/admissions/{{admission}}"
        parameters."path.id" = {{ dictionary = "entered", probability = 0.7 }}
        parameters."path.admission" = {{ dictionary = "asked", probability = 0.7 }}

        [[operations]]
        include-path = "/api/token"
        headers.Authorization = "Basic {basic}"
        "#,
        appointments = quoted(booked.iter().map(ToString::to_string).collect()),
        patients = quoted([&server.patient, &server.other_patient].map(|one| one.id().to_string()).to_vec()),
        providers = quoted([&server.provider, &server.other_provider].map(|one| one.id().to_string()).to_vec()),
        other_user = other_user.id(),
        visit = visit.id,
        asked = quoted(asked.collect()),
        from = now - day,
        until = now + day,
    );
    (visit, config)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Schemathesis: cargo xtask test api"]
async fn the_api_answers_as_it_is_described() {
    let server = Server::start().await;
    let program = server.add_program("Records", ALL).await;
    let mut found = Vec::new();
    for who in [
        "anonymous",
        "a patient",
        "a provider",
        "a patient with a link",
        "another program",
        "the front desk",
        "an administrator",
    ] {
        let (visit, config) = scene(&server, &program).await;
        // The user who may cancel visits; the anonymous caller cannot.
        let mut clerk: Option<UserId> = None;
        let mut signed_in = async |name: &str, email: &str, role| {
            let account = server.add_clerk(name, email, role).await;
            clerk = Some(account.id());
            server.sign_in(&account).await
        };
        let client = match who {
            "anonymous" => server.client(),
            "a patient" => server.sign_in(&server.patient).await,
            "a provider" => server.sign_in(&server.provider).await,
            "a patient with a link" => {
                let client = server.client();
                client.join_by_link(&server.link(visit.id).await).await;
                client
            }
            "another program" => {
                clerk = Some(program.user);
                server.program(&program).await
            }
            "the front desk" => signed_in("Dorothy Vaughan", "dorothy@example.org", ClinicRole::Staff).await,
            "an administrator" => signed_in("Florence Nightingale", "florence@example.org", ClinicRole::Admin).await,
            other => panic!("unknown caller {other}"),
        };
        found.extend(findings(&server, who, &client, &config).await);
        if let Some(clerk) = clerk {
            let called_off = |row: &AuditRow| row.action == "appointment.cancelled" && row.actor == Some(clerk);
            assert!(server.audit().await.iter().any(called_off), "{who} was not allowed to cancel a visit");
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n\n"));
}
