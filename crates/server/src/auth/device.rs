//! Derives a device description that users recognize from the `User-Agent` header.

use std::time::Duration;

use axum::http::{HeaderMap, header};

/// How long a request to join with a used link from another device is valid.
pub(crate) const DEVICE_REQUEST_EXPIRES: Duration = Duration::from_secs(600);

/// Order matters: later browsers' tokens also appear in the `User-Agent` of earlier ones.
const BROWSERS: [(&str, &str); 6] = [
    ("Edg", "Edge"),
    ("SamsungBrowser", "Samsung Internet"),
    ("Firefox", "Firefox"),
    ("FxiOS", "Firefox"),
    ("Chrome", "Chrome"),
    ("Safari", "Safari"),
];
const SYSTEMS: [(&str, &str); 7] = [
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("CrOS", "ChromeOS"),
    ("Windows", "Windows"),
    ("Mac OS X", "Mac"),
    ("Linux", "Linux"),
];

/// Returns a description such as "Firefox on Windows", or `None` if the `User-Agent` is not recognized. The header is
/// client-controlled, so use the description for display only.
pub(crate) fn device_of(headers: &HeaderMap) -> Option<String> {
    let said = headers.get(header::USER_AGENT)?.to_str().ok()?;
    let find =
        |known: &[(&str, &'static str)]| known.iter().find(|(mark, _)| said.contains(mark)).map(|(_, name)| *name);
    match (find(&BROWSERS), find(&SYSTEMS)) {
        (Some(browser), Some(system)) => Some(format!("{browser} on {system}")),
        (Some(one), None) | (None, Some(one)) => Some(one.to_owned()),
        (None, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn browsers_are_named_as_people_know_them() {
        let of = |said: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::USER_AGENT, HeaderValue::from_static(said));
            device_of(&headers)
        };
        let mac = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Safari/605.1.15";
        assert_eq!(of(mac).as_deref(), Some("Safari on Mac"));
        let phone = "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Mobile Safari/537.36";
        assert_eq!(of(phone).as_deref(), Some("Chrome on Android"));
        let edge = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36 Edg/131.0";
        assert_eq!(of(edge).as_deref(), Some("Edge on Windows"));
        assert_eq!(of("curl/8.0"), None);
        assert_eq!(device_of(&HeaderMap::new()), None);
    }
}
