//! The REST API: users and their tokens.

use axum::http::{HeaderMap, Method, StatusCode};
use serde_json::{Value, json};

use super::http::{Answer, data, refuse};
use super::{KEY, State, User};

/// Handles a request. `path` has no version prefix.
pub(super) fn answer(state: &mut State, method: &Method, path: &str, headers: &HeaderMap, body: &Value) -> Answer {
    state.asked.push((method.to_string(), path.to_owned(), body.clone()));
    if headers.get("apikey").is_none_or(|key| key != KEY) {
        return refuse(StatusCode::UNAUTHORIZED, "AUTH_ERR_APIKEY_NOT_FOUND");
    }
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    match (method.as_str(), parts.as_slice()) {
        ("GET", ["users"]) => data(json!([])),
        ("POST", ["users"]) => create(state, body),
        ("PUT", ["users"]) => activate(state, body),
        ("GET" | "PUT", ["users", uid]) => one(state, method == Method::PUT, &uid.to_lowercase(), body),
        ("POST", ["users", uid, "auth_tokens"]) => mint(state, &uid.to_lowercase(), body),
        ("DELETE", ["users", uid, "auth_tokens"]) => {
            state.tokens.retain(|_, owner| owner != uid);
            data(json!({ "success": true }))
        }
        _ => refuse(StatusCode::NOT_FOUND, "ERR_NOT_FOUND"),
    }
}

fn create(state: &mut State, body: &Value) -> Answer {
    let uid = body["uid"].as_str().unwrap_or_default().to_lowercase();
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    if uid.is_empty() || uid.len() > 100 || !uid.bytes().all(plain) || body["name"].as_str().is_none() {
        return refuse(StatusCode::BAD_REQUEST, "ERR_BAD_REQUEST");
    }
    if state.users.contains_key(&uid) {
        return refuse(StatusCode::from_u16(state.exists).expect("a status"), "ERR_UID_ALREADY_EXISTS");
    }
    let text = |name: &str| body[name].as_str().map(str::to_owned);
    let user = User { uid: uid.clone(), name: text("name").unwrap_or_default(), avatar: text("avatar"), active: true };
    state.users.insert(uid.clone(), user);
    let mut shown = state.shown(&uid);
    if body["withAuthToken"] == json!(true) {
        shown["authToken"] = json!(state.mint(&uid));
    }
    data(shown)
}

fn activate(state: &mut State, body: &Value) -> Answer {
    for uid in body["uidsToActivate"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if let Some(user) = state.users.get_mut(uid) {
            user.active = true;
        }
    }
    data(json!({}))
}

/// A deactivated user is not found, although their UID is taken.
fn one(state: &mut State, change: bool, uid: &str, body: &Value) -> Answer {
    let Some(user) = state.users.get_mut(uid).filter(|user| user.active) else {
        return refuse(StatusCode::NOT_FOUND, "ERR_UID_NOT_FOUND");
    };
    if change {
        if let Some(name) = body["name"].as_str() {
            name.clone_into(&mut user.name);
        }
        if let Some(avatar) = body["avatar"].as_str() {
            user.avatar = Some(avatar.to_owned());
        }
        if body["unset"].as_array().is_some_and(|fields| fields.contains(&json!("avatar"))) {
            user.avatar = None;
        }
    }
    data(state.shown(uid))
}

fn mint(state: &mut State, uid: &str, body: &Value) -> Answer {
    if state.users.get(uid).is_none_or(|user| !user.active) {
        return refuse(StatusCode::NOT_FOUND, "ERR_UID_NOT_FOUND");
    }
    let known = state.tokens.iter().find(|(_, owner)| *owner == uid).map(|(token, _)| token.clone());
    let token = known.filter(|_| body["force"] != json!(true)).unwrap_or_else(|| state.mint(uid));
    data(json!({ "uid": uid, "authToken": token, "createdAt": 1 }))
}
