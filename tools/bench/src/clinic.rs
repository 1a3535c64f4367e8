//! Bedside with people and appointments, created by an integrator as described in docs/integrating.md.

use std::fs;
use std::path::Path;
use std::process::Command;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use reqwest::header::SET_COOKIE;
use reqwest::{RequestBuilder, redirect};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use crate::clock;
use crate::cores::run;
use crate::error::BenchError;
use crate::network::Network;
use crate::program::{PATIENCE, Program, free_port};

/// Issuer of the join tokens.
const ISSUER: &str = "https://bench.invalid";

/// Number of concurrent bookings.
const AT_ONCE: usize = 16;

/// The running server with an integrator's access token.
pub(crate) struct Clinic {
    program: Program,
    http: reqwest::Client,
    pub(crate) port: u16,
    token: String,
    signer: Ed25519KeyPair,
    /// The folder with the database and all other files.
    _folder: TempDir,
}

/// A participant with their session.
#[derive(Debug, Clone)]
pub(crate) struct Person {
    pub(crate) appointment: String,
    pub(crate) is_provider: bool,
    /// The `Cookie` header.
    pub(crate) cookie: String,
}

/// Only people with a specialty or a clinic role are booked as providers.
const SPECIALTY: Option<&str> = Some("Family medicine");

impl Clinic {
    /// Starts the server with a separate database and one media thread.
    pub(crate) async fn open(binary: &Path, network: &Network) -> Result<Self, BenchError> {
        let folder = tempfile::tempdir().map_err(BenchError::system("creating a folder for the database"))?;
        let (path, port, address) = (folder.path().to_owned(), free_port()?, network.address);
        let settings = format!(
            "[clinic]\nname = \"The bench\"\ntime_zone = \"UTC\"\n\
             [server]\nlisten = \"127.0.0.1:{port}\"\npublic_url = \"http://localhost:{port}\"\n\
             [server.limits]\nconnections = 30000\nconnections_per_network = 30000\n\
             websockets = 25000\nwebsockets_per_network = 25000\n\
             [database]\npath = \"{}/bedside.db\"\n\
             [media]\nbind = \"{address}\"\npublic_addresses = [\"{address}\"]\nport = 0\nworkers = 1\n",
            path.display()
        );
        let config = path.join("bedside.toml");
        fs::write(&config, settings).map_err(BenchError::system("writing the settings"))?;
        let bedside = || {
            let mut command = Command::new(binary);
            // Settings for another Bedside instance must not apply to this one.
            let set = std::env::vars_os().map(|(name, _)| name);
            set.filter(|name| name.to_string_lossy().starts_with("BEDSIDE")).for_each(|name| {
                command.env_remove(name);
            });
            command.arg("--config").arg(&config);
            command
        };
        let operate = |words: &[&str]| run(bedside().args(words));
        let printed = operate(&["integrator", "add", "--name", "The bench", "--json"])?;
        let key: Value = serde_json::from_str(&printed).map_err(BenchError::server("`integrator add`"))?;
        let [Some(id), Some(client), Some(secret)] =
            ["id", "client_id", "client_secret"].map(|name| key[name].as_str())
        else {
            return Err(BenchError::Server(format!("`integrator add` printed {printed:?}")));
        };
        let signer = Ed25519KeyPair::generate().map_err(BenchError::server("a key"))?;
        let jwks = path.join("keys.json");
        fs::write(&jwks, jwk_set(&signer)).map_err(BenchError::system("writing a key"))?;
        operate(&["integrator", "trust", id, "--issuer", ISSUER, "--jwks", &jwks.to_string_lossy(), "--providers"])?;

        let program = Program::start(bedside().arg("serve"), &path.join("log"))?;
        let http = reqwest::Client::builder().no_proxy().redirect(redirect::Policy::none()).build();
        let http = http.map_err(BenchError::server("creating an HTTP client"))?;
        let mut clinic = Self { program, http, port, token: String::new(), signer, _folder: folder };
        clinic.token = clinic.sign_in(client, secret, &path.join("log")).await?;
        Ok(clinic)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.program.pid()
    }

    /// Returns the origin of its pages.
    pub(crate) fn origin(&self) -> String {
        format!("http://localhost:{}", self.port)
    }

    /// Books a visit for `people` participants that is due now, and lets them join: the provider first, then the
    /// patient, then guests.
    pub(crate) async fn book(&self, people: u32) -> Result<Vec<Person>, BenchError> {
        let mut users = vec![self.add("Dr. Grace Hopper", SPECIALTY).await?, self.add("Ada Lovelace", None).await?];
        let appointment = self.make_appointment(&users[1], &users[0]).await?;
        for number in 2..people {
            let companion = json!({ "name": format!("Guest {number}"), "role": "guest" });
            let made = self.post(&format!("/api/appointments/{appointment}/companions"), companion).await?;
            users.push(text(&made, "userId")?);
        }
        let roles = ["provider", "patient"].into_iter().chain(std::iter::repeat("guest"));
        let mut persons = Vec::new();
        for (user, role) in users.iter().zip(roles) {
            let cookie = self.join(&appointment, user, role).await?;
            persons.push(Person { appointment: appointment.clone(), is_provider: role == "provider", cookie });
        }
        Ok(persons)
    }

    /// Books visits of one provider that are due now, and lets their patients join.
    pub(crate) async fn book_patients(&self, many: u32) -> Result<Vec<Person>, BenchError> {
        let provider = self.add("Dr. Grace Hopper", SPECIALTY).await?;
        let provider = provider.as_str();
        let booked = stream::iter(0..many).map(async |number| {
            let patient = self.add(&format!("Patient {number}"), None).await?;
            let appointment = self.make_appointment(&patient, provider).await?;
            let cookie = self.join(&appointment, &patient, "patient").await?;
            Ok(Person { appointment, is_provider: false, cookie })
        });
        booked.buffer_unordered(AT_ONCE).try_collect().await
    }

    /// Adds a person and returns their ID. Providers have a specialty.
    async fn add(&self, name: &str, specialty: Option<&str>) -> Result<String, BenchError> {
        text(&self.post("/api/people", json!({ "name": name, "specialty": specialty })).await?, "userId")
    }

    /// Books a visit that is due now and returns its ID.
    async fn make_appointment(&self, patient: &str, provider: &str) -> Result<String, BenchError> {
        let booking = json!({
            "patientId": patient, "providerId": provider, "datetime": clock::moment(), "duration": 240, "type": "Visit",
        });
        text(&self.post("/api/appointments", booking).await?, "id")
    }

    /// Waits until the server answers and returns an access token.
    async fn sign_in(&mut self, client: &str, secret: &str, log: &Path) -> Result<String, BenchError> {
        let basic = STANDARD.encode(format!("{client}:{secret}"));
        let deadline = Instant::now() + PATIENCE;
        loop {
            let request = self.http.post(format!("http://127.0.0.1:{}/api/token", self.port));
            let request = request.header("authorization", format!("Basic {basic}"));
            let form = request.header("content-type", "application/x-www-form-urlencoded");
            match form.body("grant_type=client_credentials").send().await {
                Ok(reply) => {
                    let said: Value = reply.json().await.map_err(BenchError::server("a token"))?;
                    return text(&said, "access_token");
                }
                Err(_) if !self.program.has_ended() && Instant::now() < deadline => {
                    sleep(std::time::Duration::from_millis(20)).await;
                }
                Err(error) => {
                    let log = fs::read_to_string(log).unwrap_or_default();
                    return Err(BenchError::Server(format!("the server does not respond: {error}\n{log}")));
                }
            }
        }
    }

    /// Joins a visit by link and returns the cookie.
    async fn join(&self, appointment: &str, user: &str, role: &str) -> Result<String, BenchError> {
        let now = clock::wall() / 1_000_000_000;
        let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let head = part(json!({ "alg": "EdDSA", "typ": "JWT", "kid": "bench" }));
        let claims = part(json!({
            "iss": ISSUER, "aud": self.origin(), "sub": user, "appointment": appointment, "role": role,
            "iat": now, "exp": now + 300, "jti": Uuid::new_v4().to_string(),
        }));
        let signed = format!("{head}.{claims}");
        let signature = URL_SAFE_NO_PAD.encode(self.signer.sign(signed.as_bytes()).as_ref());
        let address = format!("http://127.0.0.1:{}/v/{signed}.{signature}", self.port);
        let host = format!("localhost:{}", self.port);
        // Opening the link sets a cookie; joining binds the link to it.
        let opened = self.http.get(&address).header("host", &host).send().await;
        let opened = cookies_of(&opened.map_err(BenchError::server("opening a link"))?);
        let request = self.http.post(&address).header("host", &host).header("origin", self.origin());
        let reply = request.header("cookie", opened.join("; ")).send().await;
        let reply = reply.map_err(BenchError::server("joining a visit"))?;
        let status = reply.status();
        let given = cookies_of(&reply);
        let pairs = if given.is_empty() { opened } else { given };
        if status != 303 || pairs.is_empty() {
            return Err(BenchError::Server(format!("joining a visit as {role} was answered with {status}")));
        }
        Ok(pairs.join("; "))
    }

    async fn post(&self, path: &str, body: Value) -> Result<Value, BenchError> {
        let request = self.http.post(format!("http://127.0.0.1:{}{path}", self.port));
        let request = request.header("content-type", "application/json").bearer_auth(&self.token);
        let said = answer(request.body(body.to_string())).await.map_err(BenchError::server(path))?;
        if said["success"] == true {
            Ok(said["data"].clone())
        } else {
            Err(BenchError::Server(format!("{path}: {said}")))
        }
    }
}

async fn answer(request: RequestBuilder) -> Result<Value, reqwest::Error> {
    request.send().await?.json().await
}

fn text(value: &Value, field: &str) -> Result<String, BenchError> {
    let found = value[field].as_str().map(str::to_owned);
    found.ok_or_else(|| BenchError::Server(format!("there is no {field} in {value}")))
}

fn jwk_set(signer: &Ed25519KeyPair) -> String {
    let x = URL_SAFE_NO_PAD.encode(signer.public_key().as_ref());
    json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "kid": "bench", "x": x }] }).to_string()
}

/// Returns the cookies set by a response, as a browser sends them back.
fn cookies_of(reply: &reqwest::Response) -> Vec<String> {
    let set = reply.headers().get_all(SET_COOKIE).iter().filter_map(|cookie| cookie.to_str().ok());
    set.filter_map(|cookie| cookie.split(';').next()).map(str::to_owned).collect()
}
