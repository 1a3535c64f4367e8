//! A head of the audit log: how far it goes, and the hash of all of it, signed.

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bedside_store::AuditHash;
use bedside_visit::Timestamp;
use serde::{Deserialize, Serialize};

/// What was true of the audit log at a moment. Whoever holds it can tell when lines up to it are
/// changed, or cut off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// The last line.
    pub sequence: i64,
    /// The hash of all lines, hexadecimal.
    pub hash: String,
    /// When it was signed, milliseconds since 1970.
    pub at: i64,
    /// Ed25519 (RFC 8032) over the three before, base64.
    pub signature: String,
}

impl Head {
    pub(super) fn sign(signer: &Ed25519KeyPair, sequence: i64, hash: AuditHash, at: Timestamp) -> Self {
        let mut head = Self { sequence, hash: hash.to_string(), at: at.as_millis(), signature: String::new() };
        head.signature = STANDARD.encode(signer.sign(&head.signed()));
        head
    }

    /// Whether the signature is of that key.
    pub(super) fn is_signed_by(&self, public_key: &[u8]) -> bool {
        let key = UnparsedPublicKey::new(&ED25519, public_key);
        STANDARD.decode(&self.signature).is_ok_and(|signature| key.verify(&self.signed(), &signature).is_ok())
    }

    fn signed(&self) -> Vec<u8> {
        format!("bedside audit head 1\n{}\n{}\n{}", self.sequence, self.hash, self.at).into_bytes()
    }
}
