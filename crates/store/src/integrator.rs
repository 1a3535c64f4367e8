//! Integrators: their client keys for access tokens and their signing keys for join tokens.

use bedside_visit::permission::Grants;
use bedside_visit::{Timestamp, UserId};
use uuid::Uuid;

use crate::ClientKeyHash;

/// Client credentials with which an integrator gets access tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientKey {
    /// The client ID (RFC 6749, section 2.2).
    pub id: Uuid,
    /// The integrator's user ID.
    pub user: UserId,
    /// The hash of the client secret.
    pub secret_hash: ClientKeyHash,
    /// The scopes that may be requested with it.
    pub grants: Grants,
    /// When it was created.
    pub created_at: Timestamp,
}

/// An integrator whose signed join tokens are accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issuer {
    /// The issuer in its tokens (`iss`).
    pub issuer: String,
    /// The integrator's user ID.
    pub user: UserId,
    /// Its public signing keys as a JWK Set (RFC 7517).
    pub jwks: String,
    /// Whether it may issue tokens for providers as well as for patients and companions.
    pub vouches_for_providers: bool,
}
