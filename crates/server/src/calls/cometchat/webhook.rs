//! CometChat webhook events. Webhooks authenticate with HTTP Basic (RFC 7617) and may be delivered more than once.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bedside_store::BackendReport;
use bedside_visit::{Timestamp, UserId};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// The credentials that webhooks must present.
#[derive(Debug, Clone)]
pub(crate) struct Credentials(SecretString);

impl Credentials {
    pub(crate) const fn new(name_and_password: SecretString) -> Self {
        Self(name_and_password)
    }

    /// Checks an `Authorization` header in constant time.
    pub(crate) fn admit(&self, header: Option<&str>) -> bool {
        let given = header
            .and_then(|header| header.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("basic"))
            .and_then(|(_, encoded)| STANDARD.decode(encoded.trim()).ok());
        let wanted = Sha256::digest(self.0.expose_secret());
        given.is_some_and(|given| Sha256::digest(given).ct_eq(&wanted).into())
    }
}

/// A webhook event, with the fields used here.
#[derive(Debug, Deserialize)]
pub(crate) struct Report {
    trigger: String,
    #[serde(default)]
    webhook: String,
    #[serde(default)]
    data: Data,
}

#[derive(Debug, Default, Deserialize)]
struct Data {
    call: Option<Call>,
    #[serde(rename = "sessionId")]
    session: Option<String>,
    #[serde(default)]
    created_at: serde_json::Value,
    #[serde(default)]
    occupant: serde_json::Value,
}

#[derive(Debug, Deserialize)]
struct Call {
    #[serde(default)]
    id: serde_json::Value,
    #[serde(default)]
    sender: String,
    #[serde(default)]
    receiver: serde_json::Value,
    #[serde(rename = "sentAt", default)]
    sent_at: serde_json::Value,
    #[serde(default)]
    data: serde_json::Value,
}

/// The recorded events, by CometChat's names.
const EVENTS: [&str; 9] = [
    "call_initiated",
    "call_busy",
    "call_cancelled",
    "call_rejected",
    "call_unanswered",
    "call_started",
    "call_participant_joined",
    "call_participant_left",
    "call_ended",
];

/// Maximum length of a CometChat session ID.
const LONGEST_SESSION: usize = 200;

impl Report {
    /// Converts the event for storage. Returns `None` if it is not recorded.
    pub(crate) fn to_remember(&self, at: Timestamp) -> Option<BackendReport> {
        let event = EVENTS.into_iter().find(|event| *event == self.trigger)?;
        Some(BackendReport {
            key: self.key(),
            at,
            event,
            call_session: self.session().filter(|session| is_name(session)),
            between: self.between(),
        })
    }

    /// Returns the deduplication key. As CometChat recommends, it consists of webhook, trigger, and the call's ID and
    /// time. Events without a call use the session, its time and the user.
    fn key(&self) -> [u8; 32] {
        let what = match &self.data.call {
            Some(call) => format!("{} {}", call.id, call.sent_at),
            None => format!("{:?} {} {}", self.data.session, self.data.created_at, self.data.occupant),
        };
        Sha256::digest(format!("{}\n{}\n{what}", self.webhook, self.trigger)).into()
    }

    fn session(&self) -> Option<String> {
        let of_call = || {
            let call = self.data.call.as_ref()?;
            Some(call.data.pointer("/entities/on/entity/sessionid")?.as_str()?.to_owned())
        };
        self.data.session.clone().or_else(of_call)
    }

    fn between(&self) -> Option<[UserId; 2]> {
        let call = self.data.call.as_ref()?;
        Some([call.sender.parse().ok()?, call.receiver.as_str()?.parse().ok()?])
    }
}

/// Returns whether a session ID is valid: visible ASCII characters, at most [`LONGEST_SESSION`].
fn is_name(session: &str) -> bool {
    (1..=LONGEST_SESSION).contains(&session.len()) && session.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_right_name_and_password_are_let_in() {
        let credentials = Credentials::new("bedside:abcdefghijklmnopqrstu".to_owned().into());
        let header = |scheme: &str, text: &str| format!("{scheme} {}", STANDARD.encode(text));
        assert!(credentials.admit(Some(&header("Basic", "bedside:abcdefghijklmnopqrstu"))));
        assert!(credentials.admit(Some(&header("basic", "bedside:abcdefghijklmnopqrstu"))));
        for wrong in ["bedside:abcdefghijklmnopqrst", "bedside:", "", "Bedside:abcdefghijklmnopqrstu"] {
            assert!(!credentials.admit(Some(&header("Basic", wrong))), "{wrong}");
        }
        assert!(!credentials.admit(Some(&header("Bearer", "bedside:abcdefghijklmnopqrstu"))));
        assert!(!credentials.admit(Some("Basic %%%")) && !credentials.admit(Some("Basic")) && !credentials.admit(None));
    }

    fn report(text: &str) -> Report {
        serde_json::from_str(text).expect("a report")
    }

    const INITIATED: &str = r#"{"trigger":"call_initiated","webhook":"w","appId":"a","data":{"call":{"id":"7",
        "sender":"00000000-0000-0000-0000-000000000002","receiver":"00000000-0000-0000-0000-000000000001",
        "sentAt":12,"data":{"entities":{"on":{"entity":{"sessionid":"v1.us.a.1"}}}}}}}"#;

    #[test]
    fn a_ringing_call_names_two_people_and_its_session() {
        let remembered = report(INITIATED).to_remember(Timestamp::from_millis(5)).expect("it matters");
        assert_eq!((remembered.event, remembered.call_session.as_deref()), ("call_initiated", Some("v1.us.a.1")));
        assert!(remembered.between.is_some());
    }

    #[test]
    fn the_same_report_has_the_same_key_and_another_has_another() {
        let key = |text: &str| report(text).to_remember(Timestamp::from_millis(5)).expect("it matters").key;
        assert_eq!(key(INITIATED), key(INITIATED));
        assert_ne!(key(INITIATED), key(&INITIATED.replace("\"sentAt\":12", "\"sentAt\":13")));
        let ended = r#"{"trigger":"call_ended","data":{"sessionId":"v1.us.a.1","created_at":1}}"#;
        assert_ne!(key(ended), key(&ended.replace("v1.us.a.1", "v1.us.a.2")));
    }

    #[test]
    fn what_does_not_matter_or_does_not_fit_is_not_remembered() {
        assert!(report(r#"{"trigger":"message_sent","data":{}}"#).to_remember(Timestamp::from_millis(5)).is_none());
        for unusable in
            ["x".repeat(300), String::new(), "v1\\u202e".to_owned(), "a\\u0000b".to_owned(), "a b".to_owned()]
        {
            let text = format!(r#"{{"trigger":"call_ended","data":{{"sessionId":"{unusable}"}}}}"#);
            let remembered = report(&text).to_remember(Timestamp::from_millis(5)).expect("it matters");
            assert_eq!(remembered.call_session, None, "{unusable}");
        }
    }
}
