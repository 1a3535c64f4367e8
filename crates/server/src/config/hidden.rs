//! Hides secrets when the configuration is serialized.

use secrecy::SecretString;
use serde::Serializer;

pub(super) fn hidden<S: Serializer>(_: &SecretString, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str("(secret)")
}

#[expect(clippy::ref_option, reason = "signature required by serde")]
pub(super) fn hidden_option<S: Serializer>(secret: &Option<SecretString>, serializer: S) -> Result<S::Ok, S::Error> {
    match secret {
        Some(secret) => hidden(secret, serializer),
        None => serializer.serialize_none(),
    }
}
