//! Maps internal errors to HTTP responses (RFC 9457 problem details).

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bedside_store::StoreError;
use bedside_visit::permission::Denial;
use bedside_visit::{AppointmentId, Role, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

use crate::auth::PasswordError;
use crate::calls::cometchat::CometChatError;
use crate::clinic::bookings::CancelFault;
use crate::clinic::people::PersonFault;

/// Reason that a request failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Error {
    /// The caller is not signed in.
    NotSignedIn,
    /// The resource does not exist or the caller may not see it. The two cases are indistinguishable to the caller.
    NotFound,
    /// The request for a visit page has no appointment ID.
    NoAppointmentId,
    /// The page or action is for the other role of the appointment.
    WrongRole {
        /// Role of the caller in the appointment.
        role: Role,
        /// The appointment.
        appointment: AppointmentId,
    },
    /// The waiting room is not open yet.
    TooEarly {
        /// Time at which it opens.
        opens: Timestamp,
    },
    /// The join window of the visit has closed.
    Closed,
    /// The appointment was cancelled.
    Cancelled,
    /// The action requires the front desk or an administrator, or a token with more scopes.
    NotAllowed,
    /// The token endpoint refused to issue an access token.
    Token(TokenFault),
    /// CometChat is not configured.
    NoCometChat,
    /// A request to CometChat failed.
    CometChat,
    /// A guest, interpreter or observer asked for a CometChat call, which connects only patient and provider.
    CallForTwo,
    /// The caller asked for a token for another user.
    ForAnotherUser,
    /// The OpenID provider is not responding correctly.
    IdentityProvider,
    /// The OpenID Connect callback could not be completed.
    NotLetIn,
    /// The OpenID provider's user has no local account that may be linked to that identity.
    NotConnected,
    /// The passkey assertion was rejected.
    PasskeyRefused,
    /// The password given to confirm an action is wrong.
    WrongPassword,
    /// The user may not turn two-factor authentication off because it is required for the account.
    SecondStepRequired,
    /// The webhook's HTTP Basic credentials are wrong.
    WebhookRefused,
    /// The link was already used on another device.
    LinkUsed,
    /// The request came from a page of another origin.
    CrossOrigin,
    /// The request is malformed.
    BadRequest(&'static str),
    /// The idempotency key was already used for a different request.
    KeyReused,
    /// The request conflicts with the current state of the resource.
    Conflict(&'static str),
    /// The request body is too large.
    TooLarge,
    /// The media type of the request body is not supported.
    UnsupportedMediaType,
    /// The HTTP method is not supported at this path.
    MethodNotAllowed,
    /// The client took too long to send the request.
    RequestTimeout,
    /// A rate limit was exceeded.
    TooManyAttempts {
        /// Seconds until the next attempt is accepted.
        retry_after: u64,
    },
    /// The server is temporarily overloaded.
    Busy,
    /// An internal error. Details are logged and never included in the response.
    Internal,
}

/// RFC 9457 problem details, with the `success` member of the base contract.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Problem {
    /// Always `false`.
    pub success: bool,
    /// Stable problem type, as a relative URI reference.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Short summary of the problem.
    pub title: &'static str,
    /// HTTP status code.
    pub status: u16,
    /// Human-readable explanation: what happened and what to do next.
    pub detail: String,
    /// Same as `title`, for clients of the base contract.
    pub error: &'static str,
}

/// Reason that no access token is issued (RFC 6749, section 5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenFault {
    /// `invalid_client`: wrong or missing client credentials.
    Client,
    /// `invalid_request`, with the reason.
    Request(&'static str),
    /// `unsupported_grant_type`.
    GrantType,
    /// `invalid_scope`.
    Scope,
}

/// Error response of the token endpoint: RFC 6749, section 5.2, plus the members of every other problem.
#[derive(Serialize, ToSchema)]
pub(crate) struct TokenProblem {
    /// `invalid_client`, `invalid_request`, `unsupported_grant_type` or `invalid_scope`.
    pub error: &'static str,
    /// Human-readable explanation: what happened and what to do next.
    pub error_description: String,
    /// Always `false`.
    pub success: bool,
    /// Stable problem type, as a relative URI reference.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Short summary of the problem.
    pub title: &'static str,
    /// HTTP status code.
    pub status: u16,
    /// Same as `error_description`.
    pub detail: String,
}

impl TokenFault {
    fn problem(self, Problem { success, kind, title, status, detail, error: _ }: Problem) -> TokenProblem {
        let error = match self {
            Self::Client => "invalid_client",
            Self::Request(_) => "invalid_request",
            Self::GrantType => "unsupported_grant_type",
            Self::Scope => "invalid_scope",
        };
        TokenProblem { error, error_description: detail.clone(), success, kind, title, status, detail }
    }
}

impl Error {
    /// Returns the status, the stable type, the title and the human-readable detail.
    fn parts(&self) -> (StatusCode, &'static str, &'static str, &'static str) {
        match self {
            Self::NotSignedIn => (
                StatusCode::UNAUTHORIZED,
                "/problems/not-signed-in",
                "You are not signed in",
                "Sign in, then try again.",
            ),
            Self::NotFound => (
                StatusCode::NOT_FOUND,
                "/problems/not-found",
                "Not found",
                "This page does not exist, or you can't open it. Check the address, or go to your appointments.",
            ),
            Self::NoAppointmentId => (
                StatusCode::BAD_REQUEST,
                "/problems/no-appointment-id",
                "No appointment ID provided",
                "Open the visit from your appointments or from your link.",
            ),
            Self::WrongRole { role: Role::Patient | Role::Guest | Role::Interpreter | Role::Observer, .. } => (
                StatusCode::FORBIDDEN,
                "/problems/wrong-role",
                "This page is for the provider of this visit",
                "Go to your own page for this visit.",
            ),
            Self::WrongRole { role: Role::Provider, .. } => (
                StatusCode::FORBIDDEN,
                "/problems/wrong-role",
                "This page is for the patient of this visit",
                "Go to your own page for this visit.",
            ),
            Self::TooEarly { .. } => (
                StatusCode::FORBIDDEN,
                "/problems/too-early",
                "It is a little early",
                "The waiting room is not open yet. Come back closer to the time of your visit.",
            ),
            Self::Closed => (
                StatusCode::FORBIDDEN,
                "/problems/closed",
                "The time for this visit has passed",
                "If you still need to be seen, ask the clinic for a new appointment.",
            ),
            Self::Cancelled => (
                StatusCode::FORBIDDEN,
                "/problems/cancelled",
                "This appointment was cancelled",
                "If you still need to be seen, ask the clinic for a new appointment.",
            ),
            Self::NotAllowed => (
                StatusCode::FORBIDDEN,
                "/problems/not-allowed",
                "You don't have permission to do this",
                "Ask the clinic's front desk. An API client needs a token with more scopes.",
            ),
            Self::Token(TokenFault::Client) => (
                StatusCode::UNAUTHORIZED,
                "/problems/client-refused",
                "Wrong client ID or secret",
                "Send the values from `bedside integrator add` by HTTP Basic, or as client_id and client_secret.",
            ),
            Self::Token(TokenFault::Request(detail)) => {
                (StatusCode::BAD_REQUEST, "/problems/bad-request", "Invalid token request", detail)
            }
            Self::Token(TokenFault::GrantType) => (
                StatusCode::BAD_REQUEST,
                "/problems/bad-request",
                "Unsupported grant type",
                "Use grant_type=client_credentials.",
            ),
            Self::Token(TokenFault::Scope) => (
                StatusCode::BAD_REQUEST,
                "/problems/bad-request",
                "Unknown scope",
                "Valid scopes are appointments:read, appointments:write and people:write.",
            ),
            Self::NoCometChat => (
                StatusCode::NOT_FOUND,
                "/problems/no-cometchat",
                "CometChat is not configured",
                "Calls use the clinic's own server.",
            ),
            Self::CometChat => (
                StatusCode::BAD_GATEWAY,
                "/problems/cometchat",
                "The video service is not responding correctly",
                "Try again in a moment. If the problem continues, contact the clinic.",
            ),
            Self::IdentityProvider => (
                StatusCode::BAD_GATEWAY,
                "/problems/provider",
                "The sign-in service is not responding correctly",
                "Try again in a moment, or sign in another way. If the problem continues, contact the clinic.",
            ),
            Self::NotLetIn => (
                StatusCode::FORBIDDEN,
                "/problems/not-let-in",
                "Sign-in failed",
                "Go back to sign-in and try again. Use one browser, and finish within a few minutes.",
            ),
            Self::NotConnected => (
                StatusCode::FORBIDDEN,
                "/problems/not-connected",
                "That account is not connected to one here",
                "If you have a password here, sign in with it, click your name, and connect the accounts. Otherwise \
                 ask the clinic.",
            ),
            Self::PasskeyRefused => (
                StatusCode::FORBIDDEN,
                "/problems/passkey-refused",
                "This passkey does not work here",
                "Try again, use another passkey, or sign in another way.",
            ),
            Self::CallForTwo => (
                StatusCode::FORBIDDEN,
                "/problems/call-for-two",
                "You can't join this call",
                "It uses CometChat, which connects only the patient and the provider. Ask the clinic.",
            ),
            Self::ForAnotherUser => (
                StatusCode::FORBIDDEN,
                "/problems/for-somebody-else",
                "This request is for another user",
                "Send your own user ID, or none.",
            ),
            Self::WebhookRefused => (
                StatusCode::UNAUTHORIZED,
                "/problems/webhook-refused",
                "Wrong name or password",
                "Use HTTP Basic with the name and password of cometchat.webhook.",
            ),
            Self::LinkUsed => (
                StatusCode::FORBIDDEN,
                "/problems/link-used",
                "This link was opened on another device",
                "Continue on that device, or ask the clinic for a new link.",
            ),
            Self::CrossOrigin => (
                StatusCode::FORBIDDEN,
                "/problems/cross-origin",
                "This request came from another site",
                "Open this page at the clinic's own address and try again. If it happens again, contact the clinic. The reason is in the server's log.",
            ),
            Self::BadRequest(detail) => {
                (StatusCode::BAD_REQUEST, "/problems/bad-request", "This request is not valid", detail)
            }
            Self::KeyReused => (
                StatusCode::UNPROCESSABLE_ENTITY,
                "/problems/key-reused",
                "This Idempotency-Key was used for a different request",
                "Use a new key for each request. Repeat a key only to retry the same request.",
            ),
            Self::Conflict(detail) => {
                (StatusCode::CONFLICT, "/problems/conflict", "This is not possible right now", detail)
            }
            Self::TooLarge => {
                (StatusCode::PAYLOAD_TOO_LARGE, "/problems/too-large", "The request is too large", "Send less at once.")
            }
            Self::UnsupportedMediaType => (
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "/problems/unsupported-media-type",
                "Unsupported content type",
                "Send JSON with Content-Type: application/json.",
            ),
            Self::MethodNotAllowed => (
                StatusCode::METHOD_NOT_ALLOWED,
                "/problems/method-not-allowed",
                "Method not allowed",
                "See the documentation at /api.",
            ),
            Self::WrongPassword => (
                StatusCode::FORBIDDEN,
                "/problems/wrong-password",
                "Wrong password",
                "Nothing was changed. Go back and try again.",
            ),
            Self::SecondStepRequired => (
                StatusCode::FORBIDDEN,
                "/problems/second-step-required",
                "Two-factor authentication stays on",
                "This clinic requires two-factor authentication. You can set up another phone.",
            ),
            Self::RequestTimeout => (
                StatusCode::REQUEST_TIMEOUT,
                "/problems/timeout",
                "The request took too long",
                "Check your connection and try again.",
            ),
            Self::TooManyAttempts { .. } => (
                StatusCode::TOO_MANY_REQUESTS,
                "/problems/too-many-attempts",
                "Too many attempts",
                "Wait a minute, then try again.",
            ),
            Self::Busy => (
                StatusCode::SERVICE_UNAVAILABLE,
                "/problems/busy",
                "We are very busy right now",
                "Wait a few seconds, then try again.",
            ),
            Self::Internal => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "/problems/internal",
                "Something went wrong",
                "It is not your fault. Try again in a moment.",
            ),
        }
    }

    /// Returns the RFC 9457 problem document.
    #[must_use]
    pub(crate) fn problem(&self) -> Problem {
        let (status, kind, title, detail) = self.parts();
        let detail = if let Self::TooManyAttempts { retry_after } = self {
            format!("Wait {}, then try again.", in_words(*retry_after))
        } else {
            detail.to_owned()
        };
        Problem { success: false, kind, title, status: status.as_u16(), detail, error: title }
    }

    fn retry_after(&self) -> Option<u64> {
        match self {
            Self::TooManyAttempts { retry_after } => Some(*retry_after),
            Self::Busy => Some(2),
            Self::NotSignedIn
            | Self::NotFound
            | Self::NoAppointmentId
            | Self::WrongRole { .. }
            | Self::TooEarly { .. }
            | Self::Closed
            | Self::Cancelled
            | Self::NotAllowed
            | Self::Token(_)
            | Self::NoCometChat
            | Self::CometChat
            | Self::IdentityProvider
            | Self::NotLetIn
            | Self::NotConnected
            | Self::PasskeyRefused
            | Self::CallForTwo
            | Self::ForAnotherUser
            | Self::WebhookRefused
            | Self::WrongPassword
            | Self::SecondStepRequired
            | Self::LinkUsed
            | Self::CrossOrigin
            | Self::BadRequest(_)
            | Self::Conflict(_)
            | Self::KeyReused
            | Self::TooLarge
            | Self::UnsupportedMediaType
            | Self::MethodNotAllowed
            | Self::RequestTimeout
            | Self::Internal => None,
        }
    }
}

/// Formats a waiting time in words.
fn in_words(seconds: u64) -> String {
    match seconds {
        0..=1 => "a second".to_owned(),
        2..=59 => format!("{seconds} seconds"),
        60..=89 => "a minute".to_owned(),
        _ => format!("{} minutes", seconds.div_ceil(60)),
    }
}

impl IntoResponse for Error {
    /// Responds with `application/problem+json`. The error is also kept as a response extension, from which page routes
    /// render an HTML page.
    fn into_response(self) -> Response {
        let (status, ..) = self.parts();
        let mut response = if let Self::Token(fault) = &self {
            (status, Json(fault.problem(self.problem()))).into_response()
        } else {
            (status, Json(self.problem())).into_response()
        };
        let headers = response.headers_mut();
        if !matches!(self, Self::Token(_)) {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        }
        if let Some(seconds) = self.retry_after() {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        // RFC 9110, section 11.6.1, requires a challenge with 401.
        if self == Self::WebhookRefused {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"webhooks\""));
        }
        if self == Self::Token(TokenFault::Client) {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"clients\""));
        }
        response.extensions_mut().insert(self);
        response
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "database error on request");
        // Retrying helps only if another connection held the database lock.
        if matches!(error, StoreError::Busy) { Self::Busy } else { Self::Internal }
    }
}

impl From<PersonFault> for Error {
    fn from(fault: PersonFault) -> Self {
        Self::BadRequest(fault.words())
    }
}

impl From<CancelFault> for Error {
    fn from(fault: CancelFault) -> Self {
        match fault {
            CancelFault::Missing => Self::NotFound,
            CancelFault::Store(error) => error.into(),
            CancelFault::Status(_) | CancelFault::UnderWay => Self::Conflict(fault.words()),
        }
    }
}

impl From<CometChatError> for Error {
    fn from(error: CometChatError) -> Self {
        tracing::error!(%error, remedy = error.remedy(), "CometChat request failed");
        Self::CometChat
    }
}

impl From<getrandom::Error> for Error {
    fn from(error: getrandom::Error) -> Self {
        tracing::error!(%error, "no random numbers available");
        Self::Internal
    }
}

impl From<askama::Error> for Error {
    fn from(error: askama::Error) -> Self {
        tracing::error!(%error, "cannot render page");
        Self::Internal
    }
}

impl From<PasswordError> for Error {
    fn from(error: PasswordError) -> Self {
        match error {
            PasswordError::Busy => Self::Busy,
            PasswordError::TooShort | PasswordError::TooLong => {
                Self::BadRequest("Use a password of 15 to 1024 characters.")
            }
            PasswordError::TooEasy => {
                Self::BadRequest("This password is easy to guess. Use four or more unrelated words.")
            }
            PasswordError::Failed(error) => {
                tracing::error!(%error, "password hashing failed");
                Self::Internal
            }
        }
    }
}

/// Responds with 503 when this instance must not receive new visits.
pub(crate) fn not_serving(body: impl IntoResponse) -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, body).into_response()
}

/// Status of a request that exceeded its time limit.
pub(crate) const TIMED_OUT: StatusCode = StatusCode::REQUEST_TIMEOUT;

/// Returns the error that corresponds to a rejection generated by a library. `None` for other responses.
pub(crate) fn of_library(response: &Response) -> Option<Error> {
    if response.extensions().get::<Error>().is_some() {
        return None;
    }
    match response.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Some(Error::TooLarge),
        StatusCode::UNSUPPORTED_MEDIA_TYPE => Some(Error::UnsupportedMediaType),
        StatusCode::REQUEST_TIMEOUT => Some(Error::RequestTimeout),
        StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY => {
            Some(Error::BadRequest("Something in the request is missing or malformed."))
        }
        _ => None,
    }
}

/// Converts a permission denial about an appointment into an [`Error`].
pub(crate) fn denied(denial: Denial, appointment: AppointmentId) -> Error {
    match denial {
        Denial::NotFound => Error::NotFound,
        Denial::WrongRole { role } => Error::WrongRole { role, appointment },
        Denial::TooEarly { opens } => Error::TooEarly { opens },
        Denial::Closed => Error::Closed,
        Denial::Cancelled => Error::Cancelled,
        Denial::NotAllowed => Error::NotAllowed,
    }
}
