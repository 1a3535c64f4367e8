//! A WebAuthn authenticator with passkeys and the browser between it and the page, as far as the tests need them.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use serde_json::{Value, json};
use uuid::Uuid;

/// An authenticator that verifies its user unless configured otherwise.
pub(crate) struct Authenticator {
    /// The origin reported by the browser.
    pub(crate) origin: String,
    /// The relying party ID used by the authenticator.
    pub(crate) host: String,
    /// Whether it verifies the user.
    pub(crate) verifies: bool,
    /// The signature counter.
    pub(crate) counter: u32,
    /// Whether its passkeys are synced.
    pub(crate) backed_up: bool,
    pub(crate) keys: Vec<Key>,
}

pub(crate) struct Key {
    id: Vec<u8>,
    pub(crate) user: Vec<u8>,
    pair: EcdsaKeyPair,
}

const PRESENT: u8 = 0x01;
const VERIFIED: u8 = 0x04;
/// Flags: backup eligible and backed up.
const BACKED_UP: u8 = 0x18;
const WITH_KEY: u8 = 0x40;

impl Authenticator {
    pub(crate) fn new(origin: &str) -> Self {
        let host = origin.split("://").nth(1).and_then(|rest| rest.split(':').next()).expect("a host").to_owned();
        Self { origin: origin.to_owned(), host, verifies: true, counter: 0, backed_up: false, keys: Vec::new() }
    }

    /// Implements `navigator.credentials.create`.
    pub(crate) fn create(&mut self, options: &Value) -> Value {
        let asked = &options["publicKey"];
        assert_eq!(asked["authenticatorSelection"]["residentKey"], "required", "{asked}");
        assert_eq!(asked["authenticatorSelection"]["userVerification"], "required", "{asked}");
        assert_eq!(asked["rp"]["id"], self.host.as_str(), "{asked}");
        let user = BASE64.decode(asked["user"]["id"].as_str().expect("a user")).expect("base64url");
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).expect("a key");
        let id = Uuid::now_v7().as_bytes().to_vec();
        let point = pair.public_key().as_ref();
        let mut data = self.data(WITH_KEY);
        data.extend([0; 16]);
        data.extend([0, 16]);
        data.extend(&id);
        // COSE (RFC 9053, section 7.1.1): {1: 2, 3: -7, -1: 1, -2: x, -3: y}.
        data.extend([0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 0x20]);
        data.extend(&point[1..33]);
        data.extend([0x22, 0x58, 0x20]);
        data.extend(&point[33..]);
        // CBOR: {"fmt": "none", "attStmt": {}, "authData": …}.
        let mut object = vec![0xa3, 0x63];
        object.extend(b"fmt\x64none\x67attStmt\xa0\x68authData\x58");
        object.push(u8::try_from(data.len()).expect("short"));
        object.extend(&data);
        let client = self.client_data("webauthn.create", asked);
        let answer = json!({
            "id": BASE64.encode(&id), "rawId": BASE64.encode(&id), "type": "public-key",
            "response": { "attestationObject": BASE64.encode(&object), "clientDataJSON": BASE64.encode(&client) },
        });
        self.keys.push(Key { id, user, pair });
        answer
    }

    /// Implements `navigator.credentials.get`: the user selects the last key.
    pub(crate) fn get(&mut self, options: &Value) -> Value {
        let asked = &options["publicKey"];
        assert_eq!(asked["userVerification"], "required", "{asked}");
        assert!(options.get("mediation").is_none_or(Value::is_null), "{options}");
        self.counter += 1;
        let (data, client) = (self.data(0), self.client_data("webauthn.get", asked));
        let key = self.keys.last().expect("a key");
        let signed = [data.as_slice(), digest(&SHA256, &client).as_ref()].concat();
        let signature = key.pair.sign(&SystemRandom::new(), &signed).expect("signed");
        json!({
            "id": BASE64.encode(&key.id), "rawId": BASE64.encode(&key.id), "type": "public-key",
            "response": {
                "authenticatorData": BASE64.encode(&data), "clientDataJSON": BASE64.encode(&client),
                "signature": BASE64.encode(signature.as_ref()), "userHandle": BASE64.encode(&key.user),
            },
        })
    }

    fn data(&self, more: u8) -> Vec<u8> {
        let verified = if self.verifies { VERIFIED } else { 0 };
        let flags = PRESENT | verified | if self.backed_up { BACKED_UP } else { 0 } | more;
        let mut data = digest(&SHA256, self.host.as_bytes()).as_ref().to_vec();
        data.push(flags);
        data.extend(self.counter.to_be_bytes());
        data
    }

    fn client_data(&self, kind: &str, asked: &Value) -> Vec<u8> {
        json!({ "type": kind, "challenge": asked["challenge"], "origin": self.origin }).to_string().into_bytes()
    }
}
