//! Signed head of the audit log: its last sequence number and the hash of all entries up to it.

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bedside_store::AuditHash;
use bedside_visit::Timestamp;
use serde::{Deserialize, Serialize};

/// State of the audit log at a moment, signed. With a copy of a head, later changes to entries up to it, and their
/// truncation, can be detected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// Sequence number of the last entry.
    pub sequence: i64,
    /// Hash of the chain up to that entry, hexadecimal.
    pub hash: String,
    /// Time of signing, milliseconds since 1970.
    pub at: i64,
    /// Ed25519 signature (RFC 8032) of the three fields above, base64.
    pub signature: String,
}

impl Head {
    pub(super) fn sign(signer: &Ed25519KeyPair, sequence: i64, hash: AuditHash, at: Timestamp) -> Self {
        let mut head = Self { sequence, hash: hash.to_string(), at: at.as_millis(), signature: String::new() };
        head.signature = STANDARD.encode(signer.sign(&head.signed()));
        head
    }

    /// Returns whether the signature is valid for the given public key.
    pub(super) fn is_signed_by(&self, public_key: &[u8]) -> bool {
        let key = UnparsedPublicKey::new(&ED25519, public_key);
        STANDARD.decode(&self.signature).is_ok_and(|signature| key.verify(&self.signed(), &signature).is_ok())
    }

    fn signed(&self) -> Vec<u8> {
        format!("bedside audit head 1\n{}\n{}\n{}", self.sequence, self.hash, self.at).into_bytes()
    }
}
