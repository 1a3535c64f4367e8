//! The HTTP client for CometChat's REST API, with retries.

use std::time::Duration;

use reqwest::Method;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use secrecy::ExposeSecret as _;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep};

use super::error::CometChatError;
use crate::config::CometChatConfig;

/// The time limit of one attempt, and of all attempts including delays, because a user waits for the result.
const TRY: Duration = Duration::from_secs(5);
const ALL: Duration = Duration::from_secs(12);
/// The delay before the second attempt. Doubles before each further attempt, with jitter.
const FIRST_WAIT: Duration = Duration::from_millis(200);
const TRIES: u32 = 4;
/// Maximum size of a response, in bytes.
const MAX_ANSWER: usize = 256 * 1024;

/// A client for CometChat's REST API, for one app.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    base: String,
}

/// The envelope of a CometChat response.
#[derive(Deserialize)]
struct Envelope<T> {
    data: Option<T>,
    error: Option<Fault>,
}

#[derive(Deserialize)]
struct Fault {
    #[serde(default)]
    code: String,
}

/// Why an attempt failed, and whether a retry may succeed.
enum Failure {
    Final(CometChatError),
    Passing(CometChatError, Option<Duration>),
}

impl Client {
    /// Creates a client.
    ///
    /// # Errors
    /// [`CometChatError::Unexpected`] if the key cannot be sent in a header, or TLS cannot be set up.
    pub(crate) fn new(config: &CometChatConfig) -> Result<Self, CometChatError> {
        let fault = |what: &str| CometChatError::Unexpected(what.to_owned());
        let mut headers = HeaderMap::new();
        let mut key = HeaderValue::from_str(config.api_key.expose_secret()).map_err(|_| fault("invalid API key"))?;
        key.set_sensitive(true);
        headers.insert(HeaderName::from_static("apikey"), key);
        let app = HeaderValue::from_str(&config.app_id).map_err(|_| fault("invalid app ID"))?;
        headers.insert(HeaderName::from_static("appid"), app);
        let http = reqwest::Client::builder()
            .default_headers(headers)
            .timeout(TRY)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|_| fault("cannot set up TLS"))?;
        Ok(Self { http, base: config.api() })
    }

    pub(super) async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&(impl Serialize + Sync)>,
    ) -> Result<T, CometChatError> {
        let deadline = Instant::now() + ALL;
        let mut wait = FIRST_WAIT;
        let mut tried = 1;
        loop {
            let (error, asked) = match self.attempt(&method, path, body).await {
                Ok(answer) => return Ok(answer),
                Err(Failure::Final(error)) => return Err(error),
                Err(Failure::Passing(error, asked)) => (error, asked),
            };
            let pause = asked.unwrap_or_else(|| jittered(wait));
            if tried == TRIES || Instant::now() + pause + TRY > deadline {
                return Err(error);
            }
            tracing::debug!(%error, path, tried, "retrying CometChat request");
            sleep(pause).await;
            wait *= 2;
            tried += 1;
        }
    }

    async fn attempt<T: DeserializeOwned>(
        &self,
        method: &Method,
        path: &str,
        body: Option<&(impl Serialize + Sync)>,
    ) -> Result<T, Failure> {
        let mut request = self.http.request(method.clone(), format!("{}{path}", self.base));
        if let Some(body) = body {
            request = request.json(body);
        }
        let unreachable = |error: &reqwest::Error| {
            let why = if error.is_timeout() { "timed out" } else { "no connection" };
            Failure::Passing(CometChatError::Unreachable(why.to_owned()), None)
        };
        let response = request.send().await.map_err(|error| unreachable(&error))?;
        let (status, asked) = (response.status(), retry_after(response.headers()));
        let text = response.bytes().await.map_err(|error| unreachable(&error))?;
        if text.len() > MAX_ANSWER {
            return Err(Failure::Final(CometChatError::Unexpected("response too large".to_owned())));
        }
        let envelope: Option<Envelope<T>> = serde_json::from_slice(&text).ok();
        match envelope {
            Some(Envelope { data: Some(data), error: None }) if status.is_success() => Ok(data),
            Some(Envelope { error: Some(fault), .. }) => Err(refused(status.as_u16(), &fault.code, asked)),
            Some(_) | None => Err(refused(status.as_u16(), "", asked)),
        }
    }
}

fn refused(status: u16, code: &str, asked: Option<Duration>) -> Failure {
    let error = CometChatError::of(status, code);
    // Rate limited, or a server error.
    if status == 429 || status >= 500 { Failure::Passing(error, asked) } else { Failure::Final(error) }
}

/// Returns the `Retry-After` delay in seconds, the format that CometChat uses (RFC 9110, section 10.2.3, also allows
/// dates).
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

/// Adds jitter: returns between half and one and a half times the delay.
fn jittered(wait: Duration) -> Duration {
    let mut byte = [0_u8; 1];
    // Without randomness there is no jitter.
    let _ = getrandom::fill(&mut byte);
    wait / 2 + wait * u32::from(byte[0]) / 255
}
