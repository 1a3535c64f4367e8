//! All HTTP routes and the middleware around them.

use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{delete, get, post, put};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::timeout::TimeoutLayer;

use crate::app::App;
use crate::auth::refuse_foreign_origins;
use crate::http::assets;
use crate::http::error::{self, Error};
use crate::http::request_id::identify_requests;
use crate::http::timing::count_requests;
use crate::telemetry::{health, metrics};
use crate::{api, pages, signalling};

/// Maximum size of a form or an API request body, in bytes.
const MAX_BODY: usize = 64 * 1024;
/// Request timeout. Does not apply to WebSockets.
const REQUEST_TIME: Duration = Duration::from_secs(20);

/// Builds the router with all routes and middleware.
pub(crate) fn router(app: App) -> Router {
    let pages = Router::new()
        .route("/", get(pages::clinic::dashboard::show))
        .route("/sign-in", get(pages::sign_in::show).post(pages::sign_in::submit))
        .route("/sign-in/code", get(pages::sign_in::code::show).post(pages::sign_in::code::submit))
        .route("/sign-in/forgotten", get(pages::sign_in::reset::forgotten).post(pages::sign_in::reset::ask))
        .route("/sign-in/provider", get(pages::sign_in::identity_provider::go))
        .route("/sign-in/provider/back", get(pages::sign_in::identity_provider::back))
        .route("/reset", get(pages::sign_in::reset::show).post(pages::sign_in::reset::submit))
        .route("/reset/{token}", get(pages::sign_in::reset::open))
        .route("/sign-out", post(pages::sign_in::sign_out))
        .route("/account", get(pages::account::show))
        .route("/account/password", post(pages::account::change_password))
        .route("/account/second-step", get(pages::account::two_factor::offer).post(pages::account::two_factor::add))
        .route("/account/second-step/remove", post(pages::account::two_factor::remove))
        .route("/account/provider", post(pages::sign_in::identity_provider::go_to_connect))
        .route("/account/provider/remove", post(pages::sign_in::identity_provider::disconnect))
        .route("/account/passkeys/remove", post(pages::account::passkeys::remove))
        .route("/account/sign-ins", post(pages::account::end_sign_ins))
        .route("/desk", get(pages::clinic::desk::show))
        .route("/book", get(pages::clinic::book::show).post(pages::clinic::book::submit))
        .route("/booking/{id}", get(pages::clinic::booking::show))
        .route("/booking/{id}/link", post(pages::clinic::booking::make_link))
        .route("/booking/{id}/revoke", post(pages::clinic::booking::take_away))
        .route("/booking/{id}/admissions", post(pages::clinic::booking::admit))
        .route("/booking/{id}/companions", post(pages::clinic::booking::accompany))
        .route("/booking/{id}/cancel", post(pages::clinic::booking::cancel))
        .route("/people", get(pages::clinic::people::show).post(pages::clinic::people::set_standing))
        .route("/v/{token}", get(pages::visit::invite::show).post(pages::visit::invite::join))
        .route("/appointment/{id}", get(pages::visit::call::by_role))
        .route("/video-call/patient", get(pages::visit::call::patient))
        .route("/video-call/provider", get(pages::visit::call::provider))
        .route("/call/cometchat", get(pages::visit::cometchat::frame))
        .route("/ended", get(pages::visit::ended::show))
        .route("/api", get(pages::api_docs::show))
        .route("/demo/{token}", get(pages::sign_in::demo::show).post(pages::sign_in::demo::enter));
    let api = Router::new()
        .route("/api/appointments/{id}", get(api::appointments::get))
        .route("/api/appointments", get(api::bookings::list).post(api::bookings::create))
        .route("/api/appointments/{id}/cancel", post(api::bookings::cancel))
        .route("/api/appointments/{id}/invites", post(api::invites::create))
        .route("/api/appointments/{id}/invites/{user}", delete(api::invites::revoke))
        .route("/api/appointments/{id}/admissions/{admission}", post(api::invites::answer))
        .route("/api/appointments/{id}/companions", post(api::invites::accompany))
        .route("/api/people", get(api::people::list).post(api::people::create))
        .route("/api/people/{id}/standing", put(api::people::set_standing))
        .route("/api/appointments/{id}/signalling", get(signalling::upgrade))
        .route("/api/cometchat/user", post(api::cometchat::user))
        .route("/api/openapi.json", get(api::openapi))
        .route("/sign-in/passkey/options", post(pages::account::passkeys::ask))
        .route("/sign-in/passkey", post(pages::account::passkeys::enter))
        .route("/account/passkeys/options", post(pages::account::passkeys::offer))
        .route("/account/passkeys", post(pages::account::passkeys::add))
        .route("/assets/{name}", get(assets::get))
        .route("/livez", get(health::live))
        .route("/readyz", get(health::ready))
        .route("/healthz", get(health::report));
    // Called by servers, not by pages: these endpoints authenticate by other means than the request's origin.
    let servers = Router::new()
        .route("/api/token", post(api::token::create))
        .route("/api/webhooks/cometchat", post(api::cometchat::webhook))
        // Other methods get the not-found response, although axum still sends an `Allow` header.
        .route("/metrics", get(metrics::show).fallback(pages::error::not_found));
    // Requests rejected before they reach a page handler are rendered as an error page too.
    let pages = guarded(pages, &app).layer(from_fn_with_state(app.clone(), pages::error::as_page));
    pages
        .merge(guarded(api, &app))
        .merge(bounded(servers))
        .fallback(pages::error::not_found)
        .layer(from_fn_with_state(app.clone(), security_headers))
        .layer(from_fn_with_state(app.clone(), count_requests))
        .layer(from_fn(identify_requests))
        .with_state(app)
}

/// Adds the middleware that browser routes share: limits, problem responses and the same-origin check.
fn guarded(routes: Router<App>, app: &App) -> Router<App> {
    bounded(
        routes
            .method_not_allowed_fallback(|| async { Error::MethodNotAllowed })
            .layer(from_fn_with_state(app.clone(), refuse_foreign_origins)),
    )
}

/// Limits request size and time, and turns panics and library errors into problem responses.
fn bounded(routes: Router<App>) -> Router<App> {
    routes
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(TimeoutLayer::with_status_code(error::TIMED_OUT, REQUEST_TIME))
        .layer(CatchPanicLayer::custom(|_| Error::Internal.into_response()))
        .layer(from_fn(problems_everywhere))
}

/// Replaces error responses of axum with problem responses.
async fn problems_everywhere(request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    match error::of_library(&response) {
        Some(error) => error.into_response(),
        None => response,
    }
}

/// Returns the Content-Security-Policy of a page, with `more` appended. The WebSocket origins are listed because
/// older versions of Safari do not apply `'self'` to WebSockets.
pub(crate) fn content_security_policy(app: &App, more: &str) -> HeaderValue {
    let sockets = app.origins.iter().map(|origin| origin.replacen("http", "ws", 1)).collect::<Vec<_>>().join(" ");
    let policy = POLICY.replacen("connect-src 'self'", &format!("connect-src 'self' {sockets}"), 1);
    HeaderValue::try_from(policy + more).unwrap_or(HeaderValue::from_static(POLICY))
}

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
    connect-src 'self'; media-src 'self' blob:; font-src 'self'; form-action 'self'; base-uri 'none'; \
    object-src 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; \
    trusted-types lit-html bedside-page bedside-worker";

/// The Permissions-Policy: device features that pages may use, and features disabled for all scripts.
const PERMISSIONS: &str = "camera=(self), microphone=(self), display-capture=(self), screen-wake-lock=(self), \
    clipboard-write=(self), autoplay=(self), fullscreen=(self), picture-in-picture=(self), \
    publickey-credentials-create=(self), publickey-credentials-get=(self), \
    accelerometer=(), browsing-topics=(), clipboard-read=(), encrypted-media=(), gamepad=(), geolocation=(), \
    gyroscope=(), hid=(), identity-credentials-get=(), idle-detection=(), local-fonts=(), magnetometer=(), midi=(), \
    payment=(), serial=(), storage-access=(), usb=(), window-management=(), xr-spatial-tracking=()";

/// Adds the security headers to every response, including errors.
async fn security_headers(State(app): State<App>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    let fixed = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // Not `no-referrer`, which would clear the `Origin` header of same-origin forms (Fetch, "append a request
        // Origin header").
        (header::REFERRER_POLICY, "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (HeaderName::from_static("permissions-policy"), PERMISSIONS),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if app.config.cometchat.is_none() {
        // With COEP, every frame must send the same header, and the CometChat frame loads images from hosts that do
        // not send CORP.
        headers
            .insert(HeaderName::from_static("cross-origin-embedder-policy"), HeaderValue::from_static("require-corp"));
    }
    if !headers.contains_key(header::CONTENT_SECURITY_POLICY) {
        headers.insert(header::CONTENT_SECURITY_POLICY, content_security_policy(&app, ""));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    if app.config.server.is_secure() {
        let year = HeaderValue::from_static("max-age=31536000; includeSubDomains");
        headers.insert(header::STRICT_TRANSPORT_SECURITY, year);
    }
    response
}
