//! An OpenID provider: discovery, keys and token endpoint, on loopback. Its sign-in page is [`Provider::signs_in`].

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256};
use aws_lc_rs::{digest, hmac};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Form, Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD as BASE64};
use bedside::config::OidcConfig;
use bedside_visit::Clock as _;
use reqwest::Url;
use serde_json::{Value, json};

use super::{Client, Reply, Server, TestClock};

const ID: &str = "bedside";
pub(crate) const SECRET: &str = "provider-secret-canary-81c2";

/// How the next tokens are signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signing {
    Es256,
    Rs256,
    /// Unsigned.
    None,
    /// With the public key as the secret of an HMAC.
    Hs256WithThePublicKey,
    /// With the client secret, which both sides know.
    Hs256WithTheSecret,
    /// With another key under the name of the provider's key.
    AnothersKey,
}

pub(crate) struct Provider {
    state: Arc<Mutex<Inner>>,
    pub(crate) issuer: String,
    serving: tokio::task::JoinHandle<()>,
}

struct Inner {
    issuer: String,
    clock: Option<Arc<TestClock>>,
    es256: EcdsaKeyPair,
    /// The name of the ES256 key.
    kid: String,
    signing: Signing,
    codes: HashMap<String, Code>,
    number: u32,
    /// Metadata beyond what the standard requires.
    metadata: Value,
    down: bool,
    /// The response of the userinfo endpoint.
    person: Value,
    /// How often its keys were requested.
    keys_asked: u32,
}

struct Code {
    challenge: String,
    back: String,
    claims: Value,
}

impl Provider {
    pub(crate) async fn start() -> Self {
        // Generates the key before any request has to wait for it.
        rs256();
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let issuer = format!("http://127.0.0.1:{}/clinic", listener.local_addr().expect("an address").port());
        let state = Arc::new(Mutex::new(Inner {
            issuer: issuer.clone(),
            clock: None,
            es256: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key"),
            kid: "one".to_owned(),
            signing: Signing::Es256,
            codes: HashMap::new(),
            number: 0,
            metadata: json!({}),
            down: false,
            person: json!({}),
            keys_asked: 0,
        }));
        let router = Router::new()
            .route("/clinic/.well-known/openid-configuration", get(metadata))
            .route("/clinic/keys", get(keys))
            .route("/clinic/token", post(token))
            .route("/clinic/person", get(person))
            .with_state(Arc::clone(&state));
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.expect("it serves") });
        Self { state, issuer, serving }
    }

    pub(crate) fn config(&self) -> OidcConfig {
        OidcConfig {
            issuer: self.issuer.clone(),
            client_id: ID.to_owned(),
            client_secret: SECRET.into(),
            label: "your clinic account".to_owned(),
            scopes: vec!["email".to_owned()],
            second_step: vec!["mfa".to_owned()],
            trusted_email_domains: vec![],
            offer_sign_out: true,
        }
    }

    /// Uses the server's clock.
    pub(crate) fn tell_time_of(&self, server: &Server) {
        self.lock().clock = Some(Arc::clone(&server.clock));
    }

    pub(crate) fn sign_with(&self, signing: Signing) {
        self.lock().signing = signing;
    }

    /// Replaces the key with another one under another name.
    pub(crate) fn rotate(&self) {
        let mut state = self.lock();
        state.es256 = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key");
        state.kid = format!("{}+", state.kid);
    }

    /// Replaces the key with another one under the same name.
    pub(crate) fn rotate_under_the_same_name(&self) {
        self.lock().es256 = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key");
    }

    pub(crate) fn set_down(&self, down: bool) {
        self.lock().down = down;
    }

    pub(crate) fn describe(&self, more: Value) {
        self.lock().metadata = more;
    }

    /// Sets the response of the userinfo endpoint.
    pub(crate) fn says_of_them(&self, person: Value) {
        self.lock().person = person;
    }

    pub(crate) fn keys_asked(&self) -> u32 {
        self.lock().keys_asked
    }

    /// Signs a user in at an authorization address, and returns the address that they are redirected to. `claims` are
    /// added to those of every token, or replace them.
    pub(crate) fn signs_in(&self, address: &str, claims: Value) -> String {
        let address = Url::parse(address).expect("an address");
        assert!(address.as_str().starts_with(&format!("{}/authorize?", self.issuer)), "{address}");
        let asked: HashMap<String, String> = address.query_pairs().into_owned().collect();
        for (name, value) in
            [("response_type", "code"), ("client_id", ID), ("scope", "openid email"), ("code_challenge_method", "S256")]
        {
            assert_eq!(asked[name], value, "{name}");
        }
        let mut state = self.lock();
        let now = state.clock.as_ref().expect("a clock").now().as_millis() / 1_000;
        let mut all = json!({
            "iss": self.issuer, "aud": ID, "sub": "subject-1", "iat": now, "exp": now + 300, "nonce": asked["nonce"],
        });
        for (name, value) in claims.as_object().expect("claims") {
            all[name] = value.clone();
        }
        state.number += 1;
        let code = format!("code-{}", state.number);
        let back = asked["redirect_uri"].clone();
        let kept = Code { challenge: asked["code_challenge"].clone(), back: back.clone(), claims: all };
        state.codes.insert(code.clone(), kept);
        let path = &back[back.find("/sign-in").expect("a redirect to this server")..];
        format!("{path}?code={code}&state={}", asked["state"])
    }

    /// Performs the whole flow: to the provider, signing in there, and back.
    pub(crate) async fn sign_in(&self, client: &Client, claims: Value) -> Reply {
        let sent = client.get("/sign-in/provider").await;
        assert_eq!(sent.status, 303, "{}", sent.body);
        client.get(&self.signs_in(sent.location().expect("to the provider"), claims)).await
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        lock(&self.state)
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

type Shared = State<Arc<Mutex<Inner>>>;

fn lock(state: &Mutex<Inner>) -> MutexGuard<'_, Inner> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn down() -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, "down").into_response()
}

/// Returns the RSA key shared by all providers, because generating one takes seconds.
fn rs256() -> &'static RsaKeyPair {
    static KEY: OnceLock<RsaKeyPair> = OnceLock::new();
    KEY.get_or_init(|| RsaKeyPair::generate(KeySize::Rsa2048).expect("a key"))
}

async fn metadata(State(state): Shared) -> Response {
    let state = lock(&state);
    if state.down {
        return down();
    }
    let issuer = &state.issuer;
    let mut all = json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/authorize"),
        "token_endpoint": format!("{issuer}/token"),
        "jwks_uri": format!("{issuer}/keys"),
        "userinfo_endpoint": format!("{issuer}/person"),
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256", "RS256", "HS256", "none"],
    });
    for (name, value) in state.metadata.as_object().expect("members") {
        all[name] = value.clone();
    }
    Json(all).into_response()
}

async fn keys(State(state): Shared) -> Response {
    let mut state = lock(&state);
    if state.down {
        return down();
    }
    state.keys_asked += 1;
    let point = state.es256.public_key().as_ref().to_vec();
    // PKCS#1: a sequence of the modulus (257 bytes with its sign) and the exponent.
    let rsa = rs256().public_key().as_ref().to_vec();
    Json(json!({ "keys": [
        { "kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": state.kid,
          "x": BASE64.encode(&point[1..33]), "y": BASE64.encode(&point[33..]) },
        { "kty": "RSA", "alg": "RS256", "use": "sig", "kid": "rsa",
          "n": BASE64.encode(&rsa[9..265]), "e": BASE64.encode([1, 0, 1]) },
    ]}))
    .into_response()
}

async fn person(State(state): Shared, headers: HeaderMap) -> Response {
    if headers.get("authorization").is_none_or(|given| given.as_bytes() != b"Bearer access") {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    Json(lock(&state).person.clone()).into_response()
}

async fn token(State(state): Shared, headers: HeaderMap, Form(form): Form<HashMap<String, String>>) -> Response {
    let mut state = lock(&state);
    if state.down {
        return down();
    }
    let refused = |error| (StatusCode::BAD_REQUEST, Json(json!({ "error": error }))).into_response();
    let basic = format!("Basic {}", STANDARD.encode(format!("{ID}:{SECRET}")));
    if headers.get("authorization").is_none_or(|given| given.as_bytes() != basic.as_bytes()) {
        return refused("invalid_client");
    }
    let Some(code) = form.get("code").and_then(|code| state.codes.remove(code)) else {
        return refused("invalid_grant");
    };
    let challenge = form.get("code_verifier").map(|verifier| {
        assert!(verifier.len() >= 43);
        BASE64.encode(digest::digest(&digest::SHA256, verifier.as_bytes()))
    });
    if challenge.as_ref() != Some(&code.challenge) || form.get("redirect_uri") != Some(&code.back) {
        return refused("invalid_grant");
    }
    let id_token = signed(&state, &code.claims);
    Json(json!({ "access_token": "access", "token_type": "Bearer", "id_token": id_token })).into_response()
}

fn signed(state: &Inner, claims: &Value) -> String {
    let (algorithm, kid) = match state.signing {
        Signing::Es256 | Signing::AnothersKey => ("ES256", state.kid.as_str()),
        Signing::Rs256 => ("RS256", "rsa"),
        Signing::None => ("none", ""),
        Signing::Hs256WithThePublicKey | Signing::Hs256WithTheSecret => ("HS256", state.kid.as_str()),
    };
    let header = json!({ "alg": algorithm, "kid": kid, "typ": "JWT" }).to_string();
    let text = format!("{}.{}", BASE64.encode(header), BASE64.encode(claims.to_string()));
    let random = SystemRandom::new();
    let with = |key: &EcdsaKeyPair| key.sign(&random, text.as_bytes()).expect("signed").as_ref().to_vec();
    let mac = |key: &[u8]| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes()).as_ref().to_vec();
    let signature = match state.signing {
        Signing::Es256 => with(&state.es256),
        Signing::AnothersKey => with(&EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key")),
        Signing::Rs256 => {
            let mut signature = vec![0; rs256().public_modulus_len()];
            rs256().sign(&RSA_PKCS1_SHA256, &random, text.as_bytes(), &mut signature).expect("signed");
            signature
        }
        Signing::None => Vec::new(),
        Signing::Hs256WithThePublicKey => mac(state.es256.public_key().as_ref()),
        Signing::Hs256WithTheSecret => mac(SECRET.as_bytes()),
    };
    format!("{text}.{}", BASE64.encode(signature))
}
