//! The envelope of successful responses.

use axum::Json;
use serde::Serialize;
use utoipa::ToSchema;

/// Success response of the base contract.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Success<T> {
    /// Always `true`.
    success: bool,
    /// Result of the request.
    data: T,
}

impl<T> Success<T> {
    pub(crate) const fn of(data: T) -> Json<Self> {
        Json(Self { success: true, data })
    }
}

/// Empty result.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Nothing {}
