//! The API of the SDKs: sign-in, ringing calls, and call tokens.

use axum::http::{HeaderMap, Method, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::http::{Answer, data, refuse};
use super::{APP, Call, State};

/// Final states of a call.
const OVER: [&str; 5] = ["ended", "rejected", "cancelled", "unanswered", "busy"];

pub(super) fn is_over(status: &str) -> bool {
    OVER.contains(&status)
}

/// Handles a request. `path` has no version prefix.
pub(super) fn answer(state: &mut State, method: &Method, path: &str, headers: &HeaderMap, body: &Value) -> Answer {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    if let ("GET", ["call_tokens"]) = (method.as_str(), parts.as_slice()) {
        return verify(state, header("calltoken"));
    }
    let token = header("authtoken").to_owned();
    let Some(uid) = state.tokens.get(&token).cloned() else {
        return refuse(StatusCode::UNAUTHORIZED, "AUTH_ERR_AUTH_TOKEN_NOT_FOUND");
    };
    match (method.as_str(), parts.as_slice()) {
        ("PUT" | "GET", ["me"]) => sign_in(state, &uid, &token),
        ("DELETE", ["me"]) => {
            state.tokens.remove(&token);
            data(json!({ "success": true }))
        }
        ("GET", ["settings"]) => data(settings(state)),
        ("POST", ["user_sessions"]) => data(json!({ "sessionId": body["sessionId"] })),
        ("POST", ["call_tokens"]) => call_token(state, &uid, body),
        ("POST", ["calls"]) => place(state, &uid, body, header("resource")),
        ("PUT", ["calls", session]) => change(state, &uid, session, body, header("resource")),
        _ => refuse(StatusCode::NOT_FOUND, "ERR_NOT_FOUND"),
    }
}

fn settings(state: &State) -> Value {
    let (name, port) = state.host.split_once(':').expect("host and port");
    json!({
        "APP_ID": APP, "REGION": "us", "APP_VERSION": 3, "MODE": "DEFAULT",
        "CHAT_HOST": name, "CHAT_WSS_PORT": port.parse::<u16>().expect("a port"), "CHAT_USE_SSL": 1,
        "CHAT_API_VERSION": "v3.0", "CLIENT_API_HOST": state.host, "ADMIN_API_HOST": state.host,
        "WEBRTC_HOST": state.host, "ANALYTICS_PING_DISABLED": true, "ANALYTICS_HOST": state.host,
        "ANALYTICS_VERSION": "v1", "EXTENSION_DOMAIN": "cometchat.invalid", "extensions": [],
        "settingsHash": "h", "settingsHashReceivedAt": 1, "POLLING_ENABLED": false,
        "DENY_FALLBACK_TO_POLLING": true,
    })
}

/// Returns a JWT without a valid signature, which neither this double nor the SDKs check.
fn jwt(payload: &Value) -> String {
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.signature", encode(&json!({ "alg": "HS256", "typ": "JWT" })), encode(payload))
}

fn sign_in(state: &State, uid: &str, token: &str) -> Answer {
    let mut user = state.shown(uid);
    user["authToken"] = json!(token);
    user["jwt"] = json!(jwt(&json!({ "sub": uid })));
    user["wsChannel"] = json!({ "identity": uid, "secret": "s", "service": "x" });
    user["settings"] = settings(state);
    data(user)
}

fn call_token(state: &State, uid: &str, body: &Value) -> Answer {
    let user = state.shown(uid);
    let session = &body["sessionId"];
    data(json!({ "token": jwt(&json!({
        "iss": "double", "room": session,
        "data": { "appId": APP, "region": "us", "sessionId": session,
            "user": { "uid": uid, "name": user["name"], "avatar": "" } },
    })) }))
}

fn verify(state: &State, token: &str) -> Answer {
    let payload = token.split('.').nth(1).and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
    let Some(payload) = payload.and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok()) else {
        return refuse(StatusCode::UNAUTHORIZED, "ERR_CALL_TOKEN");
    };
    data(json!({ "callToken": token, "payload": payload, "settings": {
        "PRESENTER_MODE_ENABLED": false, "WEBRTC_HOST": state.host, "ANALYTICS_HOST": state.host,
        "ANALYTICS_VERSION": "v1" } }))
}

fn place(state: &mut State, uid: &str, body: &Value, device: &str) -> Answer {
    let receiver = body["receiver"].as_str().unwrap_or_default().to_owned();
    if !state.users.contains_key(&receiver) {
        return refuse(StatusCode::NOT_FOUND, "ERR_UID_NOT_FOUND");
    }
    let session = state.place(uid, &receiver);
    if state.unheard > 0 {
        state.unheard -= 1;
        return data(state.message(&session, "initiated", uid));
    }
    told(state, &session, "initiated", uid, device)
}

fn change(state: &mut State, uid: &str, session: &str, body: &Value, device: &str) -> Answer {
    let Some(call) = state.calls.get_mut(session) else {
        return refuse(StatusCode::NOT_FOUND, "ERR_CALL_SESSION_NOT_FOUND");
    };
    if is_over(&call.status) {
        return refuse(StatusCode::BAD_REQUEST, "ERR_CALL_TERMINATED");
    }
    if uid != call.sender && uid != call.receiver {
        return refuse(StatusCode::FORBIDDEN, "ERR_CALL_NOT_A_PART");
    }
    let status = body["status"].as_str().unwrap_or_default().to_owned();
    call.status.clone_from(&status);
    told(state, session, &status, uid, device)
}

/// Notifies both on all their connections, except for the acting one.
fn told(state: &mut State, session: &str, action: &str, by: &str, device: &str) -> Answer {
    let message = state.message(session, action, by);
    let call = &state.calls[session];
    for person in [&call.sender, &call.receiver] {
        state.push(person, &message, device);
    }
    data(message)
}

impl State {
    pub(super) fn place(&mut self, sender: &str, receiver: &str) -> String {
        let at = self.number();
        let session = format!("v1.us.{APP}.{at:032x}");
        let (sender, receiver) = (sender.to_owned(), receiver.to_owned());
        let call = Call { session: session.clone(), sender, receiver, status: "initiated".to_owned(), at };
        self.calls.insert(session.clone(), call);
        session
    }

    /// Returns the message that the SDKs receive about a call; the acting user is its sender.
    pub(super) fn message(&mut self, session: &str, action: &str, by: &str) -> Value {
        let id = self.number();
        let call = &self.calls[session];
        let other = if by == call.sender { &call.receiver } else { &call.sender };
        let person = |uid: &str| json!({ "entityType": "user", "entity": self.shown(uid) });
        json!({
            "id": id.to_string(), "conversationId": format!("{}_user_{}", call.sender, call.receiver),
            "sender": by, "receiver": other, "receiverType": "user", "category": "call", "type": "video",
            "sentAt": id, "updatedAt": id,
            "data": { "action": action, "entities": {
                "by": person(by), "for": person(other),
                "on": { "entityType": "call", "entity": {
                    "sessionid": call.session, "status": call.status, "type": "video", "initiatedAt": call.at,
                    "joinedAt": call.at, "sender": call.sender, "receiver": call.receiver, "receiverType": "user",
                    "data": { "entities": { "sender": person(&call.sender), "receiver": person(&call.receiver) } },
                } },
            } },
        })
    }
}
