//! Protection against cross-site request forgery: accepts state-changing requests from Bedside's own pages only.
//!
//! Browsers send `Origin` with every request other than GET and HEAD and with every WebSocket handshake, and pages
//! cannot forge it. Most browsers also send `Sec-Fetch-Site` (Fetch Metadata). A request is refused if either header
//! indicates another site. In addition, cookies are `SameSite=Lax`, and JSON endpoints accept JSON only. If a request
//! has an access token, its cookies are ignored, so it needs no origin check.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::bearer::bearer;
use crate::app::App;
use crate::http::error::Error;

/// Refuses state-changing requests from other origins.
pub(crate) async fn refuse_foreign_origins(State(app): State<App>, request: Request, next: Next) -> Response {
    let harmless = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    if harmless || bearer(request.headers()).is_some() || is_own(&app, request.headers()) {
        next.run(request).await
    } else {
        if app.throttle.may_log() {
            let of =
                |name: HeaderName| request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or("none");
            tracing::warn!(
                origin = of(header::ORIGIN),
                sec_fetch_site = of(HeaderName::from_static("sec-fetch-site")),
                expected = app.config.server.public_url,
                "cross-origin request refused: if it came from Bedside's own page, check server.public_url and the headers that a reverse proxy adds or removes"
            );
        }
        Error::CrossOrigin.into_response()
    }
}

/// Returns whether the request was sent by one of Bedside's own pages.
pub(crate) fn is_own(app: &App, headers: &HeaderMap) -> bool {
    let site = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
    let mut origins = headers.get_all(header::ORIGIN).iter();
    match (origins.next(), origins.next()) {
        (Some(origin), None) => {
            // With the referrer policy `no-referrer`, which some proxies and add-ons set, a page's own form has the
            // origin `null` (Fetch, section 3.2). So does a sandboxed frame, but its request is `cross-site`.
            if origin.as_bytes() == b"null" {
                return site == Some(b"same-origin");
            }
            // `none` means that the user initiated the request, for example by reloading a page.
            let by_own_page = matches!(site, None | Some(b"same-origin" | b"none"));
            by_own_page && app.origins.iter().any(|own| own.as_bytes() == origin.as_bytes())
        }
        (None, _) => site == Some(b"same-origin"),
        (Some(_), Some(_)) => false,
    }
}
