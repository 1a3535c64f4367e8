//! Cross-site request forgery: commands come from our own pages only.
//!
//! Browsers send `Origin` with every request that is not GET or HEAD, and with every WebSocket
//! opening; a page cannot forge it. Most also say in `Sec-Fetch-Site` whose page it was (Fetch
//! Metadata); neither may say that it was another's. Cookies are `SameSite=Lax` beside that, and JSON
//! endpoints take JSON only. Where there is an access token, cookies count for nothing: such a request is nobody's page's.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::identity::bearer;
use crate::app::App;
use crate::error::Error;

/// Refuses what another site's page sends.
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

/// Whether one of our own pages sent this.
pub(crate) fn is_own(app: &App, headers: &HeaderMap) -> bool {
    let site = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
    let mut origins = headers.get_all(header::ORIGIN).iter();
    match (origins.next(), origins.next()) {
        (Some(origin), None) => {
            // With the referrer policy `no-referrer`, which proxies and add-ons set, a page's own form has the origin `null`
            // (Fetch, section 3.2). A sandboxed frame has it too, and that is `cross-site`.
            if origin.as_bytes() == b"null" {
                return site == Some(b"same-origin");
            }
            // `none` is the person's own doing, such as loading a page again.
            let by_own_page = matches!(site, None | Some(b"same-origin" | b"none"));
            by_own_page && app.origins.iter().any(|own| own.as_bytes() == origin.as_bytes())
        }
        (None, _) => site == Some(b"same-origin"),
        (Some(_), Some(_)) => false,
    }
}
