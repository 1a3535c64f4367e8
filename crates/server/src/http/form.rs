//! HTML form bodies.

use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, Request};
use axum::http::{Method, header};
use axum::response::{IntoResponse as _, Response};
use serde::de::DeserializeOwned;

use crate::http::error::Error;

const UNREADABLE: Error =
    Error::BadRequest("Something in this form is not readable text (UTF-8). Please type it again.");

/// Form extractor that rejects text that is not UTF-8, where the decoder alone would insert replacement characters.
#[derive(Debug)]
pub(crate) struct Form<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Form<T> {
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        let (parts, body) = request.into_parts();
        let is_form = parts.headers.get(header::CONTENT_TYPE).is_some_and(|kind| {
            kind.to_str().is_ok_and(|kind| kind.trim_start().starts_with("application/x-www-form-urlencoded"))
        });
        let body = if parts.method == Method::POST && is_form {
            let whole = Request::from_parts(parts.clone(), body);
            let bytes = Bytes::from_request(whole, state).await.map_err(axum::response::IntoResponse::into_response)?;
            if !is_readable(&bytes) {
                return Err(UNREADABLE.into_response());
            }
            Body::from(bytes)
        } else {
            body
        };
        let form = axum::Form::<T>::from_request(Request::from_parts(parts, body), state).await;
        let axum::Form(form) = form.map_err(axum::response::IntoResponse::into_response)?;
        Ok(Self(form))
    }
}

/// Returns whether the decoded body is valid UTF-8 (URL Standard, section 5.1, without its replacement characters).
fn is_readable(body: &[u8]) -> bool {
    let mut decoded = Vec::with_capacity(body.len());
    let mut rest = body;
    while let Some((first, after)) = rest.split_first() {
        let escaped = (*first == b'%').then(|| after.get(..2).and_then(hex)).flatten();
        decoded.push(escaped.unwrap_or(*first));
        rest = if escaped.is_some() { after.get(2..).unwrap_or_default() } else { after };
    }
    std::str::from_utf8(&decoded).is_ok()
}

fn hex(digits: &[u8]) -> Option<u8> {
    let digits = std::str::from_utf8(digits).ok().filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))?;
    u8::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_utf8_is_told_from_what_is() {
        for good in ["", "name=Ada", "name=Za%c5%bc%C3%B3", "name=%", "name=%zz", "name=%E2%80%AE", "name=Ż"] {
            assert!(is_readable(good.as_bytes()), "{good}");
        }
        for bad in ["name=%ff", "name=%c5", "name=a%C5&other=b", "%ed%a0%80=x"] {
            assert!(!is_readable(bad.as_bytes()), "{bad}");
        }
    }
}
