//! The HTTP client for the OpenID provider: HTTPS only, no redirects, and limits on time and response size.

use std::pin::Pin;
use std::time::Duration;

use axum::http::{Response, Uri};
use openidconnect::{AsyncHttpClient, HttpRequest, HttpResponse};
use reqwest::Client;
use reqwest::redirect::Policy;

/// Timeout of one request including its response.
const TIME: Duration = Duration::from_secs(4);
/// Maximum size of a response, in bytes.
const MAX_ANSWER: usize = 256 * 1024;

#[derive(Debug, Clone)]
pub(super) struct Http(Client);

/// Why a request failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum HttpError {
    #[error("not an https URL")]
    Insecure,
    #[error("unreachable or timed out")]
    Unreachable,
    #[error("response too large")]
    TooLong,
}

impl Http {
    /// Creates the client.
    ///
    /// # Errors
    /// If TLS cannot be set up.
    pub(super) fn new() -> Result<Self, String> {
        let client = Client::builder().timeout(TIME).redirect(Policy::none()).build();
        client.map(Self).map_err(|_| "cannot set up TLS".to_owned())
    }

    async fn ask(self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        if !is_safe(request.uri()) {
            return Err(HttpError::Insecure);
        }
        let unreachable = |_| HttpError::Unreachable;
        let request = reqwest::Request::try_from(request).map_err(unreachable)?;
        let mut answer = self.0.execute(request).await.map_err(unreachable)?;
        let mut body = Vec::new();
        let (status, headers) = (answer.status(), std::mem::take(answer.headers_mut()));
        while let Some(part) = answer.chunk().await.map_err(unreachable)? {
            if body.len() + part.len() > MAX_ANSWER {
                return Err(HttpError::TooLong);
            }
            body.extend_from_slice(&part);
        }
        let mut response = Response::new(body);
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        Ok(response)
    }
}

impl<'c> AsyncHttpClient<'c> for Http {
    type Error = HttpError;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(self.clone().ask(request))
    }
}

/// Returns whether the address uses HTTPS or is on this machine.
pub(super) fn is_safe(address: &Uri) -> bool {
    match address.scheme_str() {
        Some("https") => true,
        Some("http") => matches!(address.host(), Some("localhost" | "127.0.0.1" | "[::1]")),
        Some(_) | None => false,
    }
}
