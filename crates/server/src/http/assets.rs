//! The built browser client, embedded in the binary.

use std::collections::HashMap;

use axum::body::Body;
use axum::extract::Path;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use rust_embed::Embed;

use crate::http::error::Error;

#[derive(Embed)]
#[folder = "../../web/dist"]
#[allow_missing = true]
struct Files;

/// Maps plain file names to content-hashed names.
#[derive(Debug, Clone, Default)]
pub(crate) struct Assets {
    names: HashMap<String, String>,
}

impl Assets {
    /// Loads the client's manifest. Without a client build it is empty, and pages state that the client is not built.
    pub(crate) fn load() -> Self {
        let names = Files::get("manifest.json").and_then(|file| serde_json::from_slice(&file.data).ok());
        Self { names: names.unwrap_or_default() }
    }

    pub(crate) fn is_built(&self) -> bool {
        !self.names.is_empty()
    }

    /// Returns whether a file exists, by its plain name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.names.contains_key(name)
    }

    /// Returns the URL path of a file by its plain name, such as `site.css`.
    pub(crate) fn address(&self, name: &str) -> String {
        format!("/assets/{}", self.names.get(name).map_or(name, String::as_str))
    }
}

/// Serves `GET /assets/{name}`. Names contain a content hash, so responses are cacheable for a year.
pub(crate) async fn get(Path(name): Path<String>, headers: HeaderMap) -> Result<Response, Error> {
    let brotli = headers
        .get_all(header::ACCEPT_ENCODING)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .any(|value| value.split(',').any(|coding| coding.trim().split(';').next() == Some("br")));
    let compressed = if brotli { Files::get(&format!("{name}.br")) } else { None };
    let encoded = compressed.is_some();
    let file = compressed.or_else(|| Files::get(&name)).ok_or(Error::NotFound)?;
    let mut response = Body::from(file.data.into_owned()).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type(&name)));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable"));
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    if encoded {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("br"));
    }
    Ok(response)
}

fn media_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, extension)| extension) {
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("json" | "map") => "application/json",
        _ => "application/octet-stream",
    }
}
