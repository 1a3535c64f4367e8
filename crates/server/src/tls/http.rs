//! The HTTP client for the certificate authority: HTTPS only, no redirects, no proxies, and limits on time and
//! response size.

use std::path::Path;
use std::pin::Pin;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::{Request, Response};
use instant_acme::{BodyWrapper, BytesResponse, HttpClient, Problem};
use reqwest::redirect::Policy;
use reqwest::{Body, Certificate, Client};

/// Timeout of one request including its response. When it expires, the order fails and is retried later.
const ANSWER_TIME: Duration = Duration::from_secs(60);
/// Maximum size of a response, in bytes.
const MAX_ANSWER: usize = 256 * 1024;

/// The HTTP client.
#[derive(Debug, Clone)]
pub(super) struct Http(Client);

/// Why a request failed.
#[derive(Debug, thiserror::Error)]
enum HttpError {
    #[error(transparent)]
    Failed(#[from] reqwest::Error),
    #[error("response too large")]
    TooLong,
    #[error("the certificate authority responded with status {0}")]
    Status(u16),
}

impl Http {
    /// Creates a client that trusts only the root certificates in `roots`, or those of the operating system.
    ///
    /// # Errors
    /// The root certificates cannot be used.
    pub(super) fn new(roots: Option<&Path>) -> Result<Self, String> {
        Self::with_answer_time(roots, ANSWER_TIME)
    }

    /// Creates a client with another timeout.
    pub(super) fn with_answer_time(roots: Option<&Path>, time: Duration) -> Result<Self, String> {
        let client = Client::builder().timeout(time).redirect(Policy::none()).https_only(true).no_proxy();
        match roots {
            Some(file) => trusting(client, file)
                .map_err(|why| format!("cannot read the authority's root certificates {}: {why}", file.display())),
            None => client.build().map_err(|error| {
                let why = with_causes(&error);
                format!("cannot use the system's root certificates: {why}. Install them, or set server.tls.authority")
            }),
        }
        .map(Self)
    }
}

fn trusting(client: reqwest::ClientBuilder, roots: &Path) -> Result<Client, String> {
    let pem = std::fs::read(roots).map_err(|error| error.to_string())?;
    let certificates = Certificate::from_pem_bundle(&pem).map_err(|error| with_causes(&error))?;
    if certificates.is_empty() {
        return Err("it contains no PEM certificate".to_owned());
    }
    client.tls_certs_only(certificates).build().map_err(|error| with_causes(&error))
}

impl HttpClient for Http {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, instant_acme::Error>> + Send>> {
        let client = self.0.clone();
        Box::pin(async move {
            let answer = ask(&client, request).await;
            answer.map_err(|error| instant_acme::Error::Other(Box::new(error)))
        })
    }
}

async fn ask(client: &Client, request: Request<BodyWrapper<Bytes>>) -> Result<BytesResponse, HttpError> {
    let request = reqwest::Request::try_from(request.map(Body::wrap))?;
    let mut answer = client.execute(request).await?;
    let mut body = Vec::new();
    while let Some(part) = answer.chunk().await? {
        if body.len() + part.len() > MAX_ANSWER {
            return Err(HttpError::TooLong);
        }
        body.extend_from_slice(&part);
    }
    let status = answer.status();
    // RFC 8555, section 6.7: ACME errors have a problem document with the reason. For other errors only the status is
    // known.
    if !status.is_success() && serde_json::from_slice::<Problem>(&body).is_err() {
        return Err(HttpError::Status(status.as_u16()));
    }
    let (parts, _) = Response::from(answer).into_parts();
    Ok(BytesResponse { parts, body: Box::new(Bytes::from(body)) })
}

/// Formats an error with its causes on one line.
pub(super) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_authority_of_ones_own_is_named_by_its_roots() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("roots.pem");
        let fault = || Http::new(Some(&file)).expect_err("a fault");
        assert!(fault().contains("roots.pem"), "{}", fault());
        let (broken, no_certificate) = ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "PEM?");
        for text in [broken, no_certificate] {
            std::fs::write(&file, text).expect("written");
            assert!(fault().contains("roots.pem"), "{}", fault());
        }
        let one = || rcgen::generate_simple_self_signed(["ca.example.org".to_owned()]).expect("made").cert.pem();
        std::fs::write(&file, one() + &one()).expect("written");
        Http::new(Some(&file)).expect("two roots");
    }

    #[tokio::test]
    async fn nothing_is_asked_in_clear() {
        let http = Http::new(None).expect("a client");
        let request = Request::get("http://127.0.0.1:1/").body(BodyWrapper::default()).expect("a request");
        let fault = http.request(request).await.err().expect("a fault");
        let fault = with_causes(&fault);
        assert!(fault.contains("URL scheme is not allowed"), "{fault}");
    }
}
