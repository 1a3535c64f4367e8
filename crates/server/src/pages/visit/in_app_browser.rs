//! Detects links opened in an in-app browser. Most of these do not allow camera access, so the page shows how to open
//! a real browser before the link is used.

use std::sync::LazyLock;

use axum::http::{HeaderMap, header};
use serde::Deserialize;

/// Where to open a link instead.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::pages) struct Elsewhere {
    /// The app whose in-app browser shows the page.
    pub(in crate::pages) app: String,
    /// The browser that comes with the phone's operating system.
    pub(in crate::pages) browser: &'static str,
    /// A URL that opens the link in that browser, if the platform supports one.
    pub(in crate::pages) open: Option<String>,
}

/// A `User-Agent` substring that identifies an app.
#[derive(Deserialize)]
struct Mark {
    mark: String,
    name: String,
}

/// The list of in-app browsers, shared with the web client.
static MARKS: LazyLock<Vec<Mark>> = LazyLock::new(|| {
    let list = include_str!("../../../../../web/src/devices/in_app.json");
    serde_json::from_str(list).expect("the embedded list is valid, as a test checks")
});

impl Elsewhere {
    /// Detects an in-app browser from the request headers of the page at `url`. Returns `None` for other browsers.
    pub(in crate::pages) fn of(headers: &HeaderMap, url: &str) -> Option<Self> {
        let agent = headers.get(header::USER_AGENT)?.to_str().ok()?;
        let app = app_of(agent)?;
        let (browser, open) = if is_apple(agent) {
            ("Safari", ios_version(agent).filter(|version| *version >= 17).map(|_| format!("x-safari-{url}")))
        } else if agent.contains("Android") {
            ("Chrome", intent(url))
        } else {
            ("your browser", None)
        };
        Some(Self { app, browser, open })
    }
}

fn app_of(agent: &str) -> Option<String> {
    if let Some(found) = MARKS.iter().find(|known| agent.contains(&known.mark)) {
        return Some(found.name.clone());
    }
    // On iOS, every real browser has "Safari" in its `User-Agent`; in-app web views do not.
    let inside = is_apple(agent) && agent.contains("AppleWebKit/") && !agent.contains("Safari/");
    inside.then(|| "another app".to_owned())
}

fn is_apple(agent: &str) -> bool {
    ["iPhone", "iPad", "iPod"].iter().any(|device| agent.contains(device))
}

/// Returns the major iOS version, for example 17 from "CPU iPhone OS 17_4 like Mac OS X".
fn ios_version(agent: &str) -> Option<u32> {
    let (_, after) = agent.split_once(" OS ")?;
    after.split(['_', ' ', ';']).next()?.parse().ok()
}

/// Returns an Android intent URL that opens the address in Chrome. Nothing happens if Chrome is not installed.
fn intent(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    Some(format!("intent://{rest}#Intent;scheme={scheme};package=com.android.chrome;end"))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    const IPHONE: &str =
        "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)";

    fn of(agent: &str) -> Option<Elsewhere> {
        let mut headers = HeaderMap::new();
        headers.insert(header::USER_AGENT, HeaderValue::try_from(agent).expect("a header"));
        Elsewhere::of(&headers, "https://visits.example/v/abc")
    }

    #[test]
    fn an_iphone_app_leads_to_safari() {
        let found = of(&format!("{IPHONE} Mobile/15E148 [FBAN/FBIOS;FBAV/480.0]")).expect("an app");
        assert_eq!((found.app.as_str(), found.browser), ("Facebook", "Safari"));
        assert_eq!(found.open.as_deref(), Some("x-safari-https://visits.example/v/abc"));
        let unnamed = of(&format!("{IPHONE} Mobile/15E148")).expect("an app");
        assert_eq!(unnamed.app, "another app");
        let old = of("Mozilla/5.0 (iPhone; CPU iPhone OS 16_7 like Mac OS X) AppleWebKit/605.1.15 Instagram 300.0");
        assert_eq!(old.expect("an app").open, None, "nothing opens Safari there but the person");
    }

    #[test]
    fn an_android_app_leads_to_chrome() {
        let found = of(
            "Mozilla/5.0 (Linux; Android 14; Pixel 8 Build/UQ1A; wv) AppleWebKit/537.36 Chrome/130.0 Mobile Safari/537.36",
        );
        let open = "intent://visits.example/v/abc#Intent;scheme=https;package=com.android.chrome;end";
        let expected = Elsewhere { app: "another app".to_owned(), browser: "Chrome", open: Some(open.to_owned()) };
        assert_eq!(found, Some(expected));
    }

    #[test]
    fn a_browser_is_left_alone() {
        assert_eq!(of(&format!("{IPHONE} Version/18.1 Mobile/15E148 Safari/604.1")), None);
        assert_eq!(
            of("Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 Chrome/130.0 Mobile Safari/537.36"),
            None
        );
        assert_eq!(of("curl/8"), None);
    }
}
