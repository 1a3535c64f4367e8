//! The document that the CometChat SDKs run in, embedded as a frame in the call page. The SDKs need a weaker
//! Content-Security-Policy than any other page has.

use askama::Template;
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::Html;

use crate::app::App;
use crate::auth::Identities;
use crate::config::CometChatConfig;
use crate::http::error::Error;
use crate::pages::render;

#[derive(Template)]
#[template(path = "cometchat.html")]
struct FramePage {
    script: String,
}

type Policy = [(HeaderName, HeaderValue); 1];

/// `GET /call/cometchat`.
pub(crate) async fn frame(State(app): State<App>, identities: Identities) -> Result<(Policy, Html<String>), Error> {
    let config = app.config.cometchat.as_ref().ok_or(Error::NotFound)?;
    if identities.iter().next().is_none() {
        return Err(Error::NotSignedIn);
    }
    let page = render(&FramePage { script: app.assets.address("cometchat.js") })?;
    let policy = HeaderValue::try_from(policy(config)).map_err(|_| Error::Internal)?;
    Ok(([(header::CONTENT_SECURITY_POLICY, policy)], page))
}

/// Returns the Content-Security-Policy of the frame. The calls SDK uses `eval` and inline styles. It also tries to
/// load files from a CDN and a font service, but works without them.
fn policy(config: &CometChatConfig) -> String {
    let hosts = match &config.client_host {
        Some(host) => {
            let name = host.split(':').next().unwrap_or(host);
            let under = host.replacen(name, &format!("*.{name}"), 1);
            format!("https://{host} wss://{host} https://{under} wss://{under}")
        }
        None => "https://*.cometchat.io wss://*.cometchat.io".to_owned(),
    };
    format!(
        "default-src 'none'; script-src 'self' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; \
         img-src 'self' data: blob: https:; connect-src 'self' {hosts}; media-src 'self' blob:; \
         font-src 'self' data:; worker-src 'self' blob:; form-action 'none'; base-uri 'none'; object-src 'none'; \
         frame-ancestors 'self'"
    )
}
