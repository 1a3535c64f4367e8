//! An HTTP client that behaves like a browser: it keeps cookies, sends its origin, and follows no redirects.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use reqwest::header::{
    AUTHORIZATION, CONTENT_TYPE, COOKIE, HeaderMap, HeaderName, HeaderValue, LOCATION, ORIGIN, SET_COOKIE,
};
use reqwest::{Method, redirect};
use serde_json::Value;

use super::clinic::{Account, PASSWORD};
use super::site::Site;
use super::soon;

/// One browser, with its cookies by name.
pub(crate) struct Client {
    http: reqwest::Client,
    url: String,
    origin: String,
    cookies: Mutex<BTreeMap<String, String>>,
    /// An access token if the client is an integrator, which sends no origin.
    bearer: Option<String>,
    urls: Mutex<Vec<String>>,
}

/// A response.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

/// A request under construction.
pub(crate) struct Request<'a> {
    client: &'a Client,
    method: Method,
    path: String,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Client {
    pub(crate) fn new(site: &impl Site) -> Self {
        let http = reqwest::Client::builder()
            .redirect(redirect::Policy::none())
            .no_proxy()
            .resolve("localhost", site.address())
            .build()
            .expect("a client");
        Self {
            http,
            url: site.url().to_owned(),
            origin: site.origin().to_owned(),
            cookies: Mutex::default(),
            bearer: None,
            urls: Mutex::default(),
        }
    }

    /// Returns another browser with the same cookies, like an attacker who stole them.
    pub(crate) fn with_same_cookies(&self) -> Self {
        let cookies = Mutex::new(self.cookies());
        Self {
            http: self.http.clone(),
            url: self.url.clone(),
            origin: self.origin.clone(),
            cookies,
            bearer: self.bearer.clone(),
            urls: Mutex::default(),
        }
    }

    /// Returns an integrator with an access token.
    pub(crate) fn with_token(mut self, token: &str) -> Self {
        self.bearer = Some(token.to_owned());
        self
    }

    /// Returns the access token if this is an integrator.
    pub(crate) fn token(&self) -> Option<&str> {
        self.bearer.as_deref()
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> Request<'_> {
        let mut headers = HeaderMap::new();
        if let Some(token) = &self.bearer {
            headers.insert(AUTHORIZATION, header_value(&format!("Bearer {token}")));
        } else if !matches!(method, Method::GET | Method::HEAD) {
            headers.insert(ORIGIN, header_value(&self.origin));
        }
        Request { client: self, method, path: path.to_owned(), headers, body: Vec::new() }
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.request(Method::GET, path).send().await
    }

    /// Sends a form.
    pub(crate) async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Reply {
        self.request(Method::POST, path).form(fields).send().await
    }

    pub(crate) async fn post_json(&self, path: &str, body: &Value) -> Reply {
        self.request(Method::POST, path).json(body).send().await
    }

    /// Signs in and asserts that it succeeds.
    pub(crate) async fn sign_in(&self, account: &Account) {
        let reply = self.try_sign_in(&account.email, PASSWORD).await;
        assert_eq!((reply.status, reply.location()), (303, Some("/")), "{}", reply.body);
    }

    pub(crate) async fn try_sign_in(&self, email: &str, password: &str) -> Reply {
        self.post("/sign-in", &[("email", email), ("password", password)]).await
    }

    /// Opens a patient link, presses "Join visit", and asserts that it succeeds.
    pub(crate) async fn join_by_link(&self, link: &str) {
        let path = link.strip_prefix(&self.origin).expect("a link to this server").to_owned();
        let shown = self.get(&path).await;
        assert_eq!(shown.status, 200, "{}", shown.body);
        let joined = self.post(&path, &[]).await;
        assert_eq!(joined.status, 303, "{}", joined.body);
        assert!(!joined.location().is_some_and(|to| to.starts_with("/v/")), "let in: {joined:?}");
    }

    /// Opens a link's page and submits its form.
    pub(crate) async fn open_and_press(&self, path: &str) -> Reply {
        self.get(path).await;
        self.post(path, &[]).await
    }

    /// Returns the only link cookie of this browser.
    pub(crate) fn link_cookie(&self) -> (String, String) {
        let of_links = self.cookies().into_iter().filter(|(name, _)| name.contains("bedside-visit-"));
        let found: Vec<_> = of_links.collect();
        assert_eq!(found.len(), 1, "{found:?}");
        found.into_iter().next().expect("one")
    }

    pub(crate) fn cookies(&self) -> BTreeMap<String, String> {
        self.cookies.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set_cookie(&self, name: &str, value: &str) {
        self.cookies.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), value.to_owned());
    }

    /// Returns the value of the `Cookie` header.
    pub(crate) fn cookie_header(&self) -> String {
        self.cookies().iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
    }

    /// Returns every address that was requested, redirected to, or found in a page.
    pub(crate) fn urls(&self) -> Vec<String> {
        self.urls.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn saw(&self, path: &str, reply: &Reply) {
        let attributes = ["href=\"", "src=\"", "action=\""];
        let in_page = attributes.iter().flat_map(|mark| reply.body.split(mark).skip(1));
        let in_page = in_page.filter_map(|rest| rest.split('"').next());
        let all = [path].into_iter().chain(reply.location()).chain(in_page).map(str::to_owned);
        self.urls.lock().unwrap_or_else(PoisonError::into_inner).extend(all);
    }

    fn keep(&self, headers: &HeaderMap) {
        let mut cookies = self.cookies.lock().unwrap_or_else(PoisonError::into_inner);
        for cookie in headers.get_all(SET_COOKIE) {
            let text = cookie.to_str().expect("a plain cookie");
            let (pair, attributes) = text.split_once(';').unwrap_or((text, ""));
            let (name, value) = pair.split_once('=').expect("name and value");
            if attributes.contains("Max-Age=0") {
                cookies.remove(name);
            } else {
                cookies.insert(name.to_owned(), value.to_owned());
            }
        }
    }
}

impl Request<'_> {
    /// Sets the origin of the requesting page. `None` sends no origin.
    pub(crate) fn origin(mut self, origin: Option<&str>) -> Self {
        self.headers.remove(ORIGIN);
        match origin {
            Some(origin) => self.header("origin", origin),
            None => self,
        }
    }

    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.insert(HeaderName::from_static(name), header_value(value));
        self
    }

    pub(crate) fn form(self, fields: &[(&str, &str)]) -> Self {
        let pairs: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
        self.body("application/x-www-form-urlencoded", pairs.join("&"))
    }

    pub(crate) fn json(self, body: &Value) -> Self {
        self.body("application/json", body.to_string())
    }

    pub(crate) fn body(mut self, media_type: &'static str, body: impl Into<Vec<u8>>) -> Self {
        self.headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
        self.body = body.into();
        self
    }

    pub(crate) async fn send(mut self) -> Reply {
        let client = self.client;
        let cookies = client.cookie_header();
        if !cookies.is_empty() {
            self.headers.insert(COOKIE, header_value(&cookies));
        }
        let what = format!("{} {}", self.method, self.path);
        let request = client.http.request(self.method, format!("{}{}", client.url, &self.path));
        let request = request.headers(self.headers).body(self.body);
        soon(&what, async {
            let response = request.send().await.expect(&what);
            client.keep(response.headers());
            let (status, headers) = (response.status().as_u16(), response.headers().clone());
            let reply = Reply { status, headers, body: response.text().await.expect("a body of text") };
            client.saw(&self.path, &reply);
            reply
        })
        .await
    }
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().expect("a plain header"))
    }

    pub(crate) fn location(&self) -> Option<&str> {
        self.header(LOCATION.as_str())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("invalid JSON ({error}): {}", self.body))
    }

    /// Returns the type of the problem, and asserts that the problem is well-formed.
    pub(crate) fn problem(&self) -> String {
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{}", self.body);
        let problem = self.json();
        assert_eq!(problem["success"], false, "{problem}");
        assert_eq!(problem["status"], self.status, "{problem}");
        for member in ["title", "detail", "error"] {
            assert!(problem[member].as_str().is_some_and(|text| !text.is_empty()), "{member}: {problem}");
        }
        let kind = problem["type"].as_str().expect("a type");
        kind.strip_prefix("/problems/").expect("a type under /problems/").to_owned()
    }

    /// Returns whether this is an HTML page.
    pub(crate) fn is_page(&self) -> bool {
        self.header("content-type") == Some("text/html; charset=utf-8") && self.body.starts_with("<!doctype html>")
    }
}

fn header_value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).expect("fit for a header")
}

/// Encodes text for a form.
fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
        out
    })
}
