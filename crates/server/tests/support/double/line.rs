//! The WebSocket of the chat SDK: authentication, pings and pushed events.

use axum::extract::ws::{Message, WebSocket};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::{APP, Line, Shared, lock};

pub(super) async fn run(state: Shared, mut socket: WebSocket) {
    let (outbox, mut frames) = mpsc::unbounded_channel::<String>();
    let mut device = String::new();
    loop {
        tokio::select! {
            frame = frames.recv() => {
                let Some(frame) = frame else { break };
                if socket.send(Message::text(frame)).await.is_err() {
                    break;
                }
            }
            message = socket.recv() => {
                let Some(Ok(message)) = message else { break };
                let Ok(said) = serde_json::from_str::<Value>(message.to_text().unwrap_or_default()) else { continue };
                if said["action"] == json!("ping") {
                    let _ = outbox.send(json!({ "action": "pong" }).to_string());
                } else if said["type"] == json!("auth") {
                    let text = |name: &str| said[name].as_str().unwrap_or_default().to_owned();
                    device = text("deviceId");
                    let _ = outbox.send(
                        json!({ "appId": APP, "type": "auth", "sender": said["sender"], "receiver": said["sender"],
                            "receiverType": "user", "deviceId": said["deviceId"],
                            "body": { "status": "OK", "code": "200" } })
                        .to_string(),
                    );
                    let line = Line { uid: text("sender"), device: device.clone(), outbox: outbox.clone() };
                    lock(&state).lines.push(line);
                }
            }
        }
    }
    lock(&state).lines.retain(|line| line.device != device);
}
