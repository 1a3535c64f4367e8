//! HTTP: routes, response headers, the mapping of errors to responses, and the connections below them.

pub(crate) mod assets;
pub(crate) mod edge;
pub(crate) mod error;
pub(crate) mod form;
pub(crate) mod idempotency;
pub(crate) mod request_id;
pub(crate) mod router;
pub(crate) mod timing;
