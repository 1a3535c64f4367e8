//! Other programs: the keys they get access tokens with, and the keys they sign join tokens with.

use bedside_visit::permission::Grants;
use bedside_visit::{Timestamp, UserId};
use uuid::Uuid;

use crate::ClientKeyHash;

/// A key with which another program gets access tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientKey {
    /// Its public half, the client's id (RFC 6749, section 2.2).
    pub id: Uuid,
    /// Whose.
    pub user: UserId,
    /// The hash of its secret half.
    pub secret_hash: ClientKeyHash,
    /// What tokens may be asked for with it.
    pub grants: Grants,
    /// When it was made.
    pub created_at: Timestamp,
}

/// Another program whose signed join tokens are taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issuer {
    /// The name it puts in its tokens (`iss`).
    pub issuer: String,
    /// Which program.
    pub user: UserId,
    /// The public keys it signs with, as a JWK Set (RFC 7517).
    pub jwks: String,
    /// Whether it may sign for providers, and not for patients and companions alone.
    pub vouches_for_providers: bool,
}
